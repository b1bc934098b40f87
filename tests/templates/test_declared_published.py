"""Published bodies of declared platforms through source and templates: a call, or a reason that is stated here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import Event, EventId, Lane, Webhook
from relay.pipeline.rendered import Rendered, Task
from relay.renderer import build_renderer, build_sources
from relay.settings.options import RelayOptions
from relay.sources.contract import Refused
from relay.templates.library import Library, packaged_templates
from tests.sources.declared_making import NOW_MS
from tests.sources.published import published

PLATFORMS = ("commercetools", "standard-webhooks", "stripe", "swell")
OPTIONS = RelayOptions.model_validate({"sources": {name: {"platform": name, "open": True} for name in PLATFORMS}})
SOURCES = build_sources(OPTIONS)
RENDERER = build_renderer(OPTIONS, Library(packaged_templates(), None).snapshot)

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "commercetools/message.CustomerLastNameSet-1": ("identify", {"lastName": "Doe"}),
    "stripe/customer.created-1": ("identify", {}),
    "stripe/customer.updated-1": ("identify", {}),
    "swell/order.created-1": ("Checkout Started", {"checkout_id": "65d0b3f7f7d9d80012a1c111", "value": 98}),
}
"""The call's event or type, and some of its properties or traits."""
NOT_TRACKED = "the topic is none of an order or a customer that is tracked; `tracking` may name it"
OUTCOMES = {
    "commercetools/change.ResourceCreated-1": ("no_tracked_event", NOT_TRACKED),
    "commercetools/change.ResourceDeleted-1": ("no_tracked_event", NOT_TRACKED),
    "commercetools/change.ResourceUpdated-1": ("no_tracked_event", NOT_TRACKED),
    "commercetools/cloudevents.ProductPublished-1": ("no_tracked_event", NOT_TRACKED),
    "commercetools/event.ImportContainerCreated-1": ("no_tracked_event", NOT_TRACKED),
    "commercetools/cloudevents.OrderPaymentStateChanged-1": (
        "template_empty",
        "without a connection there is no order",
    ),
    "standard-webhooks/contact.created-1": ("no_tracked_event", NOT_TRACKED),
    "standard-webhooks/contact.created-2": ("no_tracked_event", NOT_TRACKED),
    "standard-webhooks/example.event-1": ("no_tracked_event", NOT_TRACKED),
    "stripe/charge.succeeded-1": ("no_tracked_event", "the checkout session tells of the same payment"),
    "stripe/invoice.created-1": ("no_tracked_event", "an invoice that is made is not paid"),
    "stripe/checkout.session.completed-1": (
        "template_empty",
        "payment_status is unpaid: another event tells when it is",
    ),
}
REFUSED = {
    "commercetools/payloadNotIncluded-1": "part of a message, its member of this name; no message by itself",
    "commercetools/resource.customer-1": "what the API answers, not what a subscription sends: it has no type",
    "commercetools/resource.order-1": "what the API answers; its type is Order, which is no message",
}


def names() -> list[Any]:
    try:
        return [
            f"{name}/{path.stem}" for name in PLATFORMS for path in sorted(published(f"payloads/{name}").glob("*.json"))
        ]
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


def rendered(platform: str, body: bytes, fetched: dict[str, Any] | None = None) -> Rendered:
    source = SOURCES[platform]
    came = source.receive(Webhook({"webhook-id": "msg_1"}, body), now_ms=NOW_MS)
    event = Event(
        EventId(1), Lane.LIVE, 0, platform, came.topic, came.delivery_key, came.entity, came.occurred_at_ms or NOW_MS,
        NOW_MS, json.dumps(dict(came.headers)), came.body, None,
    )  # fmt: skip
    (result,) = RENDERER(platform, [Task(event, fetched or {})], NOW_MS)
    return result


def body(name: str) -> bytes:
    return published("payloads", f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", names())
def test_every_published_body_makes_a_call_or_ends_for_a_stated_reason(name: str) -> None:
    platform = name.partition("/")[0]
    if name == "commercetools/resource.order-1":
        assert [one.code for one in rendered(platform, body(name)).outcomes] == ["no_tracked_event"], REFUSED[name]
        return
    if name in REFUSED:
        with pytest.raises(Refused, match="topic_missing"):
            rendered(platform, body(name))
        return
    result = rendered(platform, body(name))
    if name in OUTCOMES:
        code, reason = OUTCOMES[name]
        assert ([one.code for one in result.outcomes], list(result.calls)) == ([code], []), reason
        return
    (call,) = [json.loads(call.text) for call in result.calls]
    what, facts = CALLS[name]
    assert call.get("event", call["type"]) == what
    assert {**call.get("properties", call.get("traits")), **facts} == call.get("properties", call.get("traits"))


def test_the_published_order_in_a_message_makes_order_completed() -> None:
    order = json.loads(body("commercetools/resource.order-1"))
    message = json.loads(body("commercetools/message.CustomerLastNameSet-1"))
    message |= {"type": "OrderCreated", "resource": {"typeId": "order", "id": order["id"]}, "order": order}
    (call,) = [json.loads(call.text) for call in rendered("commercetools", json.dumps(message).encode()).calls]
    assert (call["userId"], call["properties"]["total"]) == (order["customerId"], 10)
    assert call["properties"]["products"] == [
        {"product_id": order["lineItems"][0]["productId"], "sku": "some-sku-123", "name": "MyProduct", "price": 10,
         "quantity": 1}
    ]  # fmt: skip


def test_the_published_payment_completes_its_order_once_the_order_is_fetched() -> None:
    order = json.loads(body("commercetools/resource.order-1"))
    came = body("commercetools/cloudevents.OrderPaymentStateChanged-1")
    (call,) = [json.loads(call.text) for call in rendered("commercetools", came, {"order": order}).calls]
    assert call["event"] == "Order Updated"
    assert call["properties"]["order_id"] == "12345"


def test_the_published_session_is_tracked_when_it_is_paid() -> None:
    session = json.loads(body("stripe/checkout.session.completed-1"))
    session["data"]["object"]["payment_status"] = "paid"
    (call,) = [json.loads(call.text) for call in rendered("stripe", json.dumps(session).encode()).calls]
    assert (call["event"], call["properties"]["total"]) == ("Order Completed", 15)
