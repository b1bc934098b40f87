"""The demo's webhooks, in the form Elastic Path sends them: one of each kind, and three that go wrong."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

ORDER_ID = "5f0c6c0e-3a52-4a3d-9c3b-0c7c5b7f1001"
CLICK = "0123456789abcdef0123456789abcdef"
"""Of the partner's link that the buyer came by, as a shop keeps it for Everflow."""
CUSTOMER_ID = "c4d1a1b6-7c80-4b53-8c55-2f8f0a9d0042"


@dataclass(frozen=True, slots=True)
class Sample:
    """A webhook to post. ``genuine`` is false for one that carries a wrong secret."""

    title: str
    body: bytes
    genuine: bool = True


def samples() -> Sequence[Sample]:
    """Seven webhooks, then a duplicate, one with a wrong secret and one that is not JSON."""
    customer = _customer("Ada Example")
    paid = _webhook("order.paid", 2, _order("paid", "complete", "2026-03-14T09:30:11Z"))
    return (
        Sample("customer.created", _webhook("customer.created", 0, {"data": customer})),
        Sample("order.created", _webhook("order.created", 1, _order("unpaid", "incomplete", "2026-03-14T09:26:53Z"))),
        Sample("order.paid", paid),
        Sample("order.updated", _webhook("order.updated", 3, _order("paid", "complete", "2026-03-14T10:02:00Z"))),
        Sample("order.refunded", _webhook("order.refunded", 4, _order("refunded", "complete", "2026-03-16T08:00:00Z"))),
        Sample(
            "order.cancelled", _webhook("order.cancelled", 5, _order("refunded", "cancelled", "2026-03-16T08:05:00Z"))
        ),
        Sample("customer.updated", _webhook("customer.updated", 6, {"data": _customer("Ada Exemplary")})),
        Sample("order.paid, delivered again", paid),
        Sample("order.paid, wrong secret", paid, genuine=False),
        Sample("order.paid, cut off", paid[: len(paid) // 2]),
    )


def _webhook(topic: str, number: int, payload: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "id": f"d0e5b1a4-0000-4000-8000-{number:012d}",
            "triggered_by": topic,
            "attempt": 1,
            "integration": {"id": "8a1f", "integration_type": "webhook", "name": "Relay"},
            "payload": payload,
            "resources": orjson.dumps(payload).decode(),
            "configuration": {"url": "https://relay.example/webhooks/elasticpath"},
        },
        option=orjson.OPT_INDENT_2,
    )


def _price(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR", "formatted": f"€{amount / 100:.2f}"}


def _item(sku: str, name: str, unit: int, quantity: int, kind: str = "order_item") -> dict[str, Any]:
    displayed = {"unit": _price(unit), "value": _price(unit * quantity)}
    return {
        "type": kind,
        "id": f"line-{sku.lower()}",
        "product_id": "" if kind == "promotion_item" else f"product-{sku.lower()}",
        "name": name,
        "sku": sku,
        "quantity": quantity,
        "unit_price": {"amount": unit, "currency": "EUR", "includes_tax": True},
        "value": {"amount": unit * quantity, "currency": "EUR", "includes_tax": True},
        "meta": {"display_price": {"with_tax": displayed, "without_tax": copy.deepcopy(displayed)}},
    }


def _order(payment: str, status: str, updated_at: str) -> dict[str, Any]:
    """A wool scarf twice and a gift box, ten per cent off by a promotion, shipping and tax."""
    order = {
        "type": "order",
        "id": ORDER_ID,
        "order_number": "1001",
        "status": status,
        "payment": payment,
        "shipping": "unfulfilled",
        "anonymized": False,
        "everflow_transaction_id": CLICK,
        "customer": {"name": "Ada Example", "email": "ada@example.com"},
        "shipping_address": {"first_name": "Ada", "last_name": "Example", "city": "Leeds", "country": "GB"},
        "meta": {
            "display_price": {
                "with_tax": _price(10_320),
                "without_tax": _price(8_600),
                "tax": _price(1_720),
                "discount": _price(-900),
                "shipping": _price(500),
                "without_discount": _price(9_500),
            },
            "timestamps": {"created_at": "2026-03-14T09:26:53.045565913Z", "updated_at": updated_at},
        },
        "relationships": {"customer": {"data": {"type": "customer", "id": CUSTOMER_ID}}},
    }
    items = [
        _item("SKU-10-RED-M", "Wool Scarf", 4_000, 2),
        _item("SKU-11", "Gift Box", 1_000, 1),
        _item("SPRING10", "Ten per cent off", -900, 1, "promotion_item"),
    ]
    return {"data": order, "included": {"items": items}}


def _customer(name: str) -> dict[str, Any]:
    updated_at = "2026-03-14T09:20:00Z" if name == "Ada Example" else "2026-03-17T12:00:00Z"
    return {
        "type": "customer",
        "id": CUSTOMER_ID,
        "name": name,
        "email": "ada@example.com",
        "password": True,
        "meta": {"timestamps": {"created_at": "2026-03-14T09:20:00Z", "updated_at": updated_at}},
    }
