"""Segmentify's REST API for backends: an array of events, the key in the query.

Source: Segmentify's page on custom integration; its Android, React Native and Flutter SDKs. It
answers 200 to nearly everything; what a request came to is in ``statusCode``. It knows no time of
an event and documents no removal of duplicates.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from relay import __version__
from relay.codes import RelayError
from relay.destinations.answers import shown
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.destinations.judging import USUAL, by_status, told
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.segmentify_options import SegmentifyOptions

_ANSWERS = ((400, 400, VerdictKind.REJECT, "call_refused"), *USUAL)

_STATUS_CODES: Mapping[str, tuple[VerdictKind, str]] = MappingProxyType(
    dict.fromkeys(("NO_API_KEY", "NO_ACCOUNT"), (VerdictKind.MISCONFIGURED, "key_refused"))
    | dict.fromkeys(("UNVERIFIED_ACCOUNT", "FAILED_ACCOUNT"), (VerdictKind.MISCONFIGURED, "account_refused"))
    | {"NO_DOMAIN_APIKEY_MATCH": (VerdictKind.MISCONFIGURED, "origin_refused")}
    | dict.fromkeys(("NO_EVENT", "NO_USERID", "NO_SESSIONID", "BAD_INPUT"), (VerdictKind.SPLIT, "batch_refused"))
)
"""What ``statusCode`` means; any other but SUCCESS refuses the events."""

_UNREADABLE = object()
_LONG_ANSWER_BYTES = 1_000
_STATUS_CODE = re.compile(rb'"statusCode"\s*:\s*"([A-Z_]{1,40})"')
_DERIVED = "srv_"
"""Begins ids of ours, so that they never meet a browser's."""


class Segmentify:
    """One Segmentify account. Raises RelayError for options that cannot work."""

    kind = "segmentify"
    mapped: Mapped = "always"

    def __init__(self, name: str, options: SegmentifyOptions) -> None:
        key = options.api_key.get_secret_value().strip()
        if not key:
            raise RelayError("config_missing", f"destinations.{name}.api_key is empty.")
        base = options.data_center.rstrip("/")
        self._secrets = (key,)
        self._url = f"{base}/add/events/v1.json?apiKey={quote(key, safe='')}"
        self._key_url = f"{base}/get/key?count=1"
        self._fetches = options.session_ids == "fetched"
        self._host = urlsplit(base).hostname or base
        self._max_age_ms = int(options.max_age_s * 1000)
        origin = urlsplit(options.origin)
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"relay/{__version__}",
            "Origin": f"{origin.scheme}://{origin.netloc}",
        }
        self._common: JsonObject = {
            "device": options.device,
            "lang": options.lang,
            "pageUrl": options.page_url or f"{origin.scheme}://{origin.netloc}/",
            "referrer": "",
            "testMode": "true" if options.test_mode else None,
        }
        self.limits = Limits(
            max_records=1 if self._fetches else options.max_batch_events,
            max_request_bytes=options.max_batch_bytes,
            max_record_bytes=options.max_batch_bytes - 2,
            envelope_bytes=2,
        )

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """The mapping's events with what all events have, and with ids where it gave none.

        How old a call was when it came decides, not how long it waited here: what waits for a
        destination does not expire.
        """
        said = orjson.loads(call.text)
        age_ms = call.received_at_ms - _ms(said.get("timestamp"), call.received_at_ms)
        if age_ms > self._max_age_ms:
            return Unfit("too_old", f"{age_ms // 1000} s, {self._max_age_ms // 1000} s are allowed", skipped=True)
        ids = {"userId": _user_id(said), "sessionId": "" if self._fetches else _session_id(said, call)}
        made = []
        for event in mapped:
            whole = {**_with_content(self._common), **ids, **_with_content(event)}
            missing = [field for field in ("name", "userId", "sessionId") if not isinstance(whole.get(field), str)]
            if missing:
                return Unfit("record_incomplete", f"the event has no {', '.join(missing)}")
            body = orjson.dumps(whole)
            if len(body) > self.limits.max_record_bytes:
                return Unfit("guard_size", f"{len(body)} bytes, {self.limits.max_record_bytes} are allowed")
            made.append(Record(body))
        return made

    def question(self, records: Sequence[Record]) -> Request | None:
        """For a key of a session, where none is known and none is to be derived."""
        return self.probe() if any(not orjson.loads(record.body)["sessionId"] for record in records) else None

    def completed(self, records: Sequence[Record], answer: Answer, *, now_ms: int) -> Sequence[Record] | Decision:
        decision = by_status(answer, USUAL, records=1, secrets=self._secrets, now_ms=now_ms)
        if decision.verdict is not VerdictKind.DELIVERED:
            # It says nothing of the event.
            verdict = VerdictKind.RETRY if decision.verdict is VerdictKind.REJECT else decision.verdict
            return replace(decision, verdict=verdict)
        try:
            keys = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            keys = None
        if not (isinstance(keys, list) and keys and isinstance(keys[0], str) and keys[0]):
            return Decision(VerdictKind.RETRY, "answer_unreadable", decision.detail)
        events = (orjson.loads(record.body) for record in records)
        return [Record(orjson.dumps({**event, "sessionId": event["sessionId"] or keys[0]})) for event in events]

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        body = b"".join((b"[", b",".join(record.body for record in records), b"]"))
        return Request("POST", self._url, self._headers, body, body)

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        if answer.status != 200:
            usual = by_status(answer, _ANSWERS, records=records, secrets=self._secrets, now_ms=now_ms)
            if usual.verdict is VerdictKind.DELIVERED:
                return Decision(VerdictKind.RETRY, "answer_unreadable", usual.detail)  # 204 and the like say nothing
            return usual
        detail = told(answer, self._secrets)
        status_code = _status_code(answer.body)
        if status_code is _UNREADABLE:
            return Decision(VerdictKind.RETRY, "answer_unreadable", detail)
        if status_code is None or status_code == "SUCCESS":
            # Nothing removes duplicates there: what an earlier attempt brought unheard counts twice now.
            twice = Decision(VerdictKind.DELIVERED, "accepted_maybe_twice", detail)
            return Decision(VerdictKind.DELIVERED, "accepted", detail, if_doubtful=twice)
        verdict, code = _STATUS_CODES.get(str(status_code), (VerdictKind.REJECT, "call_refused"))
        if verdict is VerdictKind.SPLIT and records <= 1:
            verdict, code = VerdictKind.REJECT, "call_refused"
        return Decision(verdict, code, detail)

    def probe(self) -> Request:
        """Asks for a fresh key, which binds nobody."""
        return Request("GET", self._key_url, {"Accept": "application/json"}, b"", b"")

    def read_probe(self, answer: Answer) -> Decision:
        decision = by_status(answer, USUAL, records=1, secrets=self._secrets, now_ms=0)
        if decision.verdict is not VerdictKind.DELIVERED:
            return decision
        said = f"{self._host} answers; whether it takes the key and the origin shows at the first event"
        return Decision(VerdictKind.DELIVERED, "accepted", shown(said, self._secrets))


def _status_code(body: bytes) -> Any:
    """None when there is none. An answer may be as long as the campaigns in it, and is cut then; an error is short."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        if len(body) < _LONG_ANSWER_BYTES or not body.lstrip().startswith(b"{"):
            return _UNREADABLE
        found = _STATUS_CODE.search(body)
        return found[1].decode() if found else None
    return said.get("statusCode") if isinstance(said, dict) else _UNREADABLE


def _with_content(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _user_id(call: JsonObject) -> str:
    """The same for all that is told of a customer: from the id, or else the e-mail address, or the anonymous id."""
    traits: Any = call.get("context", {}).get("traits") or {}
    email = traits.get("email") if isinstance(traits, dict) else None
    who = call.get("userId") or (email.strip().lower() if isinstance(email, str) else None) or call.get("anonymousId")
    return _DERIVED + hashlib.sha256(str(who).encode()).hexdigest()


def _session_id(call: JsonObject, fact: Call) -> str:
    """One session an order, so that its steps belong together; else one a fact."""
    properties: Any = call.get("properties") or {}
    order_id = properties.get("order_id") if isinstance(properties, dict) else None
    return f"{_DERIVED}{order_id or fact.message_id}"


def _ms(timestamp: Any, otherwise: int) -> int:
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
    except (ValueError, OverflowError):
        # A time that the guard let through and we cannot read says nothing of the call's age.
        return otherwise
