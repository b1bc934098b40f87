"""Any receiver of JSON over HTTP, declared wholly in the configuration."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from relay import __version__
from relay.codes import RelayError
from relay.destinations.contract import (
    Answer,
    Decision,
    Evaluator,
    Limits,
    Mapped,
    Record,
    Request,
    Unfit,
    Unpackable,
)
from relay.destinations.judging import USUAL, by_status
from relay.model import Call, Json, JsonObject, VerdictKind
from relay.settings.options import HttpOptions

_MISCONFIGURED = VerdictKind.MISCONFIGURED
_SHORTEST_SECRET = 4


class Http:
    """One declared receiver. Raises RelayError for options that cannot work."""

    kind = "http"
    mapped: Mapped = "if_any"

    def __init__(self, name: str, options: HttpOptions, evaluator: Evaluator) -> None:
        for option in ("envelope", "success"):
            _check(f"destinations.{name}.{option}", getattr(options, option), evaluator)
        self._evaluator = evaluator
        self._envelope, self._success, self._settings = options.envelope, options.success, options.settings
        self._method = options.method
        query = {key: value.get_secret_value() for key, value in options.query.items()}
        self._url = f"{options.url}?{urlencode(query)}" if query else options.url
        self._id_prefix = f"{name}|{options.url}|"
        self._gzip = options.gzip
        self._many = options.max_batch_records > 1
        self._headers = _headers(options)
        self._secrets = _secrets(options)
        self.limits = Limits(
            max_records=options.max_batch_records,
            max_request_bytes=options.max_batch_bytes,
            max_record_bytes=options.max_record_bytes,
            envelope_bytes=2 if self._many else 0,
        )
        if self.limits.envelope_bytes + options.max_record_bytes > options.max_batch_bytes:
            message = f"destinations.{name}.max_batch_bytes has no room for one record of max_record_bytes."
            raise RelayError("config_invalid", message)

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """What the mapping made. A ``messageId`` in it that is the call's becomes one of this destination."""
        made = []
        for item in mapped:
            body = orjson.dumps(self._with_own_id(item, call))
            if len(body) > self.limits.max_record_bytes:
                return Unfit("guard_size", f"{len(body)} bytes, {self.limits.max_record_bytes} are allowed")
            made.append(Record(body))
        return made

    def _with_own_id(self, item: JsonObject, call: Call) -> JsonObject:
        """Receivers that pass calls on to one and the same vendor must not get one id twice."""
        return {**item, "messageId": self._message_id(call)} if item.get("messageId") == call.message_id else item

    def _message_id(self, call: Call) -> str:
        return f"wr_{hashlib.sha256(f'{self._id_prefix}{call.message_id}'.encode()).hexdigest()[:40]}"

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        """Raises `Unpackable` when the envelope cannot be made, or is too large."""
        joined = b",".join(record.body for record in records)
        body = self._enveloped(joined, now_ms) if self._envelope else b"[%b]" % joined if self._many else joined
        return Request(
            method=self._method,
            url=self._url,
            headers=self._headers,
            body=gzip.compress(body, compresslevel=1, mtime=0) if self._gzip else body,
            shown_body=body,
        )

    def _enveloped(self, joined: bytes, now_ms: int) -> bytes:
        assert self._envelope is not None
        sent_at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        bindings = {"sentAt": sent_at, "settings": self._settings}
        try:
            made = self._evaluator.evaluate(self._envelope, f"[{joined.decode()}]", bindings)
        except ValueError as error:
            raise Unpackable("envelope_failed", str(error)) from None
        if made is None:
            raise Unpackable("envelope_failed", "the expression gives nothing")
        body = made.encode()
        if len(body) > self.limits.max_request_bytes:
            raise Unpackable("guard_size", f"{len(body)} bytes, {self.limits.max_request_bytes} are allowed")
        return body

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        usual = by_status(answer, USUAL, records=records, secrets=self._secrets, now_ms=now_ms)
        if self._success is None or answer.status <= 0:
            return usual
        try:
            said = self._evaluator.evaluate(self._success, _document(answer), {})
        except ValueError:
            # Nobody knows whether it was taken; the rule is to be mended, and nothing lost until then.
            return Decision(_MISCONFIGURED, "success_rule", usual.detail)
        return _ruled(orjson.loads(said) if said else None, usual, records)

    def probe(self) -> Request | None:
        """None: whatever a declared receiver is asked may have an effect there."""
        return None

    def read_probe(self, answer: Answer) -> Decision:
        return Decision(VerdictKind.RETRY, "no_probe", "")


def _check(option: str, expression: str | None, evaluator: Evaluator) -> None:
    if expression is None:
        return
    try:
        evaluator.check(expression)
    except ValueError:
        raise RelayError("config_invalid", f"{option} is no JSONata.") from None


def _document(answer: Answer) -> str:
    """What a success rule sees. A body that is no JSON is text."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = answer.body.decode("utf-8", "replace")
    headers = {name: value.encode("utf-8", "replace").decode() for name, value in answer.headers.items()}
    return orjson.dumps({"status": answer.status, "headers": headers, "body": body}).decode()


def _ruled(said: Json, usual: Decision, records: int) -> Decision:
    """What a rule's word means; its no leaves a failure as its status has it."""
    if said is True or said == "delivered":
        return Decision(VerdictKind.DELIVERED, "accepted", usual.detail)
    if said == "retry":
        return Decision(VerdictKind.RETRY, "server_error", usual.detail, usual.wait_s)
    if said == "misconfigured":
        return Decision(_MISCONFIGURED, "success_rule", usual.detail)
    if said not in ("split", "reject") and usual.verdict is not VerdictKind.DELIVERED:
        return usual
    if said == "reject" or records <= 1:
        return Decision(VerdictKind.REJECT, "call_refused", usual.detail)
    return Decision(VerdictKind.SPLIT, "batch_refused", usual.detail)


def _headers(options: HttpOptions) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"relay/{__version__}"}
    if options.gzip:
        headers["Content-Encoding"] = "gzip"
    if options.bearer_token is not None:
        headers["Authorization"] = f"Bearer {options.bearer_token.get_secret_value()}"
    if options.basic is not None:
        headers["Authorization"] = f"Basic {_base64(options.basic)}"
    given = {name: value.get_secret_value() for name, value in options.headers.items()}
    replaced = {name.lower() for name in given}
    return {**{name: value for name, value in headers.items() if name.lower() not in replaced}, **given}


def _secrets(options: HttpOptions) -> Sequence[str]:
    """All that must not be shown, the longest first: a part of it may be a secret too.

    A header such as ``X-Api-Version: 1`` is none, and would make an answer unreadable.
    """
    found = {value.get_secret_value() for value in (*options.headers.values(), *options.query.values())}
    found |= {value.get_secret_value() for value in (options.bearer_token, options.basic) if value is not None}
    if options.basic is not None:
        found |= {_base64(options.basic), options.basic.get_secret_value().partition(":")[2]}
    return sorted((secret for secret in found if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _base64(secret: SecretStr) -> str:
    return b64encode(secret.get_secret_value().encode()).decode()
