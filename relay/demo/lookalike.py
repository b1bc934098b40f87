"""What look-alikes of vendors have in common: one answer after the other, faults between, and a record of it all."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from relay.demo.faults import Fault, fail_with
from relay.model import Json


@dataclass(frozen=True, slots=True)
class Came:
    """A request as it came. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        read: Json = orjson.loads(self.body)
        return read


class Lookalike(ABC):
    """An ASGI app; serve it with `relay.demo.serving.serve`.

    ``requests`` are all that came but those to ``/_fake``: what is shown there, and ``POST
    /_fake/fail`` with the fields of a `Fault`. While ``slow_s`` is set every answer takes so long.
    """

    shown: tuple[str, ...] = ()
    """Attributes that can be looked at below ``/_fake``."""

    def __init__(self) -> None:
        self.fault = Fault(count=0)
        self.slow_s = 0.0
        self.requests: list[Came] = []

    @abstractmethod
    def answer(self, came: Came) -> Response:
        """The vendor's answer, by its rules in their order."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        if request.url.path.startswith("/_fake/"):
            response = self._fake(request.url.path.removeprefix("/_fake/"), body)
        else:
            response = await self._real(request, body)
        await response(scope, receive, send)

    async def _real(self, request: Request, body: bytes) -> Response:
        came = Came(request.method, request.url.path, dict(request.query_params), dict(request.headers), body)
        self.requests.append(came)
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.fault.count <= 0:
            return self.answer(came)
        self.fault = replace(self.fault, count=self.fault.count - 1)
        fault = self.fault
        if fault.accept:
            self.answer(came)
        return await fail_with(fault, request)

    def _fake(self, name: str, body: bytes) -> Response:
        if name == "fail":
            try:
                self.fault = Fault(**orjson.loads(body))
            except (TypeError, orjson.JSONDecodeError) as error:
                return PlainTextResponse(str(error), 400)
            return JSONResponse({"success": True})
        return JSONResponse(getattr(self, name)) if name in self.shown else Response(status_code=404)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
