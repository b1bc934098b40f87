"""`POST /webhooks/{source}`: 2xx means stored."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope

from relay import logs
from relay.codes import CODES
from relay.journal.protocol import JournalUnavailable
from relay.model import Appended, Webhook
from relay.pipeline.intake import Intake
from relay.pipeline.wakeups import Wakeups
from relay.sources.contract import Refused
from relay.web import bodies
from relay.web.clients import Clients

RETRY_AFTER_S = 5
STATUS = {
    "signature_missing": 401,
    "signature_mismatch": 401,
    "signature_expired": 401,
    "signature_key_unknown": 401,
    "keys_unavailable": 503,
    "sender_refused": 403,
    "media_type": 415,
    "body_encoding": 415,
}
"""HTTP status by the code of a refusal; any other is 400."""
NOT_JSON = ("application/x-www-form-urlencoded", "multipart/", "text/", "application/xml", "image/")


class Webhooks:
    """The webhook endpoint, for all sources."""

    def __init__(
        self, intake: Intake, wakeups: Wakeups, *, max_body_bytes: int, trusted_proxies: Sequence[str] = ()
    ) -> None:
        self._intake = intake
        self._clients = Clients(trusted_proxies)
        self._wakeups = wakeups
        self._max_body_bytes = max_body_bytes
        self._log = logs.get("intake")

    async def post(self, source: str, scope: Scope, receive: Receive) -> Response:
        """The answer to a webhook for the source of this name."""
        if not self._intake.knows(source):
            return refusal(404, "unknown_source")
        if self._wakeups.closing:
            return unavailable("stopping")
        try:
            return await self._take(source, scope, receive)
        except bodies.BodyTooLarge:
            self._log.warning("webhook_refused", source=source, code="body_too_large")
            return refusal(413, "body_too_large")
        except bodies.ClientDisconnect:
            # Nobody is there to be answered; the platform saw no 2xx and will send again.
            return Response(status_code=400)
        except Refused as error:
            status = STATUS.get(error.code, 400)
            answer = unavailable(error.code) if status == 503 else refusal(status, error.code)
            if error.challenge:
                answer.headers["WWW-Authenticate"] = error.challenge
                return answer
            self._log.warning("webhook_refused", source=source, code=error.code, detail=error.detail)
            return answer
        except JournalUnavailable as error:
            self._log.error("journal_unavailable", source=source, detail=str(error))
            return unavailable("journal_unavailable")

    def permit(self, source: str, request: Request) -> Response:
        """Leave to send webhooks, for a sender that asks first, such as Azure Event Grid.

        Source: CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, chapter 4. A webhook proves itself all the same.
        """
        if not self._intake.knows(source):
            return refusal(404, "unknown_source")
        answer = Response(status_code=200, headers={"Allow": "POST, OPTIONS"})
        if origin := request.headers.get("webhook-request-origin", ""):
            answer.headers["WebHook-Allowed-Origin"] = origin
            answer.headers["WebHook-Allowed-Rate"] = "*"
        return answer

    async def _take(self, source: str, scope: Scope, receive: Receive) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        raw = await bodies.read(receive, headers.get("content-length", ""), self._max_body_bytes)
        client = self._clients.address(scope.get("client"), headers.get("x-forwarded-for", ""))
        encoding = headers.get("content-encoding", "")
        if encoding:
            try:
                raw = bodies.decoded(raw, encoding, self._max_body_bytes)
            except Refused as error:
                await self._intake.refuse(source, Webhook(headers, raw, client), error)
                raise
        try:
            appended = await self._intake.take(source, Webhook(headers, raw, client))
        except Refused as error:
            if error.code == "body_not_json" and headers.get("content-type", "").lower().startswith(NOT_JSON):
                raise Refused("media_type", error.detail) from error
            raise
        if appended is None:
            return JSONResponse({"status": "ping"})
        return Stored(appended)


class Stored(Response):
    """The answer to a webhook that is stored; made by itself, since Starlette's way costs several times as much."""

    def __init__(self, appended: Appended) -> None:
        self.status_code = 200
        self.background = None
        status = b"duplicate" if appended.duplicate else b"accepted"
        self.body = b'{"status":"%s","event":"%d"}' % (status, appended.event_id)
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]


def refusal(status: int, code: str) -> Response:
    """Why a webhook was not taken, for the log of the platform."""
    return JSONResponse(
        {"status": "refused", "code": code, "message": CODES[code].meaning, "remedy": CODES[code].remedy}, status
    )


def unavailable(code: str) -> Response:
    answer = refusal(503, code)
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer
