from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relay
from relay.codes import CODES
from relay.templates.diagnostics import TemplateFailure
from relay.templates.rendering import RenderResult, message_id, render_calls, without_dust
from relay.templates.template import Template
from tests.templates.making import ENGINE, RECEIVED_AT_MS, bindings, of_text, render

CALL = '{"type": "track", "event": "E", "userId": "u"'


def calls(result: RenderResult) -> list[dict[str, Any]]:
    return [orjson.loads(text) for _, text in result.calls]


def test_one_call_is_made_ready() -> None:
    result = render(of_text(f'{CALL}, "messageId": "order/1", "properties": {{"total": 1.50}}}}'), {})
    assert result.rejected == []
    assert calls(result) == [
        {
            "type": "track",
            "event": "E",
            "userId": "u",
            "properties": {"total": 1.5},
            "timestamp": "2026-03-14T09:26:53.045Z",
            "context": {"library": {"name": "relay", "version": relay.__version__}},
        }
    ]
    assert result.calls[0][0] == message_id("shop", "order/1")


def test_the_time_is_the_event_s_then_the_template_s_own() -> None:
    def at(text: str, occurred_at_ms: int | None) -> str:
        result = render_calls(
            ENGINE, of_text(text), {}, bindings(), source="s", tracked_event="t", delivery_key="d",
            occurred_at_ms=occurred_at_ms, received_at_ms=RECEIVED_AT_MS,
        )  # fmt: skip
        return str(calls(result)[0]["timestamp"])

    assert at(CALL + "}", 0) == "1970-01-01T00:00:00.000Z"
    assert at(CALL + "}", None) == "2026-03-14T09:26:53.045Z"
    assert at(CALL + "}", 10**18) == "2026-03-14T09:26:53.045Z"
    assert at(CALL + ', "timestamp": "2020-01-01T00:00:00Z"}', 0) == "2020-01-01T00:00:00Z"
    assert at(CALL + ', "timestamp": $now()}', 5) == "1970-01-01T00:00:00.005Z"


def test_a_template_s_context_is_kept() -> None:
    result = render(of_text(CALL + ', "context": {"ip": "1.2.3.4", "library": {"name": "own"}}}'), {})
    assert calls(result)[0]["context"] == {"ip": "1.2.3.4", "library": {"name": "own"}}


@pytest.mark.parametrize("text", ["nothing", "null", "[]", "[nothing]", "()"])
def test_nothing_is_no_call(text: str) -> None:
    assert render(of_text(text), {}) == RenderResult([], [])


@pytest.mark.parametrize("text", ["1", '"track"', "true"])
def test_what_is_no_call_fails(text: str) -> None:
    with pytest.raises(TemplateFailure) as caught:
        render(of_text(text), {})
    assert caught.value.code == "template_result"
    assert caught.value.diagnostic.position is not None


def test_a_bad_call_does_not_take_the_others_with_it() -> None:
    good = [f'{CALL}, "messageId": "{number}"}}' for number in range(3)]
    bad = ['{"type": "track", "userId": "u"}', "5", '{"type": "track", "event": "E", "userId": "u", "messageId": 1}']
    text = f"[{good[0]}, {bad[0]}, {good[1]}, {bad[1]}, {bad[2]}, {good[2]}]"
    result = render(of_text(text), {})
    assert [identity for identity, _ in result.calls] == [message_id("shop", str(number)) for number in range(3)]
    assert [(rejected.index, rejected.code) for rejected in result.rejected] == [
        (1, "guard_event"),
        (3, "template_result"),
        (4, "guard_text"),
    ]
    assert all(rejected.code in CODES for rejected in result.rejected)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ('"userId": 5', "`userId` is a number, not text (line 3 of t.jsonata)"),
        (
            '"userId": "u", "properties": {"products": [5]}',
            "`properties.products[0]` is a number, not an object (line 3 of t.jsonata)",
        ),
        ('"userId": "u", "properties": {"a": {"products": 1}, "products": 5}', "not an array; write [ … ] around it"),
        ('"anonymousId": "   "', "`anonymousId` is empty (line 3 of t.jsonata)"),
        ('"traits": {}', "neither `userId` nor `anonymousId` is given"),
    ],
)
def test_a_refused_call_is_told_with_the_line_that_makes_the_field(fields: str, told: str) -> None:
    template = Template.of(
        "shop", "order_completed", Path("shop/t.jsonata"), f'{{\n"type": "track", "event": "E",\n{fields}}}'
    )
    (rejected,) = render(template, {}).rejected
    assert rejected.detail.endswith(told)


def test_two_calls_of_one_key_are_not_one_call_in_silence() -> None:
    both = f'[{CALL}, "messageId": "k"}}, {{"type": "identify", "userId": "u", "messageId": "k"}}]'
    result = render(of_text(both), {})
    assert len(result.calls) == 1
    assert [(rejected.index, rejected.code) for rejected in result.rejected] == [(1, "template_result")]


def test_without_a_key_the_delivery_is_the_fact() -> None:
    result = render(of_text(f"[{CALL}}}, {CALL}}}]"), {})
    keys = [message_id("shop", f"delivery-1/order_completed/{index}") for index in range(2)]
    assert [identity for identity, _ in result.calls] == keys


def test_a_field_that_is_null_is_not_sent() -> None:
    text = '{"type": "identify", "userId": "u", "anonymousId": null, "context": null, "traits": {"vip": null}}'
    (call,) = calls(render(of_text(text), {}))
    assert "anonymousId" not in call
    assert call["traits"] == {"vip": None}
    assert "library" in call["context"]


def test_a_call_that_is_too_large_is_refused_with_its_size() -> None:
    text = CALL + ', "properties": {"note": $pad("", 40000, "x")}}'
    (rejected,) = render(of_text(text), {}).rejected
    assert rejected.code == "guard_size"
    assert "40" in rejected.detail


def test_depth_that_json_cannot_carry_is_refused() -> None:
    nest = "($f := function($n, $a) {$n = 0 ? $a : $f($n - 1, {'a': $a})}; $f(%d, 1))".replace("'", '"')
    (rejected,) = render(of_text(f'{CALL}, "properties": {nest % 400}}}'), {}).rejected
    assert rejected.code == "template_limit"
    with pytest.raises(TemplateFailure, match="nested too deep"):
        render(of_text(nest % 5_000), {})


@pytest.mark.parametrize("document", [{"id": 2**70}, {"text": "\ud800"}, {1: 2}])
def test_a_document_that_json_cannot_carry_is_a_clear_failure(document: dict[Any, Any]) -> None:
    with pytest.raises(TemplateFailure) as caught:
        render(of_text("1"), document)
    assert caught.value.code == "body_unreadable"


def test_a_document_may_be_text() -> None:
    (call,) = calls(render(of_text(CALL + ', "properties": {"id": id}}'), '{"id": "820982911946154508"}'))
    assert call["properties"] == {"id": "820982911946154508"}


def test_rendering_again_gives_the_same_bytes() -> None:
    template = of_text(f'{CALL}, "properties": {{"at": $now(), "ms": $millis(), "sum": $sum(prices)}}}}')
    document = {"prices": [0.1, 0.2, 19.99]}
    assert render(template, document) == render(template, document)


@given(st.text(), st.text(), st.text(), st.text())
def test_a_message_id_is_its_fact(source: str, key: str, other_source: str, other_key: str) -> None:
    identity = message_id(source, key)
    assert len(identity) == 32
    assert identity == message_id(source, key)
    if "\n" not in source + other_source and (source, key) != (other_source, other_key):
        assert identity != message_id(other_source, other_key)


def test_binary_dust_is_wiped_off() -> None:
    text = CALL + ', "properties": {"sum": $sum(lines.(price * quantity)), "third": 1 / 3, "whole": 100.0, "big": big}}'
    document = {"lines": [{"price": 19.99, "quantity": 3}, {"price": 0.1, "quantity": 3}], "big": 9007199254740991}
    (call,) = calls(render(of_text(text), document))
    assert call["properties"] == {"sum": 60.27, "third": 1 / 3, "whole": 100, "big": 9007199254740991}
    assert isinstance(call["properties"]["whole"], int)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_sums_of_decimal_prices_are_decimal(cents: list[int]) -> None:
    total = without_dust(sum(amount / 100 for amount in cents))
    assert total == sum(cents) / 100


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_wiping_changes_next_to_nothing(number: float) -> None:
    wiped = without_dust(number)
    assert isinstance(wiped, float)
    assert abs(wiped - number) <= abs(number) * 1e-13
    assert without_dust(wiped) == wiped
