"""Any receiver of JSON over HTTP: what it is sent, and what its answers mean."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.codes import CODES, RelayError
from relay.destinations.contract import Answer, Record, Unfit
from relay.destinations.http import Http
from relay.settings.options import HttpOptions
from tests.destinations.making import NOW_MS, make_call, order_completed, records_of

URL = "https://crm.example.com/events"


def make_http(name: str = "crm", **options: Any) -> Http:
    return Http(name, HttpOptions.model_validate({"kind": "http", "url": URL, **options}))


def test_a_call_without_a_mapping_goes_as_it_is_with_a_message_id_of_the_destination() -> None:
    call = make_call()
    as_it_is = [{"messageId": call.message_id, **order_completed()}]

    (crm,) = records_of(make_http("crm"), call, as_it_is)
    (audit,) = records_of(make_http("audit"), call, as_it_is)

    sent = orjson.loads(crm.body)
    assert {**sent, "messageId": None} == {**order_completed(), "messageId": None}
    assert sent["messageId"].startswith("wr_")
    assert sent["messageId"] != orjson.loads(audit.body)["messageId"]


def test_what_a_mapping_makes_goes_as_it_is() -> None:
    made = make_http().records(make_call(), [{"n": 1}, {"n": 2}], now_ms=NOW_MS)

    assert made == [Record(b'{"n":1}'), Record(b'{"n":2}')]


def test_one_record_is_the_body_several_are_an_array() -> None:
    one, many = make_http(), make_http(max_batch_records=3)

    assert one.request([Record(b'{"n":1}')], now_ms=NOW_MS, failures=0).body == b'{"n":1}'
    assert many.request([Record(b'{"n":1}')], now_ms=NOW_MS, failures=0).body == b'[{"n":1}]'
    assert many.request([Record(b"{}"), Record(b"{}")], now_ms=NOW_MS, failures=0).shown_body == b"[{},{}]"


def test_the_request() -> None:
    http = make_http(
        method="PUT", query={"key": "a&b"}, headers={"X-Shop": "7", "user-agent": "shop"}, bearer_token="t", gzip=True
    )

    request = http.request([Record(b"{}")], now_ms=NOW_MS, failures=0)

    assert (request.method, request.url) == ("PUT", f"{URL}?key=a%26b")
    assert gzip.decompress(request.body) == b"{}"
    assert request.headers == {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "Authorization": "Bearer t",
        "X-Shop": "7",
        "user-agent": "shop",
    }


def test_basic() -> None:
    request = make_http(basic="ada:secret").request([Record(b"{}")], now_ms=NOW_MS, failures=0)

    assert request.headers["Authorization"] == "Basic YWRhOnNlY3JldA=="


def test_a_record_that_is_too_large_is_told() -> None:
    made = make_http(max_record_bytes=10, max_batch_bytes=20).records(make_call(), [{"n": "x" * 20}], now_ms=NOW_MS)

    assert isinstance(made, Unfit)
    assert made.code == "guard_size"


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X Shop": "1"}},
        {"headers": {"Host": "a"}},
        {"headers": {"X-Shop": "1\r\nX-Other: 2"}},
        {"headers": {"X-Shop": "1", "x-shop": "2"}},
        {"bearer_token": "a", "basic": "b:c"},
        {"bearer_token": "a", "headers": {"authorization": "b"}},
        {"url": "crm.example.com"},
        {"url": f"{URL}?key=secret"},
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_http(**options)


def test_a_batch_that_has_no_room_is_told() -> None:
    with pytest.raises(RelayError, match="no room"):
        make_http(max_record_bytes=10, max_batch_bytes=11, max_batch_records=2)


@given(st.integers(-1, 1000), st.binary() | st.text().map(str.encode), st.text(), st.integers(0, 100))
def test_any_answer_has_one_verdict_and_shows_no_secret(status: int, body: bytes, detail: str, records: int) -> None:
    secrets = ["s3cr3t-header", "s3cr3t&query", "s3cr3t%26query", "user:s3cr3t", "dXNlcjpzM2NyM3Q="]
    http = make_http(headers={"X-Key": secrets[0]}, query={"key": secrets[1]}, basic=secrets[3])
    leaking = " ".join(secrets)

    decision = http.decide(
        Answer(status, {"location": leaking}, body + leaking.encode(), "timeout", detail + leaking),
        records=records,
        now_ms=NOW_MS,
    )

    assert decision.code in CODES
    assert "s3cr3t" not in decision.detail
