"""Webhooks, events and answers of the API in BigCommerce's shape."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from relay.model import Event, EventId, Lane, Webhook
from relay.settings.bigcommerce_options import BigCommerceCommerceOptions, BigCommerceOptions
from relay.sources.bigcommerce import BigCommerce

SECRET = "harbour-lantern-2207"
CLIENT_SECRET = "client-secret-of-the-app"
TOKEN = "store-api-token-0815"
STORE = "stores/k3ttl3"
CREATED_AT = 1_773_480_430
NOW_MS = CREATED_AT * 1000 + 250


def bigcommerce(base_url: str = "", **options: Any) -> BigCommerce:
    """Accepts `SECRET` and `CLIENT_SECRET`, unless told otherwise."""
    known: dict[str, Any] = {"secret": [SecretStr(SECRET)], "client_secret": [SecretStr(CLIENT_SECRET)]}
    if base_url:
        known["commerce"] = BigCommerceCommerceOptions(base_url=base_url, token=SecretStr(TOKEN))
    return BigCommerce(BigCommerceOptions(platform="bigcommerce", **(known | options)))


def body(scope: str, data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    made = {"scope": scope, "store_id": "1002003", "data": dict(data), "hash": "5f0a", "created_at": CREATED_AT}
    return {**made, "producer": STORE, **more}


def of_order(scope: str, order: int = 118, **data: Any) -> dict[str, Any]:
    return body(f"store/order/{scope}", {"type": "order", "id": order, **data})


def status(before: int, after: int, order: int = 118) -> dict[str, Any]:
    return of_order("statusUpdated", order, status={"previous_status_id": before, "new_status_id": after})


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def signature(identifier: str, timestamp: str, body: bytes, secret: str = CLIENT_SECRET) -> str:
    digest = hmac.new(secret.encode(), f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signed(body: object, identifier: str = "w-1", secret: str = CLIENT_SECRET) -> Webhook:
    """As BigCommerce signs it, at the time it happened."""
    timestamp = str(CREATED_AT)
    headers = {"webhook-id": identifier, "webhook-timestamp": timestamp}
    return Webhook({**headers, "webhook-signature": signature(identifier, timestamp, raw(body), secret)}, raw(body))


def webhook(body: object, **headers: str) -> Webhook:
    """With the custom header."""
    return Webhook(
        {"x-relay-secret": SECRET, **{name.replace("_", "-"): value for name, value in headers.items()}}, raw(body)
    )


def event(body: object, topic: str = "") -> Event:
    """As stored after intake."""
    topic = topic or (body["scope"] if isinstance(body, dict) else "store/order/created")
    return Event(EventId(1), Lane.LIVE, 0, "shop", topic, "key", "order:118", None, NOW_MS, "{}", raw(body), None)


def order(**more: Any) -> dict[str, Any]:
    """As `/v2/orders/{id}` answers."""
    made = {
        "id": 118,
        "customer_id": 21,
        "date_modified": "Sat, 14 Mar 2026 09:27:05 +0000",
        "status_id": 11,
        "cart_id": "c-118",
        "total_inc_tax": "112.8000",
        "total_tax": "18.8000",
        "shipping_cost_ex_tax": "8.0000",
        "discount_amount": "4.0000",
        "coupon_discount": "0.0000",
        "currency_code": "EUR",
        "default_currency_code": "EUR",
        "billing_address": {"first_name": "Mira", "last_name": "Solberg", "email": "Mira.Solberg@example.com"},
    }
    return made | more


PRODUCTS = [{"id": 301, "product_id": 77, "name": "Kettle", "sku": "K-1", "price_ex_tax": "60.0000", "quantity": 1}]
REFUNDS: dict[str, Any] = {
    "data": [{"id": 9, "order_id": 118, "total_amount": 72, "items": [], "payments": []}],
    "meta": {},
}
CUSTOMERS: dict[str, Any] = {
    "data": [{"id": 21, "email": "Mira.Solberg@example.com", "first_name": "Mira", "addresses": []}],
    "meta": {},
}
PATHS = {
    "order": "/v2/orders/118",
    "products": "/v2/orders/118/products?limit=250",
    "coupons": "/v2/orders/118/coupons?limit=250",
    "refunds": "/v3/orders/118/payment_actions/refunds",
    "customer": "/v3/customers?id:in=21&include=addresses",
}
