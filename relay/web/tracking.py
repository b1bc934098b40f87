"""`/v1/…`: Segment's tracking API, for its libraries. 200 means stored.

Sources: Segment's page on the HTTP API; what its libraries take for an answer: they send again after
408, 429 and 5xx, and give up after any other 4xx.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from relay import logs
from relay.codes import CODES
from relay.journal.protocol import JournalUnavailable
from relay.model import Webhook
from relay.pipeline.intake import Intake
from relay.pipeline.wakeups import Wakeups
from relay.sources.contract import Refused
from relay.sources.segment.requests import ENDPOINTS, Posted, basic_key, read
from relay.sources.segment.source import Segment
from relay.web import bodies, origins
from relay.web.clients import Clients
from relay.web.webhooks import RETRY_AFTER_S

STATUS = {
    "write_key_unknown": 401,
    "page_refused": 403,
    "endpoint_unknown": 404,
    "body_too_large": 413,
    "batch_too_large": 413,
    "call_too_large": 413,
    "body_encoding": 415,
    "stopping": 503,
    "journal_unavailable": 503,
}
"""HTTP status by the code of a refusal; any other is 400."""

MOST_KEPT = 100
"""Calls of a request with an unknown key that quarantine keeps: as many as a library sends at once, and not as
many as a stranger may."""


class TrackingApi:
    """The tracking API of all sources of the platform `segment`, told apart by their write keys."""

    def __init__(
        self,
        sources: Mapping[str, Segment],
        intake: Intake,
        wakeups: Wakeups,
        now_ms: Callable[[], int],
        *,
        max_body_bytes: int,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._sources = sources
        self._clients = Clients(trusted_proxies)
        self._intake = intake
        self._wakeups = wakeups
        self._now_ms = now_ms
        most = max((source.max_batch_bytes for source in sources.values()), default=0)
        self._max_body_bytes = min(max_body_bytes, most)
        self._too_large = "batch_too_large" if most <= max_body_bytes else "body_too_large"
        self._any_origin = [origin for source in sources.values() for origin in source.allowed_origins]
        self._log = logs.get("intake")

    async def answer(self, path: str, request: Request) -> Response:
        """The answer to a request for ``/v1/<path>``."""
        response = await self._answer(path, request)
        # Also to an error, else the page's script is told nothing of it.
        origins.allow(request, response, self._any_origin)
        return response

    async def _answer(self, path: str, request: Request) -> Response:
        if request.method == "GET":
            return self._settings(path, request)
        if path.rstrip("/") not in ENDPOINTS or not self._sources:
            return refusal("endpoint_unknown")
        if request.method == "OPTIONS":
            return origins.preflight(request)
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST, OPTIONS"})
        if self._wakeups.closing:
            return refusal("stopping")
        try:
            return await self._take(path.rstrip("/"), request)
        except bodies.BodyTooLarge:
            return self._refused("", Refused(self._too_large, f"over {self._max_body_bytes} bytes"))
        except bodies.ClientDisconnect:
            # Nobody is there to be answered; the library saw no 2xx and will send again.
            return Response(status_code=400)
        except JournalUnavailable as error:
            self._log.error("journal_unavailable", detail=str(error))
            return refusal("journal_unavailable")

    async def _take(self, endpoint: str, request: Request) -> Response:
        headers = dict(request.headers)
        body = await bodies.read(request.receive, headers.get("content-length", ""), self._max_body_bytes)
        authorization = headers.get("authorization", "")
        try:
            body = bodies.decoded(body, headers.get("content-encoding", ""), self._max_body_bytes)
            posted = read(endpoint, authorization, body)
        except Refused as refused:
            name = self._named([basic_key(authorization)])
            if name is not None:
                await self._intake.refuse(name, Webhook(headers, body), refused)
            return self._refused(name or "", refused)
        name = self._named(posted.presented)
        if name is None:
            return await self._turn_away(posted, headers)
        source = self._sources[name]
        if len(body) > source.max_batch_bytes:
            return self._refused(name, Refused("batch_too_large", f"{len(body)} bytes"))
        if "origin" in headers and not origins.allowed(headers["origin"], source.allowed_origins):
            return self._refused(name, Refused("page_refused", ""))
        return await self._store(name, posted, request, headers)

    async def _turn_away(self, posted: Posted, headers: Mapping[str, str]) -> Response:
        """Of one source alone it is plain that the key was meant for it, and may be one that is set later."""
        refused = Refused("write_key_unknown", "")
        owners = [name for name, source in self._sources.items() if source.has_write_key]
        owner = owners[0] if len(owners) == 1 else ""
        if owner and posted.presented and len(posted.pieces) <= MOST_KEPT:
            source = self._sources[owner]
            await self._intake.take_all(owner, [], source.turned_away(posted, headers, {}, refused))
        return self._refused(owner, refused)

    async def _store(self, name: str, posted: Posted, request: Request, headers: Mapping[str, str]) -> Response:
        source = self._sources[name]
        address = self._clients.address(request.scope.get("client"), headers.get("x-forwarded-for", ""))
        context = browser_context(headers, address if source.collects_ip else "")
        received, refused = source.take_apart(posted, headers, context, now_ms=self._now_ms())
        await self._intake.take_all(name, received, refused)
        for _, why in refused:
            self._log.warning("webhook_refused", source=name, code=why.code, detail=why.detail)
        if refused and not posted.batch:
            return refusal(refused[0][1].code)
        return Response(b'{"success":true}', media_type="application/json")

    def _named(self, presented: Sequence[str]) -> str | None:
        """The source that has one of the keys, else one that is open to all."""
        admitting = [name for name, source in self._sources.items() if source.admits(presented)]
        return next(iter([*admitting, *(name for name, source in self._sources.items() if source.open)]), None)

    def _refused(self, name: str, refused: Refused) -> Response:
        self._log.warning("webhook_refused", source=name or "/v1", code=refused.code, detail=refused.detail)
        return refusal(refused.code)

    def _settings(self, path: str, request: Request) -> Response:
        """What analytics.js asks the CDN for when it starts: that its calls go here, and to no vendor's script."""
        parts = path.split("/")
        if len(parts) != 3 or (parts[0], parts[2]) != ("projects", "settings") or self._named((parts[1],)) is None:
            return refusal("endpoint_unknown")
        host = request.headers.get("host", "")
        local = request.url.hostname in ("localhost", "127.0.0.1", "::1")
        segment = {"apiKey": parts[1], "apiHost": f"{host}/v1", "protocol": "http" if local else "https"}
        settings = {"integrations": {"Segment.io": segment}, "metrics": {"sampleRate": 0}, "plan": {}}
        headers = {"Cache-Control": "private, max-age=60"}
        return Response(orjson.dumps(settings), media_type="application/json", headers=headers)


def browser_context(headers: Mapping[str, str], address: str) -> dict[str, str]:
    """What Segment adds to a browser's calls: the page's visitor connects, so address and browser are theirs."""
    if "origin" not in headers:
        return {}
    told = {"ip": address if _is_public(address) else "", "userAgent": headers.get("user-agent", "")}
    return {name: value for name, value in told.items() if value}


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        # Not an address; nothing is better than something wrong.
        return False


def refusal(code: str) -> Response:
    """Segment's libraries log `code` and `message`."""
    status = STATUS.get(code, 400)
    told = {"success": False, "code": code, "message": f"{CODES[code].meaning} {CODES[code].remedy}"}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return Response(orjson.dumps(told), status, headers, "application/json")
