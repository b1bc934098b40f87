"""Amounts and ids, from a stored webhook to its calls: what the platform wrote is what is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.model import Event, EventId, Lane
from relay.pipeline.rendered import Task
from relay.pipeline.rendering import EventRenderer, Tracking
from relay.settings.options import ElasticPathOptions
from relay.sources.elasticpath import ElasticPath
from relay.templates.helpers.currencies import DECIMAL_PLACES
from relay.templates.library import Snapshot
from relay.templates.template import Template
from tests.templates.making import ENGINE, line, of_text, order, packaged

CALL = '{"type": "track", "event": "E", "userId": "u", "properties": %s}'


def sent(template: Template, body: str) -> str:
    """The one call's text that a stored body makes."""
    renderer = EventRenderer(
        sources={"shop": ElasticPath(ElasticPathOptions(platform="elasticpath", open=True))},
        tracking={"shop": Tracking.of({"order_completed": ["order.paid"]}, {}, {"shipping_skus": []})},
        templates=Snapshot({("elasticpath", "order_completed"): template}),
        engine=ENGINE,
        strict=False,
    )
    event = Event(
        id=EventId(1),
        lane=Lane.LIVE,
        partition=0,
        source="shop",
        topic="order.paid",
        delivery_key="delivery-1",
        entity="order:1",
        occurred_at_ms=0,
        received_at_ms=0,
        headers="{}",
        body=body.encode(),
        replay_of=None,
    )
    (rendered,) = renderer("shop", [Task(event, {})], 0)
    assert rendered.outcomes == []
    (call,) = rendered.calls
    return call.text


def properties(expression: str, payload: str) -> str:
    """The text of ``properties``, made by an expression of an order's ``data``."""
    text = sent(of_text(CALL % expression), f'{{"payload": {{"data": {payload}}}}}')
    return text.partition('"properties":')[2].partition(',"timestamp"')[0]


def test_three_times_19_99_is_59_97() -> None:
    made = '{"sum": payload.data.(price * quantity), "minor": $money(payload.data.minor * 3, "EUR")}'
    assert properties(made, '{"price": 19.99, "quantity": 3, "minor": 1999}') == '{"sum":59.97,"minor":59.97}'


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 99)), min_size=1, max_size=8))
@settings(deadline=None)
def test_sums_of_prices_are_sums_of_cents(lines: list[tuple[int, int]]) -> None:
    written = ",".join(f'{{"price": {Decimal(cents) / 100}, "quantity": {quantity}}}' for cents, quantity in lines)
    (total,) = orjson.loads(
        properties('{"t": $sum(payload.data.lines.(price * quantity))}', f'{{"lines": [{written}]}}')
    ).values()
    assert Decimal(repr(total)) == sum(cents * quantity for cents, quantity in lines) / Decimal(100)


@pytest.mark.parametrize("number", [820982911946154508, 2**53 + 1, 2**64, -(2**63), 10**40])
def test_an_id_beyond_what_a_double_holds_survives_as_text(number: int) -> None:
    made = '{"id": payload.data.id, "text": $string(payload.data.id), "in": payload.data.ids[1]}'
    written = f'{{"id": {number}, "ids": [1, {number}]}}'
    assert properties(made, written) == f'{{"id":"{number}","text":"{number}","in":"{number}"}}'


@pytest.mark.parametrize("number", [0, -1, 1001, 2**53, -(2**53)])
def test_an_id_that_a_double_holds_stays_a_number(number: int) -> None:
    assert properties('{"id": payload.data.id}', f'{{"id": {number}}}') == f'{{"id":{number}}}'


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]), st.integers(1, 9))
@settings(deadline=None)
def test_the_packaged_template_s_amounts_are_exact(minor: int, currency: str, quantity: int) -> None:
    totals = {"with_tax": minor + 7, "without_tax": minor, "tax": 7, "discount": -minor, "shipping": 0}
    document: dict[str, Any] = order(
        [line("MUG", minor, quantity, currency=currency)], currency=currency, totals=totals
    )
    made = orjson.loads(sent(packaged("order_completed"), orjson.dumps(document).decode()))["properties"]
    exact = Decimal(minor).scaleb(-DECIMAL_PLACES[currency])
    assert {Decimal(repr(made[name])) for name in ("subtotal", "revenue", "discount")} == {exact}
    assert Decimal(repr(made["total"])) == exact + Decimal(7).scaleb(-DECIMAL_PLACES[currency])
    assert Decimal(repr(made["products"][0]["price"])) == exact
