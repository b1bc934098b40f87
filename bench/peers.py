"""The contenders beside the relay that are written in Python.

``bare``: a Starlette route that reads the body and answers; the most that intake could reach.
``diy``: the relay most shops write: parse, jsonata-python, one httpx POST an event, nothing stored.
``diy-segment``: the same with Segment's own library, which answers first and sends batches from memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import uvicorn
from jsonata.jsonata import Jsonata
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
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
QUEUE = 100_000
"""Calls that Segment's library may hold in memory; what comes beyond it drops."""


async def _ready(request: Request) -> Response:
    return Response()


class Bare:
    def __init__(self, receiver: str) -> None:
        pass

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield

    async def post(self, request: Request) -> JSONResponse:
        await request.body()
        return JSONResponse({"status": "accepted"})


def rendered(template: Jsonata, body: bytes) -> dict[str, Any]:
    return cast("dict[str, Any]", template.evaluate(json.loads(body)))


class Diy:
    def __init__(self, receiver: str) -> None:
        self._url = f"{receiver}/v1/track"
        self._template = Jsonata(DIY_TEMPLATE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient() as self._client:
            yield

    async def post(self, request: Request) -> JSONResponse:
        call = rendered(self._template, await request.body())
        (await self._client.post(self._url, json=call, auth=("key", ""))).raise_for_status()
        return JSONResponse({"status": "delivered"})


class DiySegment:
    def __init__(self, receiver: str) -> None:
        from segment.analytics.client import Client

        self._client = Client("key", host=receiver, max_queue_size=QUEUE)
        self._template = Jsonata(DIY_TEMPLATE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self._client.join()

    async def post(self, request: Request) -> JSONResponse:
        call = rendered(self._template, await request.body())
        self._client.track(
            user_id=call["userId"], event=call["event"], properties=call["properties"], message_id=call["messageId"]
        )
        return JSONResponse({"status": "queued"})


PEERS: dict[str, type[Bare] | type[Diy] | type[DiySegment]] = {"bare": Bare, "diy": Diy, "diy-segment": DiySegment}


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    peer = PEERS[kind](os.environ.get("RECEIVER", ""))
    routes = [Route("/webhooks/{source}", peer.post, methods=["POST"]), Route("/ready", _ready)]
    uvicorn.run(Starlette(routes=routes, lifespan=peer.lifespan), port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
