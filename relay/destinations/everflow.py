"""Everflow's server-to-server postback: one conversion a GET request, all of it in the query.

Sources: Everflow's help pages on postbacks, conversion errors and reversals, its own page on Segment
(which parameter a property becomes), its SDK; RudderStack's destination, for 204 as rejection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from relay import __version__
from relay.codes import RelayError
from relay.destinations.answers import MASK
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.destinations.judging import USUAL, by_status, told
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.everflow_options import EverflowOptions

MAX_URL_BYTES = 8_000
"""What servers usually take."""
MAX_CLICK_CHARACTERS = 332
"""As Everflow's SDK bounds several clicks in one id: of a longer one the first 33 and the last 297."""
REVERSAL = "reversal"
"""A record with this as its ``@path`` takes conversions back; any other makes one."""

_THROTTLED = 1
_CONFIGURATION = frozenset({2, 3, 6, 7, 10, 11, 15, 16, 17, 18, 19, 21, 25, 26})
"""Codes of refusals for which account, offer or domain must be mended (Everflow's list of conversion errors)."""
_ANSWERS = (
    (400, 400, VerdictKind.REJECT, "call_refused"),
    (413, 414, VerdictKind.REJECT, "call_refused"),
    *USUAL,
)
_WHY_NOTHING = "204: Everflow rejects without a reason; its reports under Conversion Errors tell it"
_SKIPPED: Mapping[str, str] = MappingProxyType(
    {
        "no_click": "the order was not made after a click on a partner's link",
        "not_mapped": "the event has no id under destinations.<name>.events",
        "partial_refund": "a part was refunded, and Everflow reverses whole conversions only",
    }
)


class Everflow:
    """One Everflow account. Raises RelayError for options that cannot work."""

    kind = "everflow"
    mapped: Mapped = "always"

    def __init__(self, name: str, options: EverflowOptions) -> None:
        token = options.verification_token.get_secret_value().strip() if options.verification_token else ""
        if options.verification_token is not None and not token:
            raise RelayError("config_missing", f"destinations.{name}.verification_token is empty.")
        self._base = options.tracking_domain.rstrip("/")
        self._fixed = {"nid": str(options.nid)}
        self._token = token
        self._secrets = (token,) if token else ()
        self._max_age_ms = int(options.max_age_s * 1000)
        self._accepts_nothing = options.no_content == "accept"
        self.limits = Limits(
            max_records=1, max_request_bytes=MAX_URL_BYTES, max_record_bytes=MAX_URL_BYTES, envelope_bytes=0
        )

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """The mapping's parameters. ``@skip`` in place of them says why there is nothing to send."""
        age_ms = now_ms - _ms(orjson.loads(call.text).get("timestamp"), now_ms)
        made = []
        for item in mapped:
            if "@skip" in item:
                why = str(item["@skip"])
                return Unfit("not_applicable", _SKIPPED.get(why, why), skipped=True)
            if age_ms > self._max_age_ms:
                allowed_d = self._max_age_ms / 86_400_000
                return Unfit("too_old", f"{age_ms // 86_400_000} days, {allowed_d:g} are allowed", skipped=True)
            parameters = _texts(item)
            missing = "order_id" if item.get("@path") == REVERSAL else "transaction_id"
            if not parameters.get(missing):
                return Unfit("record_incomplete", f"there is no {missing}")
            body = orjson.dumps({"@path": REVERSAL if item.get("@path") == REVERSAL else "", **parameters})
            if len(body) > MAX_URL_BYTES or len(self._url(body)) > MAX_URL_BYTES:
                return Unfit("guard_size", f"the URL would be longer than {MAX_URL_BYTES} bytes")
            made.append(Record(body))
        return made

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        (record,) = records
        shown_body = self._url(record.body, token=MASK if self._token else "").encode()
        headers = {"User-Agent": f"relay/{__version__}", "Accept": "*/*"}
        return Request("GET", self._url(record.body), headers, b"", b"GET " + shown_body)

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        usual = by_status(answer, _ANSWERS, records=records, secrets=self._secrets, now_ms=now_ms)
        if answer.status == 204 and not self._accepts_nothing:
            # A repeat of what was booked is refused in the same way.
            booked = Decision(VerdictKind.DELIVERED, "probably_taken", _WHY_NOTHING)
            return Decision(VerdictKind.REJECT, "call_refused", _WHY_NOTHING, if_doubtful=booked)
        refused = usual.verdict in (VerdictKind.DELIVERED, VerdictKind.REJECT)
        error, number = _error(answer.body) if refused else (False, 0)
        if not error:
            return usual
        detail = told(answer, self._secrets)
        if number == _THROTTLED:
            return Decision(VerdictKind.RETRY, "rate_limited", detail)
        if number in _CONFIGURATION:
            return Decision(VerdictKind.MISCONFIGURED, "account_refused", detail)
        return Decision(VerdictKind.REJECT, "call_refused", detail)

    def probe(self) -> Request | None:
        """None: whatever is asked there is a conversion."""
        return None

    def read_probe(self, answer: Answer) -> Decision:
        return Decision(VerdictKind.RETRY, "no_probe", "")

    def _url(self, body: bytes, *, token: str | None = None) -> str:
        parameters: dict[str, str] = orjson.loads(body)
        path = parameters.pop("@path")
        token = self._token if token is None else token
        query = {**self._fixed, **parameters, **({"verification_token": token} if token else {})}
        return f"{self._base}/{path}?{urlencode(query, safe='*', quote_via=quote)}"


def _texts(item: JsonObject) -> dict[str, str]:
    """Parameters as they are written in a query; amounts without an exponent, lists and objects as JSON."""
    found: dict[str, str] = {}
    for name, value in item.items():
        if name.startswith("@") or value in (None, ""):
            continue
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, dict | list):
            found[name] = orjson.dumps(value).decode()
        elif name == "amount" and isinstance(value, int | float):
            found[name] = _decimal(value)
        else:
            found[name] = str(value)
    click = found.get("transaction_id", "")
    if len(click) > MAX_CLICK_CHARACTERS:
        found["transaction_id"] = click[:33] + click[-297:]
    return found


def _decimal(amount: float) -> str:
    """Never with an exponent; two places where that is all there is."""
    exact = Decimal(repr(amount))
    return f"{exact:.2f}" if isinstance(amount, float) and exact == round(exact, 2) else f"{exact:f}"


def _error(body: bytes) -> tuple[bool, int]:
    """Whether the answer is an error as JSON, and its number, if it has one."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Answers are empty or text for people, of which the status says all.
        return False, 0
    if not isinstance(said, dict) or not said.get("error"):
        return False, 0
    number: Any = said.get("code")
    return True, number if isinstance(number, int) else 0


def _ms(timestamp: Any, otherwise: int) -> int:
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
    except (ValueError, OverflowError):
        # A time that the guard let through and we cannot read says nothing of the call's age.
        return otherwise
