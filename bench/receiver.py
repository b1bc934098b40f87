"""A receiver that only counts the calls it gets; `GET /` tells how many, `GET /wait/{n}` answers once there are n."""

from __future__ import annotations

import asyncio
import gzip
import sys
import time

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Receiver:
    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._calls = 0
        self._last_s = 0.0
        self._grew = asyncio.Condition()

    async def post(self, request: Request) -> JSONResponse:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        document = orjson.loads(body)
        for call in document.get("batch", [document]):
            self._calls += 1
            self._ids.add(call.get("messageId", str(self._calls)))
        self._last_s = time.time()
        async with self._grew:
            self._grew.notify_all()
        return JSONResponse({"success": True})

    async def wait(self, request: Request) -> JSONResponse:
        wanted = request.path_params["n"]
        async with self._grew:
            await self._grew.wait_for(lambda: len(self._ids) >= wanted)
        return JSONResponse({"calls": self._calls, "unique": len(self._ids), "last_s": self._last_s})


def main() -> None:
    receiver = Receiver()
    app = Starlette(
        routes=[
            Route("/wait/{n:int}", receiver.wait),
            Route("/{path:path}", receiver.post, methods=["POST"]),
        ]
    )
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
