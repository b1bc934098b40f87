"""SegMetrics' Import API: one contact, invoice or other object a request.

Sources: SegMetrics' API documentation; its guide for shops without an API, whose script makes the
contact first and then the order. Calls are upserts, so that sending one again does no harm. Money
is in whole minor units, times are the shop's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson

from relay import __version__
from relay.codes import RelayError
from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.destinations.judging import USUAL, by_status, told
from relay.model import Call, JsonObject, VerdictKind
from relay.settings.segmetrics_options import SegMetricsOptions

_ANSWERS = ((400, 400, VerdictKind.REJECT, "call_refused"), *USUAL)

# What a mapping may give, as {name: object} → method and path; `id` of an object stands for {id}.
_REQUESTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "contact": ("POST", "contact"),
        "invoice": ("POST", "invoice"),
        "product": ("POST", "product"),
        "subscription": ("POST", "subscription"),
        "tags_add": ("POST", "tags/add"),
        "tags_remove": ("POST", "tags/remove"),
        "delete_contact": ("DELETE", "contact/{id}"),
        "delete_invoice": ("DELETE", "invoice/{id}"),
        "delete_subscription": ("DELETE", "subscription/{id}"),
    }
)
_REQUIRED: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "invoice": ("id", "amount", "paid", "date_created", "items"),
        "product": ("id", "name"),
        "subscription": ("id", "amount", "product_id", "start_date", "last_bill_date", "billing_cycle", "frequency"),
    }
)
_OF_A_CONTACT = frozenset({"contact", "invoice", "subscription", "tags_add", "tags_remove"})
_MONEY = frozenset({"amount", "paid", "discount", "tax", "shipping", "total_paid"})


class SegMetrics:
    """One API integration of an account. Raises RelayError for options that cannot work."""

    kind = "segmetrics"
    mapped: Mapped = "always"

    def __init__(self, name: str, options: SegMetricsOptions) -> None:
        self._key = options.api_key.get_secret_value().strip()
        if not self._key:
            raise RelayError("config_missing", f"destinations.{name}.api_key is empty.")
        if not self._key.isascii() or not self._key.isprintable():
            raise RelayError("config_invalid", f"destinations.{name}.api_key holds a character that no key has.")
        self._secrets = (self._key,)
        self._base = f"{options.host.rstrip('/')}/api/v1/{options.account_id}/{options.integration_id}"
        self._currencies = None if options.currency is None else {options.currency, *options.rates}
        self.limits = Limits(
            max_records=1,
            max_request_bytes=options.max_record_bytes,
            max_record_bytes=options.max_record_bytes,
            envelope_bytes=0,
        )

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """One record for each object of the mapping, in its order: the contact before the invoice."""
        said = orjson.loads(call.text).get("properties")
        currency = said.get("currency") if isinstance(said, dict) else None
        if self._currencies is not None and currency is not None and currency not in self._currencies:
            return Unfit("other_currency", f"the call is in {str(currency)[:10]}", skipped=True)
        made = []
        for item in mapped:
            unfit = _unfit(item)
            if unfit:
                return Unfit("record_incomplete", unfit)
            ((name, content),) = item.items()
            body = orjson.dumps(content)
            if len(body) > self.limits.max_record_bytes:
                return Unfit("guard_size", f"{len(body)} bytes, {self.limits.max_record_bytes} are allowed")
            made.append(Record(body, group=name))
        return made

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        (record,) = records
        method, path = _REQUESTS[record.group]
        headers = {"Authorization": self._key, "User-Agent": f"relay/{__version__}"}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        else:
            path = path.format(id=quote(str(orjson.loads(record.body)["id"]), safe=""))
        return Request(
            method=method,
            url=f"{self._base}/{path}",
            headers=headers,
            body=record.body if method == "POST" else b"",
            shown_body=b'{"%b":%b}' % (record.group.encode(), record.body),
        )

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        if answer.status == 404 and answer.method == "DELETE":
            return Decision(VerdictKind.DELIVERED, "accepted", told(answer, self._secrets))  # it is gone already
        usual = by_status(answer, _ANSWERS, records=1, secrets=self._secrets, now_ms=now_ms)
        if usual.verdict is not VerdictKind.DELIVERED or answer.status == 204:
            return usual
        status = _status(answer.body)
        if status == "success":
            return usual
        if status is None:
            # A proxy's page: it takes what it got before as one with what it gets again.
            return Decision(VerdictKind.RETRY, "answer_unreadable", usual.detail)
        return Decision(VerdictKind.REJECT, "call_refused", usual.detail)

    def probe(self) -> Request | None:
        """None: the vendor documents no request without effect for the keys of an integration."""
        return None

    def read_probe(self, answer: Answer) -> Decision:
        return Decision(VerdictKind.RETRY, "no_probe", "")


def _unfit(item: JsonObject) -> str:
    """Why an object of a mapping is none that SegMetrics takes; empty when it is one."""
    name, content = next(iter(item.items())) if len(item) == 1 else ("", None)
    if name not in _REQUESTS or not isinstance(content, dict):
        return f"the mapping must give objects of one key with an object: {', '.join(_REQUESTS)}"
    required = ("id",) if name.startswith("delete_") else _REQUIRED.get(name, ())
    missing = [field for field in required if content.get(field) in (None, "", [])]
    if name in _OF_A_CONTACT and not any(content.get(field) for field in ("contact_id", "email")):
        missing.append("email")
    if missing:
        return f"the {name} has no {', '.join(missing)}"
    items = content.get("items")
    parts = [content, *(part for part in (items if isinstance(items, list) else ()) if isinstance(part, dict))]
    broken = sorted({field for part in parts for field in _MONEY & part.keys() if not _is_whole(part[field])})
    return f"{', '.join(broken)} of the {name} must be whole numbers" if broken else ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _status(body: bytes) -> str | None:
    """What the answer says of itself; None when it says nothing that can be read."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # whatever it is, it is no word of SegMetrics
    status = told.get("status") if isinstance(told, dict) else None
    return status if isinstance(status, str) else None
