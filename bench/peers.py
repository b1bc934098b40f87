"""The contenders beside the relay.

``bare``: a Starlette route that reads the body and answers; the most that intake could reach.
``diy``: the relay most shops write: parse, jsonata-python, one httpx POST an event, nothing stored.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from jsonata.jsonata import Jsonata
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

DIY_TEMPLATE = """
{
  "type": "track",
  "event": "Order Completed",
  "messageId": id,
  "userId": payload.data.relationships.customer.data.id,
  "timestamp": payload.data.meta.timestamps.updated_at,
  "properties": {
    "order_id": payload.data.id,
    "total": payload.data.meta.display_price.with_tax.amount / 100,
    "tax": payload.data.meta.display_price.tax.amount / 100,
    "currency": payload.data.meta.display_price.with_tax.currency,
    "products": [payload.included.items[unit_price.amount >= 0].{
      "product_id": product_id, "sku": sku, "name": name, "price": unit_price.amount / 100, "quantity": quantity
    }]
  }
}
"""


async def _bare(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse({"status": "accepted"})


class Diy:
    def __init__(self, receiver: str) -> None:
        self._url = f"{receiver}/v1/track"
        self._template = Jsonata(DIY_TEMPLATE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient() as self._client:
            yield

    async def post(self, request: Request) -> JSONResponse:
        call = self._template.evaluate(json.loads(await request.body()))
        (await self._client.post(self._url, json=call, auth=("key", ""))).raise_for_status()
        return JSONResponse({"status": "delivered"})


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "bare":
        app = Starlette(routes=[Route("/webhooks/{source}", _bare, methods=["POST"])])
    else:
        diy = Diy(os.environ["RECEIVER"])
        app = Starlette(routes=[Route("/webhooks/{source}", diy.post, methods=["POST"])], lifespan=diy.lifespan)
    uvicorn.run(app, port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
