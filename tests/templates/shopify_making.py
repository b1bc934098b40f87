"""Documents in Shopify's shape, and rendering in one call, from the webhook on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from relay.pipeline.rendering import bindings
from relay.renderer import tracking
from relay.settings.source_options import ShopifyOptions, ShopifyTrackingOptions
from relay.templates.agreement import differences
from relay.templates.library import packaged_templates
from relay.templates.rendering import RenderResult, render_calls
from relay.templates.template import Template
from tests.sources import shopify_making as source_making
from tests.templates.making import ENGINE, RECEIVED_AT_MS

SHOP = source_making.SHOP
TOPICS: dict[str, str] = {name: topics[0] for name, topics in ShopifyTrackingOptions().model_dump().items() if topics}
ORDER_EVENTS = ("order_completed", "order_updated", "order_cancelled")


def packaged(tracked_event: str) -> Template:
    path = packaged_templates() / "sources" / "shopify" / f"{tracked_event}.jsonata"
    return Template.of("shopify", tracked_event, path, path.read_text())


def render(tracked_event: str, body: object, topic: str | None = None, **settings: Any) -> RenderResult:
    """What the packaged template makes of a webhook's body; both engines must agree on it."""
    source = source_making.shopify()
    event = source_making.event(body, topic or TOPICS[tracked_event])
    (document,) = source.documents(event, {})
    options = ShopifyOptions(platform="shopify", open=True, **settings)
    bound = bindings(event, tracking(options).settings)
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


def calls_of(tracked_event: str, body: object, topic: str | None = None, **settings: Any) -> list[dict[str, Any]]:
    """The calls, with nothing against them."""
    result = render(tracked_event, body, topic, **settings)
    assert list(result.rejected) == []
    assert list(result.warnings) == []
    return [orjson.loads(text) for _, text in result.calls]


def call_of(tracked_event: str, body: object, topic: str | None = None, **settings: Any) -> dict[str, Any]:
    (call,) = calls_of(tracked_event, body, topic, **settings)
    return call


def line(sku: str, price: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": 14_000_000_000_001,
        "product_id": 8_000_000_000_001,
        "variant_id": 44_000_000_000_001,
        "sku": sku,
        "title": f"The {sku}",
        "name": f"The {sku} - Red",
        "variant_title": "Red",
        "vendor": "Kettle Works",
        "price": price,
        "quantity": quantity,
        "total_discount": "0.00",
        "tax_lines": [],
        **more,
    }


def order(**more: Any) -> dict[str, Any]:
    """Of a customer: goods 40.00, discount 4.00, shipping 5.00, tax 8.20; the total is 49.20."""
    return {
        "id": source_making.ORDER_ID,
        "name": "#1042",
        "order_number": 1042,
        "email": "Grace@Example.org",
        "contact_email": "Grace@Example.org",
        "created_at": "2026-03-14T09:00:00-05:00",
        "updated_at": "2026-03-14T09:26:53-05:00",
        "cart_token": "c1-cart",
        "checkout_id": 36_000_000_000_001,
        "checkout_token": "84ad",
        "currency": "EUR",
        "presentment_currency": "EUR",
        "financial_status": "paid",
        "fulfillment_status": None,
        "taxes_included": False,
        "test": False,
        "subtotal_price": "36.00",
        "total_line_items_price": "40.00",
        "total_discounts": "4.00",
        "total_tax": "8.20",
        "total_price": "49.20",
        "total_shipping_price_set": money("5.00"),
        "shipping_lines": [{"code": "Standard", "price": "5.00", "tax_lines": []}],
        "discount_codes": [{"code": "SPRING", "amount": "4.00", "type": "percentage"}],
        "note_attributes": [],
        "customer": {
            "id": source_making.CUSTOMER_ID,
            "email": "grace@example.org",
            "first_name": "Grace",
            "last_name": "Example",
            "phone": None,
        },
        "line_items": [line("MUG", "20.00", 2)],
        **more,
    }


def money(amount: str, currency: str = "EUR") -> dict[str, Any]:
    shown = {"amount": amount, "currency_code": currency}
    return {"shop_money": shown, "presentment_money": shown}


def refund(**more: Any) -> dict[str, Any]:
    """Of one mug of two, 20.00 back."""
    return {
        "id": 9_000_000_000_001,
        "order_id": source_making.ORDER_ID,
        "created_at": "2026-03-16T08:00:00-05:00",
        "refund_line_items": [
            {"id": 1, "line_item_id": 2, "quantity": 1, "subtotal": 20.0, "line_item": line("MUG", "20.00", 2)}
        ],
        "transactions": [transaction("20.00")],
        "order_adjustments": [],
        **more,
    }


def transaction(amount: str, **more: Any) -> dict[str, Any]:
    return {"id": 5, "kind": "refund", "status": "success", "amount": amount, "currency": "EUR", "test": False, **more}


def customer(**more: Any) -> dict[str, Any]:
    address = {"address1": "1 Kettle Lane", "city": "Leeds", "province": "England", "zip": "LS1", "country": "GB"}
    return {
        "id": source_making.CUSTOMER_ID,
        "email": "Grace@Example.org",
        "phone": "+441130000000",
        "first_name": "Grace",
        "last_name": "Example",
        "created_at": "2026-01-02T03:04:05+01:00",
        "updated_at": "2026-02-03T04:05:06Z",
        "email_marketing_consent": {"state": "subscribed"},
        "sms_marketing_consent": None,
        "default_address": {**address, "company": "Example Ltd", "default": True},
        **more,
    }


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
