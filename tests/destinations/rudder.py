"""A RudderStack look-alike: the gateway's answers, in the order its code checks.

It is stricter than Segment: the key counts only in the header, and one bad call refuses the batch.
"""

from __future__ import annotations

import gzip
from base64 import b64decode

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relay.model import Json, JsonObject

MAX_BODY_BYTES = 4_000 * 1024


class RudderLookalike:
    """An ASGI app. ``trouble``, while set, is answered to every request."""

    def __init__(self, known_keys: set[str], disabled_keys: frozenset[str] = frozenset()) -> None:
        self.known_keys = known_keys
        self.disabled_keys = disabled_keys
        self.trouble: tuple[int, str] | None = None
        self.stored: list[JsonObject] = []
        self._app = Starlette(routes=[Route("/v1/batch", self._batch, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _batch(self, request: Request) -> PlainTextResponse:
        body = await request.body()
        status, text = self.trouble or self._take(request, body)
        return PlainTextResponse(text, status)

    def _take(self, request: Request, body: bytes) -> tuple[int, str]:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        key = b64decode(credentials).decode().partition(":")[0]
        if scheme != "Basic" or not key:
            return 401, "failed to read writekey from header"
        if key in self.disabled_keys:
            return 404, "source is disabled"
        if key not in self.known_keys:
            return 401, "invalid write key"
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if len(body) > MAX_BODY_BYTES:
            return 413, "request size exceeds max limit"
        try:
            calls = orjson.loads(body)["batch"]
        except (orjson.JSONDecodeError, KeyError):
            return 400, "invalid json"
        if not calls:
            return 400, "empty batch payload"
        for call in calls:
            if flaw := _flaw(call):
                return 400, flaw
        self.stored += calls
        return 200, "OK"


def _flaw(call: Json) -> str:
    if not isinstance(call, dict) or "type" not in call:
        return "event is not a valid rudder event"
    if not (call.get("userId") or call.get("anonymousId")):
        return "request neither has anonymousId nor userId"
    return ""
