"""Any receiver of JSON over HTTP, declared wholly in the configuration."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import SecretStr

from relay import __version__
from relay.codes import RelayError
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.destinations.judging import USUAL, by_status
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.options import HttpOptions


class Http:
    """One declared receiver. Raises RelayError for options that cannot work."""

    kind = "http"
    mapped: Mapped = "if_any"

    def __init__(self, name: str, options: HttpOptions) -> None:
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
        joined = b",".join(record.body for record in records)
        body = b"[%b]" % joined if self._many else joined
        return Request(
            method=self._method,
            url=self._url,
            headers=self._headers,
            body=gzip.compress(body, compresslevel=1, mtime=0) if self._gzip else body,
            shown_body=body,
        )

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        return by_status(answer, USUAL, records=records, secrets=self._secrets, now_ms=now_ms)

    def probe(self) -> Request | None:
        """None: whatever a declared receiver is asked may have an effect there."""
        return None

    def read_probe(self, answer: Answer) -> Decision:
        return Decision(VerdictKind.RETRY, "no_probe", "")


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
    """All that must not be shown, the longest first: a part of it may be a secret too."""
    found = {value.get_secret_value() for value in (*options.headers.values(), *options.query.values())}
    found |= {quote_plus(value.get_secret_value()) for value in options.query.values()}
    found |= {value.get_secret_value() for value in (options.bearer_token, options.basic) if value is not None}
    if options.basic is not None:
        found |= {_base64(options.basic), options.basic.get_secret_value().partition(":")[2]}
    return sorted(found - {""}, key=len, reverse=True)


def _base64(secret: SecretStr) -> str:
    return b64encode(secret.get_secret_value().encode()).decode()
