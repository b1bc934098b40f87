"""One order told to every kind of destination, as calls and as the webhooks that make them."""

from __future__ import annotations

from typing import Any

from relay.model import JsonObject

CUSTOMER = "CUST-42"
ORDER = "ORD-1001"
EMAIL = "ada@example.com"
_CONTEXT = {"traits": {"email": EMAIL, "firstName": "Ada", "lastName": "Example"}}
_SUMS: dict[str, Any] = {
    "affiliation": "Example Shop",
    "revenue": 81.0,
    "total": 103.2,
    "shipping": 5.0,
    "tax": 17.2,
    "discount": 9.0,
    "coupon": "SPRING10",
    "currency": "EUR",
}
SCARF = {"product_id": "P-10", "sku": "SKU-10-RED-M", "name": "Wool Scarf", "variant": "Red / M", "price": 40.0}
GIFT_BOX = {"product_id": "P-11", "sku": "SKU-11", "name": "Gift Box", "price": 10.0}
LINES = [{**SCARF, "quantity": 2}, {**GIFT_BOX, "quantity": 1}]


def track(event: str, at: str = "2026-03-14T09:26:53.000Z", **properties: Any) -> JsonObject:
    return {
        "type": "track",
        "event": event,
        "userId": CUSTOMER,
        "timestamp": at,
        "context": _CONTEXT,
        "properties": {"order_id": ORDER, **properties},
    }


IDENTIFY: JsonObject = {
    "type": "identify",
    "userId": CUSTOMER,
    "timestamp": "2026-03-14T09:26:53.000Z",
    "traits": {
        "email": EMAIL,
        "firstName": "Ada",
        "lastName": "Example",
        "phone": "+441632960001",
        "createdAt": "2025-11-02T08:00:00.000Z",
    },
}
CHECKOUT_STARTED = track("Checkout Started", value=103.2, currency="EUR", products=LINES)
ORDER_COMPLETED = track("Order Completed", subtotal=81.0, products=LINES, **_SUMS)
ORDER_UPDATED = track("Order Updated", "2026-03-15T08:00:00.000Z", products=LINES, **_SUMS)
PARTIAL_REFUND = track(
    "Order Refunded",
    "2026-03-20T10:00:00.000Z",
    total=40.0,
    currency="EUR",
    products=[{**SCARF, "quantity": 1}],
)
WHOLE_REFUND = track("Order Refunded", "2026-03-20T10:00:00.000Z", total=103.2, currency="EUR", products=LINES)
ORDER_CANCELLED = track("Order Cancelled", "2026-03-21T10:00:00.000Z", products=LINES, **_SUMS)


def guest(call: JsonObject) -> JsonObject:
    """The same of somebody without an account."""
    return {**{name: value for name, value in call.items() if name != "userId"}, "anonymousId": "guest_5f1d"}


def with_properties(call: JsonObject, **properties: Any) -> JsonObject:
    return {**call, "properties": {**call["properties"], **properties}}
