"""Ometria's push API: contacts, orders and products as records, of one type a request.

Sources: Ometria's push, order, contact and product pages; its Magento extension. A 200 says that
the records wait to be checked; what is refused then is listed by ``_errors``. Records are merged by
their ids, so what is sent again does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from relay import __version__
from relay.codes import RelayError
from relay.destinations.answers import shown
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Refusal, Request, Unfit
from relay.destinations.judging import USUAL, by_status, told
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.ometria_options import OmetriaOptions

FEW_PLACES = 1_000
"""Of the 50,000 in Ometria's queue: with fewer left it is given time."""
TIME_FOR_QUEUE_S = 30.0


class Ometria:
    """One Ometria account. Raises RelayError for options that cannot work."""

    kind = "ometria"
    mapped: Mapped = "always"

    def __init__(self, name: str, options: OmetriaOptions) -> None:
        key = options.api_key.get_secret_value().strip()
        if not key:
            raise RelayError("config_missing", f"destinations.{name}.api_key is empty.")
        if not key.isascii() or not key.isprintable():
            raise RelayError("config_invalid", f"destinations.{name}.api_key holds a character that no header may.")
        if options.max_record_bytes + 2 > options.max_batch_bytes:
            message = f"destinations.{name}.max_batch_bytes has no room for one record of max_record_bytes."
            raise RelayError("config_invalid", message)
        self._secrets = (key,)
        self._url = f"{options.host.rstrip('/')}/{options.path.strip('/')}"
        self._headers = {
            "X-Ometria-Auth": key,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"relay/{__version__}",
        }
        self.poll_every_s = options.errors_every_s
        self.limits = Limits(
            max_records=options.max_batch_records,
            max_request_bytes=options.max_batch_bytes,
            max_record_bytes=options.max_record_bytes,
            envelope_bytes=2,
        )

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        made = []
        for item in mapped:
            kind, identifier = item.get("@type"), item.get("id")
            if not (isinstance(kind, str) and kind and isinstance(identifier, str) and identifier):
                return Unfit("record_incomplete", "the record has no @type or no id")
            body = orjson.dumps(item)
            if len(body) > self.limits.max_record_bytes:
                return Unfit("guard_size", f"{len(body)} bytes, {self.limits.max_record_bytes} are allowed")
            made.append(Record(body, group=kind, name=f"{kind}/{identifier}"))
        return made

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        body = b"".join((b"[", b",".join(record.body for record in records), b"]"))
        return Request("POST", self._url, self._headers, body, body)

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        usual = by_status(answer, USUAL, records=records, secrets=self._secrets, now_ms=now_ms)
        if answer.status == 429:
            return Decision(usual.verdict, usual.code, usual.detail, usual.wait_s, slowly=True)
        if usual.verdict is not VerdictKind.DELIVERED:
            return usual
        said = _object(answer.body)
        if said.get("status") == "ERROR" or _count(said.get("rejected")) > 0:
            # Which of the records it means is not said.
            alone = records <= 1
            verdict, code = (VerdictKind.REJECT, "call_refused") if alone else (VerdictKind.SPLIT, "batch_refused")
            return Decision(verdict, code, told(answer, self._secrets))
        return Decision(
            VerdictKind.DELIVERED,
            "accepted",
            usual.detail,
            wait_s=TIME_FOR_QUEUE_S if _nearly_full(answer) else None,
            receipt=str(said.get("request_id") or ""),
        )

    def probe(self) -> Request:
        """The list of errors, which only a good key may see."""
        return self.poll()

    def read_probe(self, answer: Answer) -> Decision:
        decision = by_status(answer, USUAL, records=1, secrets=self._secrets, now_ms=0)
        if decision.verdict is VerdictKind.DELIVERED:
            return Decision(VerdictKind.DELIVERED, "accepted", "Ometria takes the key")
        return decision

    def poll(self) -> Request:
        headers = {name: value for name, value in self._headers.items() if name != "Content-Type"}
        return Request("GET", f"{self._url}/_errors", headers, b"", b"")

    def read_poll(self, answer: Answer) -> Sequence[Refusal]:
        if answer.status != 200:
            return ()
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return ()
        entries = said.get("errors") if isinstance(said, dict) else said
        return (
            [self._refusal(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else ()
        )

    def _refusal(self, entry: JsonObject) -> Refusal:
        kind, identifier = entry.get("record_type"), entry.get("record_id")
        said = ": ".join(str(entry[name]) for name in ("error_path", "error_message") if entry.get(name))
        return Refusal(
            identity=hashlib.sha256(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).hexdigest(),
            record=f"{kind or ''}/{identifier or ''}" if kind or identifier else "",
            receipt=str(entry.get("request_id") or ""),
            at_ms=_ms(entry.get("timestamp")),
            detail=shown(said, self._secrets),
        )


def _object(body: bytes) -> JsonObject:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Any 2xx says that it is queued; what the body would add is left unknown.
        return {}
    return said if isinstance(said, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _nearly_full(answer: Answer) -> bool:
    left = answer.headers.get("x-queuesize-remaining", "").strip()
    return left.isascii() and left.isdecimal() and len(left) < 10 and int(left) < FEW_PLACES


def _ms(timestamp: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(timestamp)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        # Without a time the refusal is told by its receipt alone.
        return None
