"""Documents in WooCommerce's shape, and rendering in one call, from the webhook on."""

from __future__ import annotations

from typing import Any

import orjson

from relay.pipeline.rendering import bindings
from relay.renderer import tracking
from relay.settings.woocommerce_options import WooCommerceOptions
from relay.templates.agreement import differences
from relay.templates.library import packaged_templates
from relay.templates.rendering import RenderResult, render_calls
from relay.templates.template import Template
from tests.sources import woocommerce_making as source_making
from tests.templates.making import ENGINE, RECEIVED_AT_MS

PLACED, PAID, CHANGED = "2026-03-14T09:00:00", "2026-03-14T09:20:00", "2026-03-16T10:00:00"


def packaged(tracked_event: str) -> Template:
    path = packaged_templates() / "sources" / "woocommerce" / f"{tracked_event}.jsonata"
    return Template.of("woocommerce", tracked_event, path, path.read_text())


def render(tracked_event: str, body: object, topic: str = "order.updated", **settings: Any) -> RenderResult:
    """What the packaged template makes of a webhook's body; both engines must agree on it."""
    event = source_making.event(body, topic)
    (document,) = source_making.woocommerce().documents(event, {})
    bound = bindings(event, tracking(WooCommerceOptions(platform="woocommerce", open=True, **settings)).settings)
    template, text = packaged(tracked_event), orjson.dumps(document).decode()
    assert differences(template, text, bound, RECEIVED_AT_MS) is None
    return render_calls(
        ENGINE,
        template,
        document,
        bound,
        source="shop",
        tracked_event=tracked_event,
        delivery_key="delivery-1",
        occurred_at_ms=None,
        received_at_ms=RECEIVED_AT_MS,
    )


def calls_of(tracked_event: str, body: object, topic: str = "order.updated", **settings: Any) -> list[dict[str, Any]]:
    """The calls, with nothing against them."""
    result = render(tracked_event, body, topic, **settings)
    assert list(result.rejected) == []
    assert list(result.warnings) == []
    return [orjson.loads(text) for _, text in result.calls]


def call_of(tracked_event: str, body: object, topic: str = "order.updated", **settings: Any) -> dict[str, Any]:
    (call,) = calls_of(tracked_event, body, topic, **settings)
    return call


def facts(tracked_event: str, body: object, topic: str = "order.updated", **settings: Any) -> list[str]:
    return [identity for identity, _ in render(tracked_event, body, topic, **settings).calls]


def line(sku: str, subtotal: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": 315,
        "name": f"The {sku}",
        "product_id": 93,
        "variation_id": 0,
        "quantity": quantity,
        "subtotal": subtotal,
        "total": subtotal,
        "sku": sku,
        "price": float(subtotal) / (quantity or 1),
        "parent_name": None,
        **more,
    }


def order(**more: Any) -> dict[str, Any]:
    """Of a customer, paid: goods 40.00, discount 4.00, shipping 5.00, tax 8.20; the total is 49.20."""
    return {
        "id": source_making.ORDER_ID,
        "number": "2026-4711",
        "status": "processing",
        "created_via": "checkout",
        "currency": "EUR",
        "prices_include_tax": False,
        "customer_id": source_making.CUSTOMER_ID,
        "billing": {
            "email": "Grace@Example.org",
            "first_name": "Grace",
            "last_name": "Example",
            "phone": "",
        },
        "discount_total": "4.00",
        "shipping_total": "5.00",
        "total": "49.20",
        "total_tax": "8.20",
        "meta_data": [],
        "line_items": [line("MUG", "40.00", 2, total="36.00")],
        "fee_lines": [],
        "coupon_lines": [{"id": 1, "code": "spring", "discount": "4.00"}],
        "refunds": [],
        "date_created_gmt": PLACED,
        "date_modified_gmt": PAID,
        "date_paid_gmt": PAID,
        "date_completed_gmt": None,
        **more,
    }


def unpaid(status: str, **more: Any) -> dict[str, Any]:
    return order(**{"status": status, "date_paid_gmt": None, "date_modified_gmt": PLACED, **more})


def refund(identifier: int, total: str) -> dict[str, Any]:
    return {"id": identifier, "reason": "", "total": total}


def customer(**more: Any) -> dict[str, Any]:
    return {
        "id": source_making.CUSTOMER_ID,
        "email": "Grace@Example.org",
        "first_name": "Grace",
        "last_name": "Example",
        "username": "grace",
        "billing": {
            "company": "Example Ltd",
            "address_1": "1 Kettle Lane",
            "address_2": "Flat 2",
            "city": "Leeds",
            "state": "",
            "postcode": "LS1",
            "country": "GB",
            "phone": "+441130000000",
        },
        "date_created_gmt": "2026-01-02T02:04:05",
        "date_modified_gmt": "2026-02-03T04:05:06",
        **more,
    }
