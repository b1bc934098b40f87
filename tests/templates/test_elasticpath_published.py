"""The packaged templates on webhooks and resources that Elastic Path published, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from relay.templates.guard import check
from relay.templates.reference import ReferenceEngine
from relay.templates.template import Template
from tests.sources.published import published
from tests.templates.making import (
    CUSTOMER_EVENTS,
    ENGINE,
    ORDER_EVENTS,
    RECEIVED_AT_MS,
    bindings,
    call_of,
    customer,
    line,
    order,
    packaged,
    render,
)

ORDERS = ["order.paid-1", "order.paid-2", "order.paid-3", "order.created-1", "order.created-2", "order.fulfilled-1",
          "resource.order-2", "resource.order-3", "resource.order-4"]  # fmt: skip


def body(name: str) -> dict[str, Any]:
    """The published file as a source hands it to a template: ``payload`` with ``data``."""
    document = orjson.loads(published("payloads", "elasticpath", f"{name}.json").read_bytes())
    if "payload" in document:
        return {"payload": document["payload"]}
    resource = document.get("resources", document)
    if isinstance(resource, str):
        resource = orjson.loads(resource)
    if isinstance(resource, list):
        resource = resource[0]
    return {"payload": resource if "data" in resource else {"data": resource}}


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def assert_same_on_both_engines(template: Template, document: dict[str, Any], **settings: Any) -> None:
    text = orjson.dumps(document).decode()
    fast = ENGINE.render(template, text, bindings(**settings), now_ms=RECEIVED_AT_MS)
    reference = ReferenceEngine().render(template, text, bindings(**settings), now_ms=RECEIVED_AT_MS)
    assert (fast is None) == (reference is None)
    assert orjson.loads(fast or "null") == orjson.loads(reference or "null")


def test_the_worked_example_to_the_cent() -> None:
    call = call_of("order_completed", body("order.paid-1"))
    assert call["properties"] == {
        "order_id": "1d67160d-dacb-43ed-80ef-c3c4e7ddf764",
        "subtotal": 100,
        "revenue": 100,
        "tax": 0,
        "total": 100,
        "currency": "GBP",
        "products": [
            {
                "product_id": "4f28f222-aa5b-442c-9ce9-c223dc7cf15a",
                "sku": "spam-fritters-0716",
                "name": "Spam Fritters",
                "price": 100,
                "quantity": 1,
            }
        ],
    }


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("guest_identity", ["email_hash", "email", "order_id"])
def test_every_published_order_makes_a_sound_call(tracked_event: str, name: str, guest_identity: str) -> None:
    document = body(name)
    call = call_of(tracked_event, document, guest_identity=guest_identity)
    assert check(call, max_bytes=32_000) is None
    assert call["properties"]["order_id"] == document["payload"]["data"]["id"]
    total = document["payload"]["data"].get("meta", {}).get("display_price", {}).get("with_tax", {}).get("amount")
    if tracked_event == "order_completed" and total is not None:
        assert Decimal(repr(call["properties"]["total"])) * 100 == total
    assert "guest_" not in texts(call)
    assert_same_on_both_engines(packaged(tracked_event), document, guest_identity=guest_identity)


def test_published_discounts_are_positive() -> None:
    properties = call_of("order_completed", body("resource.order-2"))["properties"]
    assert (properties["total"], properties["discount"], properties["revenue"]) == (85, 15, 85)


def test_published_cart_items_with_promotions_leave_one_product() -> None:
    items = orjson.loads(published("payloads", "elasticpath", "resource.cart-items-1.json").read_bytes())["data"]
    document = body("resource.order-2")
    document["payload"]["included"] = {"items": items}
    properties = call_of("order_completed", document)["properties"]
    assert all(product["price"] >= 0 for product in properties["products"])
    assert len(properties["products"]) == sum(item["unit_price"]["amount"] >= 0 for item in items)
    assert properties["coupon"] == "sale2024"
    assert_same_on_both_engines(packaged("order_completed"), document)


@pytest.mark.parametrize(("name", "total"), [("refund-1", 100), ("refund-2", 50)])
def test_published_refunds_tell_their_amount(name: str, total: int) -> None:
    published_refund = body(f"resource.transaction.{name}")["payload"]["data"]
    document = body("order.paid-1")
    document["payload"]["included"]["transactions"] = [published_refund]
    assert call_of("order_refunded", document)["properties"]["total"] == total
    assert_same_on_both_engines(packaged("order_refunded"), document)


@pytest.mark.parametrize("tracked_event", CUSTOMER_EVENTS)
def test_the_published_customer_is_identified(tracked_event: str) -> None:
    document = body("resource.customer-1")
    call = call_of(tracked_event, document)
    assert call["userId"] == document["payload"]["data"]["id"]
    assert call["traits"]["createdAt"] == "2017-01-11T18:44:45.000Z"
    assert_same_on_both_engines(packaged(tracked_event), document)


@pytest.mark.parametrize("tracked_event", [*ORDER_EVENTS, *CUSTOMER_EVENTS])
def test_our_own_documents_agree_on_both_engines(tracked_event: str) -> None:
    lines = [line("A", 1999, 3, discounts=[{"code": "X"}]), line("P", -100), line("DHL", 500)]
    for document in (order(), order(lines), order(lines, relationships={}), order(anonymized=True), customer()):
        assert_same_on_both_engines(packaged(tracked_event), document, shipping_skus=["DHL"], affiliation="Shop")
    assert render(packaged(tracked_event), order(anonymized=False)).rejected == []
