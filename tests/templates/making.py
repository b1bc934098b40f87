"""Documents in the shape of Elastic Path's, and rendering in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from relay.templates.engine import EngineLimits, FastEngine
from relay.templates.library import packaged_templates
from relay.templates.rendering import RenderResult, render_calls
from relay.templates.template import Template

RECEIVED_AT_MS = 1_773_480_413_045
ENGINE = FastEngine(EngineLimits(timeout_ms=500, max_sequence=10_000))

ORDER_ID = "0a1b2c3d-order"
CUSTOMER_ID = "9f8e7d6c-customer"
EMAIL = "Grace@Example.org"

ORDER_EVENTS = ("checkout_started", "order_completed", "order_updated", "order_refunded", "order_cancelled")
CUSTOMER_EVENTS = ("customer_created", "customer_updated")


def packaged(tracked_event: str) -> Template:
    path = packaged_templates() / "sources" / "elasticpath" / f"{tracked_event}.jsonata"
    return Template.of("elasticpath", tracked_event, path, path.read_text())


def of_text(text: str) -> Template:
    return Template.of("elasticpath", "order_completed", Path("sources/elasticpath/order_completed.jsonata"), text)


def bindings(topic: str = "order.paid", **settings: Any) -> dict[str, Any]:
    return {
        "event": {
            "source": "shop",
            "topic": topic,
            "id": "delivery-1",
            "occurredAt": None,
            "receivedAt": "2026-03-14T09:26:53.045Z",
        },
        "settings": {"guest_identity": "email_hash", "shipping_skus": [], **settings},
    }


def evaluate(expression: str, document: object = None, *, now_ms: int = 0, **more: Any) -> Any:
    """The value of an expression; `...` for undefined."""
    text = orjson.dumps(document if document is not None else {}).decode()
    result = ENGINE.render(of_text(expression), text, {**bindings(), **more}, now_ms=now_ms)
    return ... if result is None else orjson.loads(result)


def render(
    template: Template, document: Mapping[str, Any] | str, topic: str = "order.paid", **settings: Any
) -> RenderResult:
    return render_calls(
        ENGINE,
        template,
        document if isinstance(document, str) else dict(document),
        bindings(topic, **settings),
        source="shop",
        tracked_event=template.tracked_event,
        delivery_key="delivery-1",
        occurred_at_ms=None,
        received_at_ms=RECEIVED_AT_MS,
    )


def call_of(
    tracked_event: str, document: Mapping[str, Any], topic: str = "order.paid", **settings: Any
) -> dict[str, Any]:
    """The one call that a packaged template makes of a document."""
    result = render(packaged(tracked_event), document, topic, **settings)
    assert result.rejected == []
    ((_, text),) = result.calls
    call: dict[str, Any] = orjson.loads(text)
    return call


def price(amount: int, currency: str = "EUR") -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "formatted": "?"}


def line(sku: str, unit: int, quantity: int = 1, **more: Any) -> dict[str, Any]:
    currency = more.pop("currency", "EUR")
    shown = {"unit": price(unit, currency), "value": price(unit * quantity, currency)}
    return {
        "type": "order_item",
        "id": f"line-{sku}",
        "product_id": f"product-{sku}",
        "name": f"The {sku}",
        "sku": sku,
        "quantity": quantity,
        "unit_price": {"amount": unit, "currency": currency, "includes_tax": False},
        "value": {"amount": unit * quantity, "currency": currency, "includes_tax": False},
        "links": {},
        "meta": {"display_price": {"with_tax": shown, "without_tax": shown}},
        **more,
    }


def order(lines: list[dict[str, Any]] | None = None, *, currency: str = "EUR", **more: Any) -> dict[str, Any]:
    """An order of a signed-in customer: goods 40.00, discount 4.00, shipping 5.00, tax 8.20."""
    totals: dict[str, int] = more.pop(
        "totals", {"with_tax": 4920, "without_tax": 4100, "tax": 820, "discount": -400, "shipping": 500}
    )
    included = more.pop("included", {})
    data = {
        "type": "order",
        "id": ORDER_ID,
        "status": "complete",
        "payment": "paid",
        "shipping": "unfulfilled",
        "customer": {"name": "Grace Example", "email": EMAIL},
        "meta": {
            "display_price": {name: price(amount, currency) for name, amount in totals.items()},
            "timestamps": {"created_at": "2026-03-14T09:00:00Z", "updated_at": "2026-03-14T09:26:53.045565913Z"},
        },
        "relationships": {"customer": {"data": {"type": "customer", "id": CUSTOMER_ID}}},
        **more,
    }
    items = [line("MUG", 2000, 2)] if lines is None else lines
    return {"payload": {"data": data, "included": {"items": items, **included}}}


def customer(**more: Any) -> dict[str, Any]:
    data = {
        "type": "customer",
        "id": CUSTOMER_ID,
        "name": "Grace Example",
        "email": EMAIL,
        "password": True,
        "external_ref": "crm-7",
        "meta": {"timestamps": {"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-02-03T04:05:06Z"}},
        **more,
    }
    return {"payload": {"data": data}}
