"""A Segment look-alike: answers as Segment's HTTP Tracking API does, and tells what it did.

The rules and their order follow Segment's documents and libraries. Like the original it answers
200 to nearly everything and then drops in silence; unlike it, it says so under ``/_fake``.
"""

from __future__ import annotations

import binascii
import hashlib
import time
import zlib
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relay.demo.faults import Fault, fail_with
from relay.model import Json, JsonObject

TYPES = ("identify", "track", "page", "screen", "group", "alias")
MAX_BODY_BYTES = 500_000
MAX_CALL_BYTES = 32_768
MAX_CALLS = 2_500
LEAST_KEY_CHARACTERS = 2
DUPLICATE_WINDOW_MS = 24 * 3_600_000


class SegmentLookalike:
    """An ASGI app; serve it with `relay.demo.serving.serve`.

    ``stored`` are calls as Segment would keep them, ``dropped`` those it would not, with the
    reason. ``ledger`` has for each ``messageId`` the hash of each content it came with, duplicates
    too; ``arrivals`` the ids in order.
    """

    def __init__(
        self,
        known_keys: Iterable[str],
        *,
        max_requests_per_second: int | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.known_keys = frozenset(known_keys)
        self.max_requests_per_second = max_requests_per_second
        self.fault = Fault(count=0)
        self.stored: list[JsonObject] = []
        self.dropped: list[JsonObject] = []
        self.ledger: dict[str, list[str]] = {}
        self.arrivals: list[str] = []
        self.last_headers: Mapping[str, str] = {}
        self._now_ms = now_ms
        self._taken_ms: dict[str, int] = {}
        self._requests_ms: deque[int] = deque()
        self._app = Starlette(
            routes=[
                Route("/v1/projects/{key}/settings", self._settings),
                *(Route(f"/v1/{path}", self._calls, methods=["POST"]) for path in ("batch", *TYPES)),
                Route("/_fake/fail", self._fail, methods=["POST"]),
                *(Route(f"/_fake/{name}", self._show) for name in ("stored", "dropped", "ledger", "arrivals")),
            ],
            exception_handlers={405: _not_found},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    # -- endpoints
    async def _calls(self, request: Request) -> Response:
        body = await request.body()
        self.last_headers = dict(request.headers)
        fault = self._next_fault()
        if fault and not fault.accept:
            return await fail_with(fault, request)
        answer = self._answer(request, body)
        return await fail_with(fault, request) if fault else answer

    async def _settings(self, request: Request) -> Response:
        known = request.path_params["key"] in self.known_keys
        return JSONResponse({"integrations": {}}) if known else await _not_found(request, None)

    async def _fail(self, request: Request) -> Response:
        try:
            self.fault = Fault(**orjson.loads(await request.body()))
        except (TypeError, orjson.JSONDecodeError) as error:
            return PlainTextResponse(str(error), 400)
        return JSONResponse({"success": True})

    async def _show(self, request: Request) -> Response:
        return JSONResponse(getattr(self, request.url.path.rpartition("/")[2]))

    # -- rules
    def _next_fault(self) -> Fault | None:
        if self.fault.count <= 0:
            return None
        self.fault = replace(self.fault, count=self.fault.count - 1)
        return self.fault

    def _answer(self, request: Request, body: bytes) -> Response:
        received_ms = self._now_ms()
        if self._too_many(received_ms):
            return PlainTextResponse("Too Many Requests", 429, {"Retry-After": "1", "X-RateLimit-Reset": "1"})
        envelope = _envelope(request.headers.get("content-encoding", ""), body)
        if envelope is None:
            return PlainTextResponse("Bad Request", 400)
        key = _key(envelope, request.headers.get("authorization", ""))
        if len(key) < LEAST_KEY_CHARACTERS:
            return PlainTextResponse("Bad Request", 400)
        calls = _read_calls(envelope, request.url.path.rpartition("/")[2])
        if any(len(orjson.dumps(call)) > MAX_CALL_BYTES for call in calls):
            return PlainTextResponse("Exceeded payload limit of 32kb", 400)
        if not calls:
            self.dropped.append({"reason": "empty_batch", "messageId": None, "call": None})
        for call in calls:
            self._take(call, envelope, key=key, calls=len(calls), received_ms=received_ms)
        return JSONResponse({"success": True})

    def _too_many(self, now_ms: int) -> bool:
        if self.max_requests_per_second is None:
            return False
        while self._requests_ms and self._requests_ms[0] <= now_ms - 1000:
            self._requests_ms.popleft()
        self._requests_ms.append(now_ms)
        return len(self._requests_ms) > self.max_requests_per_second

    def _take(self, call: Json, envelope: JsonObject, *, key: str, calls: int, received_ms: int) -> None:
        """What happens after the 200."""
        message_id = call.get("messageId") if isinstance(call, dict) else None
        if isinstance(message_id, str):
            content = hashlib.sha256(orjson.dumps(call, option=orjson.OPT_SORT_KEYS)).hexdigest()
            self.ledger.setdefault(message_id, []).append(content)
            self.arrivals.append(message_id)
        if key not in self.known_keys:
            reason = "unknown key"
        elif calls > MAX_CALLS:
            reason = "too many calls"
        else:
            reason = flaw(call) or self._duplicate(message_id, received_ms)
        if reason or not isinstance(call, dict):
            self.dropped.append({"reason": reason, "messageId": message_id, "call": call})
        else:
            self.stored.append(_as_stored(call, envelope, received_ms))

    def _duplicate(self, message_id: object, received_ms: int) -> str:
        """Segment compares the ``messageId`` alone, with those of all its customers."""
        if not isinstance(message_id, str):
            return ""
        taken_ms = self._taken_ms.get(message_id)
        if taken_ms is not None and received_ms - taken_ms < DUPLICATE_WINDOW_MS:
            return "duplicate"
        self._taken_ms[message_id] = received_ms
        return ""


def flaw(call: Json) -> str:
    """Why Segment drops a call after the 200, by its own reason codes; empty when it does not."""
    if not isinstance(call, dict) or call.get("type") not in TYPES:
        return "bad_request"
    ids = [call[name] for name in ("userId", "anonymousId") if call.get(name) is not None]
    if not all(isinstance(value, str) for value in [*ids, call.get("messageId", "")]):
        return "id_not_string"
    if not any(ids):
        return "no_user_anon_id"
    if call["type"] == "group" and not call.get("groupId"):
        return "id_required"
    if call["type"] == "track" and call.get("event") in (None, ""):
        return "event_not_defined"
    for name, kind, reason in (
        ("event", str, "event_not_string"),
        ("properties", dict, "properties_not_object"),
        ("traits", dict, "traits_not_object"),
        ("name", str, "name_not_string"),
        ("category", str, "category_not_string"),
    ):
        if not isinstance(call.get(name, kind()), kind):
            return reason
    return ""


def _envelope(encoding: str, body: bytes) -> JsonObject | None:
    if encoding == "gzip":
        unpack = zlib.decompressobj(wbits=31)
        try:
            body = unpack.decompress(body, MAX_BODY_BYTES + 1)
        except zlib.error:
            return None
        if not unpack.eof:  # cut off, or larger than the limit
            return None
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return envelope if isinstance(envelope, dict) else None


def _key(envelope: JsonObject, authorization: str) -> str:
    key = envelope.get("writeKey")
    if isinstance(key, str) and key:
        return key
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _read_calls(envelope: JsonObject, path: str) -> list[Json]:
    if path == "batch":
        calls = envelope.get("batch")
        return calls if isinstance(calls, list) else []
    return [{**envelope, "type": path}]


def _as_stored(call: JsonObject, envelope: JsonObject, received_ms: int) -> JsonObject:
    """As Segment stores it: ``timestamp`` corrected by the sender's clock, what is common merged in."""
    sent_ms, original_ms = _ms(envelope.get("sentAt")), _ms(call.get("timestamp"))
    if original_ms is None:
        happened_ms = received_ms
    else:
        happened_ms = original_ms if sent_ms is None else received_ms - (sent_ms - original_ms)
    common: JsonObject = {
        name: {**_object(envelope, name), **_object(call, name)}
        for name in ("context", "integrations")
        if name in envelope or name in call
    }
    return {
        "messageId": str(uuid4()),
        **{name: value for name, value in call.items() if name != "writeKey"},
        **common,
        "originalTimestamp": call.get("timestamp"),
        "sentAt": envelope.get("sentAt"),
        "receivedAt": _iso(received_ms),
        "timestamp": _iso(happened_ms),
    }


def _object(holder: JsonObject, name: str) -> JsonObject:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _ms(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _iso(ms: int) -> str:
    second = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{ms % 1000:03d}Z"


async def _not_found(_: Request, __: Exception | None) -> Response:
    return PlainTextResponse("404 page not found", 404)
