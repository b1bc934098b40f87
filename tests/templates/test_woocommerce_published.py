"""The packaged templates of WooCommerce on published bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.pipeline.rendered import Rendered, Task
from relay.renderer import build_renderer
from relay.settings.options import RelayOptions
from relay.settings.woocommerce_options import WooCommerceOptions
from relay.templates.library import Library, packaged_templates
from tests.sources.published import published
from tests.sources.woocommerce_making import event

BODIES = "payloads/woocommerce"
RENDERER = build_renderer(
    RelayOptions(sources={"shop": WooCommerceOptions(platform="woocommerce", open=True)}),
    Library(packaged_templates(), None).snapshot,
)
MADE = {
    "order.created-1": ["checkout_started", "order_completed"],
    "order.updated-1": ["order_completed", "order_updated"],
    "customer.created-1": ["customer_created"],
    "customer.updated-1": ["customer_updated"],
    "customer.updated-2": ["customer_updated"],
}
"""By body the tracked events it makes; others are of topics that none takes."""
NOT_MADE = {"template_empty", "no_tracked_event"}


def names() -> list[Any]:
    try:
        return sorted(path.stem for path in published(BODIES).glob("*.json") if "expected" not in path.name)
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


def rendered(name: str, topic: str) -> Rendered:
    body = json.loads(published(BODIES, f"{name}.json").read_bytes())
    (result,) = RENDERER("shop", [Task(event(body, topic), {})], 1_773_480_413_045)
    return result


@pytest.mark.parametrize("name", names())
def test_every_published_body_ends_as_calls_or_for_a_reason(name: str) -> None:
    result = rendered(name, name.rpartition("-")[0])
    assert [call.tracked_event for call in result.calls] == MADE.get(name, [])
    assert {outcome.code for outcome in result.outcomes} <= NOT_MADE
    assert list(result.warnings) == []
    if name not in MADE:
        assert [outcome.code for outcome in result.outcomes] == ["no_tracked_event"]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("topic", ["order.created", "order.updated", "customer.created", "customer.updated"])
def test_a_body_under_any_topic_makes_sound_calls_or_none_for_a_reason(name: str, topic: str) -> None:
    result = rendered(name, topic)
    assert len(result.calls) + len(result.outcomes) >= 1
    assert {outcome.code for outcome in result.outcomes} <= NOT_MADE


def test_the_sums_of_the_published_order() -> None:
    (_, completed) = rendered("order.created-1", "order.created").calls
    properties = json.loads(completed.text)["properties"]
    sums = {name: properties[name] for name in ("revenue", "shipping", "tax", "total", "discount")}
    assert sums == {"revenue": 18, "shipping": 10, "tax": 1.35, "total": 29.35, "discount": 0}
    again = rendered("order.updated-1", "order.updated").calls[0]
    assert again.message_id == completed.message_id
    assert json.loads(again.text)["timestamp"] == "2017-03-22T19:28:08.000Z"
