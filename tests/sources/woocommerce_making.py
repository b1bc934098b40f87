"""Webhooks and events in WooCommerce's shape."""

from __future__ import annotations

import json
from typing import Any

from pydantic import SecretStr

from relay.model import Event, EventId, Lane, Webhook
from relay.settings.woocommerce_options import WooCommerceOptions
from relay.sources.woocommerce import WooCommerce
from tests.sources.shopify_making import raw, signature

SECRET = "loom-lantern-3391-quay"
SITE = "https://shop.example/"
ORDER_ID = 4711
CUSTOMER_ID = 58
ORDER = {
    "id": ORDER_ID,
    "number": "2026-4711",
    "status": "processing",
    "customer_id": CUSTOMER_ID,
    "billing": {"email": "Ines.Faro@Shop.Example"},
    "date_created_gmt": "2026-03-01T14:00:00",
    "date_modified": "2026-03-01T09:05:00",
    "date_modified_gmt": "2026-03-01T14:05:00",
}
HEADERS = {
    "x-wc-webhook-source": SITE,
    "x-wc-webhook-topic": "order.updated",
    "x-wc-webhook-resource": "order",
    "x-wc-webhook-event": "updated",
    "x-wc-webhook-id": "12",
    "x-wc-webhook-delivery-id": "d-1",
}
PING = Webhook({"content-type": "application/x-www-form-urlencoded"}, b"webhook_id=142")


def woocommerce(*secrets: str, **options: Any) -> WooCommerce:
    return WooCommerce(
        WooCommerceOptions(platform="woocommerce", secret=[SecretStr(one) for one in secrets or (SECRET,)], **options)
    )


def webhook(body: object = ORDER, secret: str = SECRET, **headers: str | None) -> Webhook:
    """Genuine. ``headers`` are WooCommerce's without ``X-WC-Webhook-`` and with ``_``; one that is None is left out."""
    changed = {f"x-wc-webhook-{name.replace('_', '-')}": value for name, value in headers.items()}
    all_headers = {**HEADERS, "x-wc-webhook-signature": signature(raw(body), secret), **changed}
    return Webhook({name: value for name, value in all_headers.items() if value is not None}, raw(body))


def event(body: object, topic: str = "order.updated", headers: dict[str, str] | None = None) -> Event:
    """As stored after intake."""
    kept = json.dumps(HEADERS if headers is None else headers)
    return Event(
        EventId(1), Lane.LIVE, 0, "shop", topic, "key", "order:1", None, 1_700_000_000_000, kept, raw(body), None
    )
