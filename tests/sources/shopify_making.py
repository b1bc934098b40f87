"""Webhooks and events in Shopify's shape."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from pydantic import SecretStr

from relay.model import Event, EventId, Lane, Webhook
from relay.settings.source_options import ShopifyOptions
from relay.sources.shopify import Shopify

SECRET = "harbour-lantern-2207"
SHOP = "tea-and-kettles.myshopify.com"
ORDER_ID = 6123456789012345678
CUSTOMER_ID = 7123456789012345678
ORDER = {
    "id": ORDER_ID,
    "name": "#1042",
    "order_number": 1042,
    "email": "Ines.Faro@Shop.Example",
    "created_at": "2026-03-01T09:00:00-05:00",
    "updated_at": "2026-03-01T09:05:00-05:00",
    "customer": {"id": CUSTOMER_ID, "email": "ines@shop.example"},
}
HEADERS = {
    "x-shopify-topic": "orders/paid",
    "x-shopify-shop-domain": SHOP,
    "x-shopify-webhook-id": "w-1",
    "x-shopify-event-id": "e-1",
    "x-shopify-triggered-at": "2026-03-01T14:05:01.250Z",
    "x-shopify-api-version": "2026-01",
}


def shopify(*secrets: str, **options: Any) -> Shopify:
    return Shopify(
        ShopifyOptions(platform="shopify", secret=[SecretStr(one) for one in secrets or (SECRET,)], **options)
    )


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def webhook(body: object = ORDER, secret: str = SECRET, **headers: str | None) -> Webhook:
    """Genuine. ``headers`` are Shopify's without ``X-Shopify-`` and with ``_``; one that is None is left out."""
    changed = {f"x-shopify-{name.replace('_', '-')}": value for name, value in headers.items()}
    all_headers = {**HEADERS, "x-shopify-hmac-sha256": signature(raw(body), secret), **changed}
    return Webhook({name: value for name, value in all_headers.items() if value is not None}, raw(body))


def event(body: object, topic: str = "orders/paid", headers: dict[str, str] | None = None) -> Event:
    """As stored after intake."""
    kept = json.dumps(HEADERS if headers is None else headers)
    return Event(
        EventId(1), Lane.LIVE, 0, "shop", topic, "key", "order:1", None, 1_700_000_000_000, kept, raw(body), None
    )
