from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.cases.finding import find
from relay.cases.running import Rendering, check
from relay.model import Event, JsonObject
from relay.pipeline.rendered import Task
from relay.renderer import build_renderer
from relay.settings.options import RelayOptions, SourceOptions
from relay.templates.contract import text_of
from relay.templates.hints.spelling import near_name
from relay.templates.library import Library, packaged_templates
from relay.templates.suspicions import suspicious_paths, suspicious_shape
from relay.templates.template import Template
from tests.templates.making import (
    CUSTOMER_EVENTS,
    ENGINE,
    ORDER_EVENTS,
    bindings,
    customer,
    line,
    of_text,
    order,
    packaged,
)
from tests.templates.test_elasticpath_published import ORDERS, body


def told(template: str, *documents: object) -> list[str]:
    texts = [orjson.dumps(document).decode() for document in documents]
    return [each.what for each in suspicious_paths(of_text(template), texts, bindings())]


def test_a_key_that_is_nearly_the_same_is_told() -> None:
    document = {"order": {"total_price": 1, "lines": [{"sku": "A"}, {"quantity": 2}]}}
    assert told("order.total_prize", document) == ["no `total_prize` here; `total_price` is"]
    assert told("order.totalPrice", document) == ["no `totalPrice` here; `total_price` is"]
    assert told("order.lines.quanttiy", document) == ["no `quanttiy` here; `quantity` is"]
    assert told('order.lines{sku: $sum(quantiy)}."A"', document) == ["no `quantiy` here; `quantity` is"]


@pytest.mark.parametrize(
    "template",
    [
        "order.discount",
        "order.taxes",
        "order.total_price2",
        "order.address1 & order.address2",
        "order.totals ? order.totals : order.total",
        "order.totals & order.total",
        "order.tottal ?: order.total",
        "[order.tottal, order.total][0]",
        "$exists(order.tottal) ? order.tottal : order.total",
        "order.unpaid ? order.paid_at",
        '(order.{"totl": 1}).totl',
        "total",
        "order.lines.length",
        "order.*.total",
        "order.total.amount",
        "$[0].order.total",
    ],
)
def test_what_may_be_missing_for_a_good_reason_is_not(template: str) -> None:
    document = {"order": {"total": 5, "tax": 1, "total_price1": 2, "address1": "x", "lines": [{"length": 3}, {}]}}
    assert told(template, document) == []


def test_a_misspelling_of_a_name_that_is_right_elsewhere_is_told() -> None:
    document = {"order": {"total_price": 1}}
    assert told("order.total_price & order.total_prize", document) == ["no `total_prize` here; `total_price` is"]


def test_a_key_that_one_of_the_documents_has_is_no_misspelling() -> None:
    template = "order.customers"
    assert told(template, {"order": {"customer": 1}})
    assert told(template, {"order": {"customer": 1}}, {"order": {"customers": 1}}) == []
    assert told(template) == []


def test_a_template_that_fails_on_the_way_is_still_looked_at() -> None:
    assert told("$error(order.totl) & order.totla", {"order": {"total": "a"}}) == [
        "no `totl` here; `total` is",
        "no `totla` here; `total` is",
    ]
    assert told("order.(", {"order": {}}) == []


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
def test_packaged_order_templates_raise_no_suspicion(tracked_event: str) -> None:
    """On each document by itself."""
    lines = [line("A", 1999, 3, discounts=[{"code": "X"}]), line("P", -100), line("DHL", 500)]
    for document in (order(), order(lines, relationships={}), order([], customer=None), order(anonymized=True)):
        text = orjson.dumps(document).decode()
        assert suspicious_paths(packaged(tracked_event), [text], bindings()) == []
        result = ENGINE.render(packaged(tracked_event), text, bindings(), now_ms=0)
        assert suspicious_shape(packaged(tracked_event), result) == []


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
@pytest.mark.parametrize("name", ORDERS)
def test_packaged_order_templates_raise_no_suspicion_on_published_orders(tracked_event: str, name: str) -> None:
    assert suspicious_paths(packaged(tracked_event), [orjson.dumps(body(name)).decode()], bindings()) == []


@pytest.mark.parametrize("tracked_event", CUSTOMER_EVENTS)
def test_packaged_customer_templates_raise_no_suspicion(tracked_event: str) -> None:
    for document in (customer(), customer(name="", email=None, meta={}), {"payload": {"data": {"id": "c"}}}):
        text = orjson.dumps(document).decode()
        assert suspicious_paths(packaged(tracked_event), [text], bindings("customer.deleted")) == []


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_misspelling_in_a_packaged_template_is_found(tracked_event: str, data: st.DataObject) -> None:
    """Two letters of a long name swapped: the name as it should be is told."""
    template = packaged(tracked_event)
    text = orjson.dumps(order(relationships={}, customer={"name": "Ada", "email": "a@example.org"})).decode()
    name = data.draw(st.sampled_from(["payload", "display_price", "with_tax", "email"]))
    apart = [at for at in range(1, len(name) - 2) if name[at] != name[at + 1] and "_" not in name[at : at + 2]]
    at = data.draw(st.sampled_from(apart))
    misspelt = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    place = re.compile(rf"(?<![$\w]){name}\b").search(template.text, template.text.index("*/")).start()  # type: ignore[union-attr]
    changed = template.text[:place] + misspelt + template.text[place + len(name) :]
    whats = [each.what for each in suspicious_paths(of_text(changed), [text], bindings())]
    assert whats == [f"no `{misspelt}` here; `{name}` is"]


@pytest.mark.parametrize(
    ("value", "collapses"),
    [
        ("items", True),
        ("items[a = 1]", True),
        ("items.{'a': a}", True),
        ("$map(items, function($i) {$i})", True),
        ("$filter(items, function($i) {$i.a})", True),
        ("[items]", False),
        ("items[]", False),
        ("[items.{'a': a}]", False),
        ("items.{'a': a}[]", False),
        ("$array(items)", False),
        ("items.[a]", False),
    ],
)
def test_products_that_may_be_an_object_are_told(value: str, collapses: bool) -> None:
    for template in (f'{{"properties": {{"products": {value}}}}}', f'($p := {value}; {{"products": $p}})'):
        assert bool(suspicious_shape(of_text(template))) is collapses


def test_products_that_are_an_object_are_told() -> None:
    template = of_text('[{"properties": {"products": $lookup($, "items")}}]')
    one, two = '{"items": {"a": 1}}', '{"items": [{"a": 1}, {"a": 2}]}'
    assert suspicious_shape(template, ENGINE.render(template, two, {}, now_ms=0)) == []
    (found,) = suspicious_shape(template, ENGINE.render(template, one, {}, now_ms=0))
    assert found.position is not None
    assert (found.severity, found.position.column) == ("warning", 18)


@given(st.text("abcde", min_size=5, max_size=12), st.data())
def test_a_name_with_one_mistake_is_near_and_an_equal_one_is_not_asked_for(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    for misspelt in (name[:at] + name[at + 1 :], name[:at] + "x" + name[at:], name[:at] + "x" + name[at + 1 :]):
        if misspelt != name and len(misspelt) >= 4:
            assert near_name(misspelt, [name, "something_else"]) == name
    assert near_name(name, [name]) is None
    assert near_name(f"{name}1", [f"{name}2"]) is None


class Recording:
    """An `Engine` that remembers what it was given, by template."""

    def __init__(self) -> None:
        self.given: dict[Template, list[tuple[str, Mapping[str, Any], str | None]]] = {}

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        result = ENGINE.render(template, document, bindings, now_ms=now_ms)
        self.given.setdefault(template, []).append((text_of(document, template), bindings, result))
        return result


@pytest.mark.parametrize(
    "platform", sorted(path.name for path in (packaged_templates() / "sources").iterdir() if path.is_dir())
)
def test_no_packaged_template_raises_a_suspicion_on_its_cases(platform: str) -> None:
    library, engine = Library(packaged_templates(), None, only=[platform]), Recording()

    def renders(name: str, options: SourceOptions, event: Event, fetched: Mapping[str, Any], *, own: bool) -> Rendering:
        render = build_renderer(RelayOptions(sources={name: options}), library.snapshot, engine)
        render(name, [Task(event, fetched)], event.received_at_ms)
        return Rendering((), (), [])

    for file in find(packaged_templates(), None, library.templates()).files:
        check(file, renders)
    assert engine.given
    for template, renderings in engine.given.items():
        assert suspicious_paths(template, [document for document, _, _ in renderings], renderings[0][1]) == []
        for document, own_bindings, result in renderings:
            assert suspicious_shape(template, result) == []
            assert suspicious_paths(template, [document], own_bindings) == []
