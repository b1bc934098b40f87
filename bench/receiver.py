"""A receiver that counts the calls it gets, by the first part of the path; one that begins with `slow` takes its time.

`GET /wait/{name}/{n}` answers once there are n different calls; `GET /orders/{name}` when each order came first.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import time
from collections import defaultdict

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SLOW_S = 1.0


class Tally:
    """Of one name; seconds are of the machine's monotonic clock."""

    def __init__(self) -> None:
        self.calls = 0
        self.ids: set[str] = set()
        self.orders: dict[str, float] = {}
        self.marks: list[tuple[float, int]] = []
        """After each request: when, and how many different calls had come."""

    def count(self, document: dict[str, object]) -> None:
        now_s = time.monotonic()
        calls = document.get("batch", [document])
        assert isinstance(calls, list)
        for call in calls:
            self.calls += 1
            self.ids.add(call.get("messageId", str(self.calls)))
            self.orders.setdefault(call["properties"]["order_id"], now_s)
        self.marks.append((now_s, len(self.ids)))

    def told(self, wanted: int) -> dict[str, float]:
        reached_s = next(at_s for at_s, unique in self.marks if unique >= wanted)
        return {"calls": self.calls, "unique": len(self.ids), "reached_s": reached_s}


class Receiver:
    def __init__(self) -> None:
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._grew = asyncio.Condition()

    async def post(self, request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if name.startswith("slow"):
            await asyncio.sleep(SLOW_S)
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self._tallies[name].count(orjson.loads(body))
        async with self._grew:
            self._grew.notify_all()
        return JSONResponse({"success": True})

    async def wait(self, request: Request) -> JSONResponse:
        tally, wanted = self._tallies[request.path_params["name"]], request.path_params["n"]
        async with self._grew:
            await self._grew.wait_for(lambda: len(tally.ids) >= wanted)
        return JSONResponse(tally.told(wanted))

    async def orders(self, request: Request) -> Response:
        return Response(orjson.dumps(self._tallies[request.path_params["name"]].orders))


async def ready(request: Request) -> Response:
    return Response()


def main() -> None:
    receiver = Receiver()
    app = Starlette(
        routes=[
            Route("/ready", ready),
            Route("/wait/{name}/{n:int}", receiver.wait),
            Route("/orders/{name}", receiver.orders),
            Route("/{name}/{path:path}", receiver.post, methods=["POST"]),
        ]
    )
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
