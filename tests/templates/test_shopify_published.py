"""The packaged templates of Shopify on published bodies, and what a peer makes of the same.

The peer's ids are of its own making, and so are its names of events: what is compared is facts.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import OutcomeKind
from relay.pipeline.rendered import Rendered, Task
from relay.renderer import build_renderer
from relay.settings.options import RelayOptions
from relay.settings.source_options import ShopifyOptions
from relay.templates.library import Library, packaged_templates
from tests.sources.published import published
from tests.sources.shopify_making import event
from tests.templates.shopify_making import TOPICS, call_of

BODIES = "payloads/shopify"
ATTRIBUTE = "rudderAnonymousId"
RENDERER = build_renderer(
    RelayOptions(sources={"shop": ShopifyOptions(platform="shopify", open=True, anonymous_id_attribute=ATTRIBUTE)}),
    Library(packaged_templates(), None).snapshot,
)
NO_ID = "there is no id, and a fact without one could not be told from another"
ORDERS = ["orders_create-1", "orders_paid-1", "orders_updated-1", "orders_updated-2", "orders_partially_fulfilled-1",
          "resource.order-1", "resource.checkout-1", "checkouts_create-1", "checkouts_create-2",
          "checkouts_update-1"]  # fmt: skip


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published(BODIES, f"{name}.json").read_bytes())
    return found


def rendered(document: dict[str, Any], topic: str) -> Rendered:
    (result,) = RENDERER("shop", [Task(event(document, topic), {})], 1_773_480_413_045)
    return result


def names() -> list[Any]:
    try:
        return sorted(path.stem for path in published(BODIES).glob("*.json") if "expected" not in path.name)
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


@pytest.mark.parametrize("name", names())
def test_every_published_body_ends_as_calls_or_for_a_reason(name: str) -> None:
    topic = name.rpartition("-")[0].replace("_", "/", 1)
    result = rendered(body(name), topic)
    if name == "orders_cancelled-1":
        (outcome,) = result.outcomes
        assert (outcome.kind, outcome.code) == (OutcomeKind.DEAD, "template_failed"), NO_ID
        assert "messageKey" in outcome.detail
    elif topic in TOPICS.values():
        assert len(result.calls) == 1
        assert list(result.outcomes) == []
    else:
        (outcome,) = result.outcomes
        assert (outcome.kind, outcome.code) == (OutcomeKind.IGNORED, "no_tracked_event")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("tracked_event", sorted(TOPICS))
def test_a_body_under_any_topic_makes_a_sound_call_or_fails_with_a_reason(name: str, tracked_event: str) -> None:
    result = rendered(body(name), TOPICS[tracked_event])
    assert len(result.calls) + len(result.outcomes) >= 1
    assert {outcome.code for outcome in result.outcomes} <= {"template_failed", "template_empty", "guard_identity"}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("tracked_event", ["order_completed", "order_updated", "order_cancelled", "checkout_started"])
def test_every_published_order_makes_a_call_with_nothing_against_it(tracked_event: str, name: str) -> None:
    document = body(name)
    properties = call_of(tracked_event, document, test_orders=True)["properties"]
    assert properties["checkout_id" if tracked_event == "checkout_started" else "order_id"] == str(document["id"])
    total = document.get("current_total_price") if tracked_event == "order_updated" else None
    assert properties.get("total", properties.get("value")) == float(total or document["total_price"])
    assert len(properties["products"]) == len(document["line_items"])


@pytest.mark.parametrize(
    ("name", "tracked_event"),
    [
        ("checkouts_create-1", "checkout_started"),
        ("checkouts_create-2", "checkout_started"),
        ("orders_create-1", "order_completed"),
        ("orders_paid-1", "order_completed"),
        ("orders_updated-1", "order_updated"),
        ("orders_updated-2", "order_updated"),
    ],
)
def test_the_peer_says_the_same_of_an_order(name: str, tracked_event: str) -> None:
    peer = peers_track(name)
    ours = call_of(tracked_event, body(name), anonymous_id_attribute=ATTRIBUTE)
    theirs = peer["properties"]
    for field in ("tax", "currency"):
        if field in theirs:
            assert ours["properties"][field] == theirs[field]
    if "value" in theirs:
        assert ours["properties"].get("total", ours["properties"].get("value")) == theirs["value"]
    if "userId" in peer:
        assert ours["userId"] == peer["userId"]
    for mine, one in zip(ours["properties"]["products"], theirs["products"], strict=True):
        assert mine["product_id"] == str(one["product_id"])
        assert (mine["quantity"], mine["price"]) == (one["quantity"], float(one["price"]))
        assert mine["name"] == one.get("title", mine["name"])
        assert mine.get("brand") == one.get("brand")


def test_the_peer_says_the_same_of_a_customer() -> None:
    (peer,) = [message for message in messages("customers_create-1") if message["type"] == "identify"]
    ours = call_of("customer_created", body("customers_create-1"))
    theirs = peer["traits"]
    assert ours["userId"] == peer["userId"]
    for field in ("email", "firstName", "lastName", "phone"):
        assert ours["traits"][field] == theirs[field]


def test_the_published_refund_tells_its_amount() -> None:
    properties = call_of("order_refunded", body("refunds_create-1"))["properties"]
    assert (properties["total"], properties["currency"], properties["order_id"]) == (209, "USD", "450789469")
    assert [product["sku"] for product in properties["products"]] == ["IPOD2008BLACK", "IPOD2008GREEN"]


def messages(name: str) -> list[dict[str, Any]]:
    """The calls of the peer's expected output, wherever it keeps them."""
    found: list[dict[str, Any]] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") in ("track", "identify"):
                found.append(value)
            else:
                for inner in value.values():
                    look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(json.loads(published(BODIES, f"{name}.expected.json").read_bytes()))
    return found


def peers_track(name: str) -> dict[str, Any]:
    (track,) = [message for message in messages(name) if message["type"] == "track"]
    return track
