"""SegMetrics: which requests calls become, and what its answers mean; against its look-alike over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.codes import CODES
from relay.demo.faults import Fault
from relay.demo.segmetrics import SegMetricsLookalike
from relay.demo.serving import serve
from relay.destinations.contract import Answer, Decision, Destination, Record, Unfit
from relay.destinations.packing import requests
from relay.http import HttpDoor
from relay.model import JsonObject, VerdictKind
from relay.pipeline.mapping import MapTask
from relay.renderer import build_mapper
from relay.settings.options import OutgoingOptions
from tests.destinations import sample
from tests.destinations.mapping import NAME, call_of, destination_of, made, options_of, snapshot

NOW_MS = 1_773_480_421_120
KEY = "SM-K3Y"
CHOSEN: dict[str, Any] = {
    "kind": "segmetrics",
    "account_id": "ACC123",
    "integration_id": "INT456",
    "api_key": KEY,
    "timezone": "Europe/Berlin",
}
BORN: JsonObject = {
    **sample.ORDER_COMPLETED,
    "context": {
        "traits": {**sample.ORDER_COMPLETED["context"]["traits"], "createdAt": "2025-11-02T08:00:00.000Z"},
    },
}


def records(*told: JsonObject, **chosen: Any) -> Sequence[Record]:
    """Of the last call, after those before it."""
    earlier = [orjson.dumps(call).decode() for call in told[:-1]]
    call = call_of(told[-1])
    mapper = build_mapper(options_of(**CHOSEN, **chosen), snapshot())
    mapped = mapper(NAME, MapTask(call, None, {}, earlier), NOW_MS)
    assert mapped.ended is None, mapped.ended
    of_call = destination_of(**CHOSEN, **chosen).records(call, mapped.records, now_ms=NOW_MS)
    assert not isinstance(of_call, Unfit), of_call
    return of_call


def test_the_sample_order_is_exactly_the_documented_requests() -> None:
    there = destination_of(**CHOSEN)

    contact, invoice = (there.request([record], now_ms=NOW_MS, failures=0) for record in records(BORN))

    assert (contact.method, contact.url) == ("POST", "https://import.segmetrics.io/api/v1/ACC123/INT456/contact")
    assert (invoice.method, invoice.url) == ("POST", "https://import.segmetrics.io/api/v1/ACC123/INT456/invoice")
    assert contact.headers["Authorization"] == KEY
    assert contact.headers["Content-Type"] == "application/json"
    assert orjson.loads(contact.body) == {
        "contact_id": "CUST-42",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Example",
        "date_created": "2025-11-02 09:00:00",
        "last_updated": "2026-03-14 10:26:53",
    }
    assert orjson.loads(invoice.body) == {
        "id": "ORD-1001",
        "email": "ada@example.com",
        "amount": 10320,
        "paid": 10320,
        "is_refunded": 0,
        "discount": 900,
        "tax": 1720,
        "shipping": 500,
        "date_created": "2026-03-14 10:26:53",
        "items": [
            {"id": "ORD-1001-1", "product_id": "P-10", "name": "Wool Scarf", "amount": 8000, "total_paid": 8000},
            {"id": "ORD-1001-2", "product_id": "P-11", "name": "Gift Box", "amount": 1000, "total_paid": 1000},
        ],
    }
    assert orjson.loads(invoice.shown_body) == {"invoice": orjson.loads(invoice.body)}
    assert KEY.encode() not in invoice.shown_body


def test_calls_of_another_currency_are_skipped_unless_there_is_a_rate() -> None:
    euros = call_of(sample.with_properties(sample.ORDER_COMPLETED, currency="USD"))

    assert made(euros, **CHOSEN, currency="EUR") == Unfit("other_currency", "the call is in USD", skipped=True)
    assert isinstance(made(euros, **CHOSEN, currency="EUR", rates={"USD": 0.92}), list)
    assert isinstance(made(euros, **CHOSEN), list)


@pytest.mark.parametrize(
    ("mapped", "said"),
    [
        ({"contact": {}, "invoice": {}}, "objects of one key"),
        ({"contakt": {"email": "a"}}, "objects of one key"),
        ({"contact": "ada"}, "objects of one key"),
        ({"contact": {"first_name": "Ada"}}, "the contact has no email"),
        ({"invoice": {"id": "1", "amount": 1, "paid": 1, "email": "a", "items": [{}]}}, "no date_created"),
        ({"delete_invoice": {}}, "no id"),
        ({"tags_add": {"email": "a", "amount": 1.5}}, "amount of the tags_add must be whole"),
    ],
)
def test_what_segmetrics_would_refuse_is_not_sent(mapped: JsonObject, said: str) -> None:
    unfit = destination_of(**CHOSEN).records(call_of(sample.IDENTIFY), [mapped], now_ms=NOW_MS)

    assert isinstance(unfit, Unfit)
    assert unfit.code == "record_incomplete"
    assert said in unfit.detail


@pytest.mark.parametrize(
    "wrong", [{"timezone": "Berlin"}, {"account_id": "../x"}, {"currency": "euro"}, {"rates": {"USD": 0}}]
)
def test_options_that_cannot_work_are_told(wrong: JsonObject) -> None:
    with pytest.raises(ValidationError):
        options_of(**{**CHOSEN, **wrong})


def test_the_time_zone_must_be_chosen() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        options_of(**{name: value for name, value in CHOSEN.items() if name != "timezone"})


_CALLS = st.sampled_from([BORN, sample.IDENTIFY, sample.guest(BORN), sample.CHECKOUT_STARTED])


@given(st.lists(_CALLS, max_size=8), st.integers(0, 250))
def test_packing_loses_nothing_repeats_nothing_and_keeps_the_order(told: list[JsonObject], lines: int) -> None:
    there = destination_of(**CHOSEN, checkout_contacts=True)
    many = sample.with_properties(BORN, products=[{**sample.SCARF, "quantity": 1}] * lines)
    wanted = [record for call in [*told, many] for record in records(call, checkout_contacts=True)]

    packed = requests(wanted, there.limits)

    assert [len(each) for each in packed] == [1] * len(wanted)
    assert [record for each in packed for record in each] == wanted
    assert len(orjson.loads(wanted[-1].body)["items"]) == max(1, lines)


@given(
    st.integers(-1, 1000),
    st.sampled_from(["", "POST", "DELETE"]),
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.text() | st.integers(-9, 9), lambda of: st.lists(of) | st.dictionaries(st.just("status"), of)
    ).map(orjson.dumps),
    st.text(),
)
def test_any_answer_has_one_verdict_and_shows_no_key(status: int, method: str, body: bytes, detail: str) -> None:
    told = Answer(status, {"location": KEY}, body + KEY.encode(), "timeout", detail + KEY, method=method)
    for answer in (told, Answer(status, {}, body, method=method)):
        decision = destination_of(**CHOSEN).decide(answer, records=1, now_ms=NOW_MS)

        assert decision.code in CODES
        assert decision.verdict is not VerdictKind.SPLIT
        assert KEY not in decision.detail


# -- against the look-alike


@pytest.fixture
def lookalike() -> SegMetricsLookalike:
    return SegMetricsLookalike("ACC123", "INT456", KEY)


@pytest_asyncio.fixture
async def url(lookalike: SegMetricsLookalike) -> AsyncIterator[str]:
    async with serve(lookalike) as base:
        yield base


async def sent(url: str, *told: JsonObject, **chosen: Any) -> list[Decision]:
    """Deliver what each call becomes, one after the other."""
    there: Destination = destination_of(**{**CHOSEN, **chosen}, host=url)
    decisions = []
    async with HttpDoor(OutgoingOptions(allow_private=True)) as door:
        for index in range(len(told)):
            for record in records(*told[: index + 1], host=url, **{k: v for k, v in chosen.items() if k not in CHOSEN}):
                answer = await door.send(there.request([record], now_ms=NOW_MS, failures=0), timeout_s=10)
                decisions.append(there.decide(answer, records=1, now_ms=NOW_MS))
    return decisions


def codes(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    return [(str(decision.verdict), decision.code) for decision in decisions]


DELIVERED = ("delivered", "accepted")


@pytest.mark.parametrize(
    ("told", "paid", "refunded"),
    [
        ([BORN], 10320, 0),
        ([BORN, sample.PARTIAL_REFUND], 6320, 0),
        ([BORN, sample.WHOLE_REFUND], 10320, 1),
        ([BORN, sample.PARTIAL_REFUND, sample.WHOLE_REFUND], 10320, 1),
        ([BORN, sample.ORDER_CANCELLED], 0, 1),
        ([BORN, sample.PARTIAL_REFUND, sample.ORDER_UPDATED], 6320, 0),
        ([BORN, sample.ORDER_CANCELLED, sample.ORDER_UPDATED], 0, 1),
    ],
    ids=["paid", "in part", "whole", "both", "cancelled", "updated after", "updated after cancel"],
)
async def test_an_order_s_story(
    lookalike: SegMetricsLookalike, url: str, told: list[JsonObject], paid: int, refunded: int
) -> None:
    assert set(codes(await sent(url, *told))) == {DELIVERED}

    (invoice,) = lookalike.invoices.values()
    assert (invoice["paid"], invoice["is_refunded"]) == (paid, refunded)
    assert invoice["date_created"] == "2026-03-14 10:26:53"
    assert [path for path, _ in lookalike.taken][:2] == ["POST contact", "POST invoice"]
    assert set(lookalike.products) == {"P-10", "P-11"}


async def test_a_guest_without_email_has_a_contact_before_the_invoice(lookalike: SegMetricsLookalike, url: str) -> None:
    nobody = {**sample.guest(BORN), "context": {}}

    assert codes(await sent(url, nobody)) == [DELIVERED, DELIVERED]

    (contact,) = lookalike.contacts
    assert lookalike.invoices["ORD-1001"]["contact_id"] == contact["contact_id"] == "guest_5f1d"


async def test_a_cancelled_order_may_be_deleted_and_is_gone_then(lookalike: SegMetricsLookalike, url: str) -> None:
    told = [BORN, sample.ORDER_CANCELLED, sample.ORDER_CANCELLED]

    assert set(codes(await sent(url, *told, cancelled_orders="delete"))) == {DELIVERED}
    assert lookalike.invoices == {}


async def test_unicode_yen_and_many_lines(lookalike: SegMetricsLookalike, url: str) -> None:
    lines = [{"product_id": f"P-{n}", "name": f"湯呑み 🍵 {n}", "price": 100, "quantity": 3} for n in range(250)]
    yen = sample.with_properties(BORN, currency="JPY", total=75_000, products=lines)

    await sent(url, yen)

    invoice = lookalike.invoices["ORD-1001"]
    assert invoice["amount"] == sum(item["amount"] for item in invoice["items"]) == 7_500_000
    assert invoice["items"][249]["name"] == "湯呑み 🍵 249"


@pytest.mark.parametrize(
    ("fault", "verdict", "code", "wait_s"),
    [
        (Fault(1, 400, body='{"status":"error","errors":["missing \'id\' field "]}'), "reject", "call_refused", None),
        (Fault(1, 200, body='{"status":"error"}'), "reject", "call_refused", None),
        (Fault(1, 200, body="<html>a proxy</html>"), "retry", "answer_unreadable", None),
        (Fault(1, 401), "misconfigured", "key_refused", None),
        (Fault(1, 404), "misconfigured", "path_unknown", None),
        (Fault(1, 413), "reject", "call_refused", None),
        (Fault(1, 429, {"Retry-After": "7"}), "retry", "rate_limited", 7),
        (Fault(1, 500), "retry", "server_error", None),
        (Fault(1, 520, body="<html>cloudflare</html>"), "retry", "server_error", None),
        (Fault(1, 501), "retry", "server_error", None),
        (Fault(1, cut=True), "retry", "connection_failed", None),
    ],
)
async def test_what_each_failure_means(
    lookalike: SegMetricsLookalike, url: str, fault: Fault, verdict: str, code: str, wait_s: float | None
) -> None:
    lookalike.fault = fault

    first, *_ = await sent(url, BORN)

    assert (first.verdict, first.code, first.wait_s) == (verdict, code, wait_s)


async def test_a_wrong_key_or_account(url: str) -> None:
    async with HttpDoor(OutgoingOptions(allow_private=True)) as door:
        for wrong, code in (({"api_key": "other"}, "key_refused"), ({"account_id": "other"}, "path_unknown")):
            there = destination_of(**{**CHOSEN, **wrong}, host=url)
            request = there.request(records(BORN)[:1], now_ms=NOW_MS, failures=0)
            answer = await door.send(request, timeout_s=10)
            decision = there.decide(answer, records=1, now_ms=NOW_MS)

            assert (decision.verdict, decision.code) == ("misconfigured", code)
