"""What holds of destinations of every kind."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import CODES
from relay.destinations import KINDS
from relay.destinations.contract import Answer, Record, Unfit
from relay.destinations.packing import requests
from relay.model import JsonObject, VerdictKind
from tests.destinations.kinds import COVERED, OPTIONS, SECRET, destination
from tests.destinations.mapping import NOW_MS, call_of
from tests.destinations.sample import ORDER_COMPLETED

every_kind = pytest.mark.parametrize("kind", COVERED)
texts = st.text(string.ascii_letters + "é😀 &=?/", max_size=40)
VENDOR_RECORDS: dict[str, st.SearchStrategy[JsonObject]] = {
    "everflow": st.fixed_dictionaries({"transaction_id": st.text("0123456789abcdef", min_size=1), "adv1": texts}),
    "http": st.fixed_dictionaries({"note": texts}),
    "ometria": st.fixed_dictionaries(
        {
            "@type": st.sampled_from(["order", "contact"]),
            "id": st.text("abc", min_size=1),
            "note": st.text(max_size=900),
        }
    ),
    "segment": st.just({}),
    "segmetrics": st.fixed_dictionaries({"contact": st.fixed_dictionaries({"email": st.just("a@b.c"), "note": texts})}),
    "segmentify": st.fixed_dictionaries({"name": st.just("CUSTOM_EVENT"), "type": texts, "params": st.just({})}),
}


def test_all_kinds_are_covered() -> None:
    assert {*KINDS} == {*OPTIONS}


@every_kind
@given(data=st.data())
def test_packing_loses_and_repeats_nothing_and_keeps_order_and_limits(kind: str, data: st.DataObject) -> None:
    there = destination(kind)
    made: list[Record] = []
    for number, of_call in enumerate(data.draw(st.lists(st.lists(VENDOR_RECORDS[kind], min_size=1, max_size=4)))):
        found = there.records(call_of(ORDER_COMPLETED, message_id=f"{number:032x}"), of_call, now_ms=NOW_MS)
        assert not isinstance(found, Unfit)
        assert len(found) == (1 if kind == "segment" else len(of_call))
        made += found

    packed = requests(made, there.limits)

    assert [record for request in packed for record in request] == made
    for records in packed:
        assert 1 <= len(records) <= there.limits.max_records
        assert len({record.group for record in records}) == 1
        request = there.request(records, now_ms=NOW_MS, failures=0)
        assert len(request.body) <= there.limits.max_request_bytes
        if request.method != "GET":
            sent = orjson.loads(request.body)
            sent = sent.get("batch", [sent]) if isinstance(sent, dict) else sent
            assert sent == [orjson.loads(record.body) for record in records]


bodies = st.binary(max_size=300) | st.fixed_dictionaries(
    {},
    optional={
        "statusCode": st.sampled_from(["SUCCESS", "NO_EVENT", "NO_ACCOUNT", "ODD", 7, None, [], {}]),
        "status": st.sampled_from(["OK", "ERROR", 7, None, []]),
        "rejected": st.sampled_from([0, 1, 5, "1", None, -1, []]),
        "error": texts,
        "code": st.integers(-1, 40) | st.none() | texts,
        "request_id": texts | st.integers(0, 9),
    },
).map(orjson.dumps)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "x-ratelimit-reset", "location", "x-queuesize-remaining"]),
    st.text() | st.from_regex(r"[0-9]{1,12}", fullmatch=True) | st.just("²"),
)


@every_kind
@given(
    status=st.integers(-1, 999) | st.sampled_from([200, 201, 204, 400, 429]),
    headers=headers,
    body=bodies,
    detail=st.text(),
    error=st.sampled_from(["", "timeout", "connection_failed", "host_unknown", "tls_failed", "address_refused"]),
    records=st.integers(1, 100),
)
def test_any_answer_has_exactly_one_verdict_and_never_shows_the_secret(
    kind: str, status: int, headers: dict[str, str], body: bytes, detail: str, error: str, records: int
) -> None:
    there = destination(kind)
    for secret in (SECRET, quote(SECRET, safe=""), quote_plus(SECRET)):
        leaking = {name: f"{value}{secret}" for name, value in headers.items()} if status % 2 else headers
        told = Answer(status, leaking, body + secret.encode() if status % 3 else body, error, detail + secret)
        decision = there.decide(told, records=records, now_ms=NOW_MS)
        # Why there is no answer is told in the relay's own words.
        probed = there.read_probe(replace(told, error=error or "timeout", error_detail=""))

        assert decision.verdict in VerdictKind
        assert decision.code in CODES
        assert probed.code in CODES
        for said in (decision, probed, *filter(None, [decision.if_doubtful])):
            assert secret not in said.detail
            assert said.wait_s is None or 1 <= said.wait_s <= 300
        if records == 1:
            assert decision.verdict is not VerdictKind.SPLIT
        if status <= 0:
            assert decision.verdict in (VerdictKind.RETRY, VerdictKind.MISCONFIGURED)
        if 300 <= status < 400 or status in (401, 403, 404):
            assert decision.verdict is VerdictKind.MISCONFIGURED
        if 502 <= status <= 504 or status == 429:
            assert decision.verdict is VerdictKind.RETRY


@every_kind
def test_secrets_are_in_no_body_that_is_shown(kind: str) -> None:
    there = destination(kind)
    record: dict[str, Any] = {"name": "CUSTOM_EVENT", "@type": "order", "id": "1", "transaction_id": "a"}
    if kind == "segmetrics":
        record = {"contact": {"email": "a@b.c"}}
    if kind == "segmetrics":
        record = {"contact": {"email": "ada@example.com"}}
    made = there.records(call_of(ORDER_COMPLETED), [record], now_ms=NOW_MS)
    assert not isinstance(made, Unfit)
    shown = there.request(made, now_ms=NOW_MS, failures=0).shown_body.decode()

    assert shown
    for secret in (SECRET, quote(SECRET, safe=""), quote_plus(SECRET)):
        assert secret not in shown
