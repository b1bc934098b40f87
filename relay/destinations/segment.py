"""Segment's HTTP Tracking API, and receivers that take the same call, such as RudderStack.

Sources: Segment's HTTP API, rate limit and duplicate data pages; the retry policy of its Node and
Python libraries; RudderStack's gateway. A 200 says no more than that the bytes were taken:
Segment refuses calls after it, without telling, so the template guard checks them before.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from relay import __version__
from relay.codes import RelayError
from relay.destinations.answers import MASK
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.destinations.judging import USUAL, by_status
from relay.destinations.probing import read_segment_probe, segment_probe
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.options import SegmentOptions

_RETRY, _MISCONFIGURED = VerdictKind.RETRY, VerdictKind.MISCONFIGURED

# Beside what is usual: the retry policy of Segment's newer libraries.
_ANSWERS = (
    (410, 410, _RETRY, "server_error"),
    (460, 460, _RETRY, "server_error"),
    (501, 501, _MISCONFIGURED, "not_supported"),
    (505, 505, _MISCONFIGURED, "not_supported"),
    (511, 511, _MISCONFIGURED, "not_supported"),
    *USUAL,
)


LONGEST_MESSAGE_ID = 100
"""Segment discards a call with one of as many characters."""
_DECODER = json.JSONDecoder()
_ID_FIRST = '{"messageId":'


class Segment:
    """A Segment source, known by its write key. Raises RelayError for options that cannot work."""

    kind = "segment"
    mapped: Mapped = "never"

    def __init__(self, name: str, options: SegmentOptions) -> None:
        self._key = _key(name, options)
        self._host = options.host
        self._url = f"{options.host.rstrip('/')}/{options.path.lstrip('/')}"
        self._id_prefix = f"{name}|{self._key}|"
        self._keeps_ids = options.caller_message_ids == "keep"
        self._gzip = options.gzip
        basic = b64encode(f"{self._key}:".encode()).decode()
        self._secrets = (self._key, basic)
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"relay/{__version__}",
            # Segment takes the key from the body, RudderStack only from here.
            "Authorization": f"Basic {basic}",
        }
        if self._gzip:
            self._headers["Content-Encoding"] = "gzip"
        self.limits = Limits(
            max_records=options.max_batch_calls,
            max_request_bytes=options.max_batch_bytes,
            max_record_bytes=options.max_call_bytes,
            envelope_bytes=len(_envelope(b"", now_ms=0, key=self._key)),
        )
        if self.limits.envelope_bytes + options.max_call_bytes > options.max_batch_bytes:
            message = f"destinations.{name}.max_batch_bytes has no room for one call of max_call_bytes."
            raise RelayError("config_invalid", message)

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """The call with a ``messageId`` of this destination and key, or with the caller's if that is kept.

        Segment drops what has a ``messageId`` that any source sent it within a day, so the same
        fact needs another one for each destination.
        """
        own_id, members = _caller_id(call.text)
        if not self._keeps_ids or not 0 < len(own_id) < LONGEST_MESSAGE_ID:
            own_id = f"wr_{hashlib.sha256(f'{self._id_prefix}{call.message_id}'.encode()).hexdigest()[:40]}"
        body = b'{"messageId":' + orjson.dumps(own_id) + f",{members}".encode()
        if len(body) > self.limits.max_record_bytes:
            return Unfit("guard_size", f"{len(body)} bytes, {self.limits.max_record_bytes} are allowed")
        return (Record(body),)

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        """``sentAt`` is new at each attempt: Segment corrects the calls' times by it."""
        calls = b",".join(record.body for record in records)
        body = _envelope(calls, now_ms=now_ms, key=self._key)
        headers = {**self._headers, "X-Retry-Count": str(failures)} if failures > 0 else self._headers
        return Request(
            method="POST",
            url=self._url,
            headers=headers,
            body=gzip.compress(body, compresslevel=1, mtime=0) if self._gzip else body,
            shown_body=_envelope(calls, now_ms=now_ms, key=MASK),
        )

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        return by_status(answer, _ANSWERS, records=records, secrets=self._secrets, now_ms=now_ms)

    def probe(self) -> Request:
        return segment_probe(self._host, self._key)

    def read_probe(self, answer: Answer) -> Decision:
        return read_segment_probe(self._host, answer)


def _key(name: str, options: SegmentOptions) -> str:
    key = options.write_key.get_secret_value().strip()
    if not key:
        raise RelayError("config_missing", f"destinations.{name}.write_key is empty.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise RelayError("config_invalid", f"destinations.{name}.write_key holds a character that no key has.")
    return key


def _caller_id(text: str) -> tuple[str, str]:
    """The id that a call's text begins with, or an empty one; and the text's other members, to the end."""
    if not text.startswith(_ID_FIRST):
        return "", text[1:]
    own_id, end = _DECODER.raw_decode(text, len(_ID_FIRST))
    return own_id, text[end + 1 :]


def _envelope(calls: bytes, *, now_ms: int, key: str) -> bytes:
    second = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    head = f'{{"sentAt":"{second}.{now_ms % 1000:03d}Z","writeKey":'.encode()
    return b"".join((head, orjson.dumps(key), b',"batch":[', calls, b"]}"))
