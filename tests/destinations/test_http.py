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
from relay.destinations.contract import Answer, Record, Unfit, Unpackable
from relay.destinations.http import Http
from relay.settings.options import HttpOptions
from relay.templates.expressions import RequestExpressions
from tests.destinations.making import NOW_MS, make_call, order_completed, records_of

URL = "https://crm.example.com/events"


def make_http(name: str = "crm", **options: Any) -> Http:
    return Http(name, HttpOptions.model_validate({"kind": "http", "url": URL, **options}), RequestExpressions())


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


def test_the_envelope_holds_the_records() -> None:
    envelope = '{"events": $, "count": $count($), "at": $sentAt, "shop": $settings.shop}'
    http = make_http(envelope=envelope, max_batch_records=9, settings={"shop": "7"})

    one = http.request([Record(b'{"n":1}')], now_ms=NOW_MS, failures=0)
    two = http.request([Record(b'{"n":1}'), Record(b'{"n":2}')], now_ms=NOW_MS, failures=0)

    assert orjson.loads(one.body) == {
        "events": [{"n": 1}],
        "count": 1,
        "at": "2026-03-14T09:27:01.120Z",
        "shop": "7",
    }
    assert orjson.loads(two.body)["events"] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        ('$error("no")', "envelope_failed"),
        ("nothing", "envelope_failed"),
        ("($f := function($n) { $f($n + 1) }; $f(0))", "envelope_failed"),
        ("$map([1..99], function($n) { $ })", "guard_size"),
    ],
)
def test_an_envelope_that_cannot_be_made_is_told(envelope: str, code: str) -> None:
    http = make_http(envelope=envelope, max_record_bytes=100, max_batch_bytes=200, max_batch_records=5)

    with pytest.raises(Unpackable) as raised:
        http.request([Record(b'{"n":1}')], now_ms=NOW_MS, failures=0)

    assert raised.value.code == code


@pytest.mark.parametrize("option", ["envelope", "success"])
def test_an_expression_that_is_none_is_told_at_the_start(option: str) -> None:
    with pytest.raises(RelayError, match=f"destinations.crm.{option} is no JSONata"):
        make_http(**{option: "{"})


@pytest.mark.parametrize(
    ("rule", "status", "body", "records", "verdict", "code"),
    [
        ("body.ok", 200, b'{"ok":true}', 2, "delivered", "accepted"),
        ("body.ok", 200, b'{"ok":false}', 2, "split", "batch_refused"),
        ("body.ok", 200, b'{"ok":false}', 1, "reject", "call_refused"),
        ("body.ok", 200, b"<html>", 1, "reject", "call_refused"),
        ("body.ok", 503, b'{"ok":false}', 1, "retry", "server_error"),
        ("body.ok", 401, b"", 1, "misconfigured", "key_refused"),
        ("status = 404", 404, b"", 1, "delivered", "accepted"),
        ('headers."x-done" = "1"', 302, b"", 1, "delivered", "accepted"),
        ('body.again ? "retry" : true', 200, b'{"again":true}', 1, "retry", "server_error"),
        ('"misconfigured"', 200, b"", 1, "misconfigured", "success_rule"),
        ('"reject"', 500, b"", 5, "reject", "call_refused"),
        ('"split"', 500, b"", 5, "split", "batch_refused"),
        ('"delivered"', 500, b"", 5, "delivered", "accepted"),
        ('$error("no")', 200, b"", 1, "misconfigured", "success_rule"),
        ('$contains(body, "OK")', 200, b"OK 1", 1, "delivered", "accepted"),
    ],
)
def test_the_success_rule(rule: str, status: int, body: bytes, records: int, verdict: str, code: str) -> None:
    answer = Answer(status, {"x-done": "1"}, body)

    decision = make_http(success=rule).decide(answer, records=records, now_ms=NOW_MS)

    assert (decision.verdict, decision.code) == (verdict, code)


def test_a_header_that_is_no_secret_hides_nothing() -> None:
    http = make_http(headers={"X-Api-Version": "1"}, query={"shop": "7"}, bearer_token="t0ken")

    told = http.decide(Answer(400, {}, b"17 rows refused, t0ken"), records=1, now_ms=NOW_MS)

    assert told.detail == "400 17 rows refused, ***"


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


@given(
    st.integers(-1, 1000),
    st.binary() | st.text().map(str.encode),
    st.text(),
    st.integers(0, 100),
    st.sampled_from([{}, {"success": "body.ok"}, {"success": "body"}, {"success": "$length(body) > 3"}]),
)
def test_any_answer_has_one_verdict_and_shows_no_secret(
    status: int, body: bytes, detail: str, records: int, rule: dict[str, str]
) -> None:
    secrets = ["s3cr3t-header", "s3cr3t&query", "s3cr3t%26query", "user:s3cr3t", "dXNlcjpzM2NyM3Q="]
    http = make_http(headers={"X-Key": secrets[0]}, query={"key": secrets[1]}, basic=secrets[3], **rule)
    leaking = " ".join(secrets)

    decision = http.decide(
        Answer(status, {"location": leaking}, body + leaking.encode(), "timeout", detail + leaking),
        records=records,
        now_ms=NOW_MS,
    )

    assert decision.code in CODES
    assert "s3cr3t" not in decision.detail
