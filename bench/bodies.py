"""The webhook that every contender takes: an Elastic Path order with three lines, about 5 KB."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

MARK = "00000000-0000-4000-8000-000000000000"
"""Stands for the envelope id; replaced by a fresh one for every request."""
ORDER_MARK = "11111111-1111-4111-8111-111111111111"
SECRET = "bench-secret"
SECRET_HEADER = "X-MOLTIN-SECRET-KEY"
SOURCE = {"RELAY_SOURCES__ELASTICPATH__PLATFORM": "elasticpath", "RELAY_SOURCES__ELASTICPATH__SECRET": SECRET}
"""The environment of a relay that takes it."""


def _price(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR", "formatted": f"€{amount / 100:.2f}"}


def _item(number: int, amount: int, quantity: int) -> dict[str, Any]:
    unit = {"unit": _price(amount), "value": _price(amount * quantity)}
    return {
        "type": "order_item",
        "id": f"item-{number}",
        "quantity": quantity,
        "product_id": f"product-{number}",
        "name": f"Product number {number}",
        "sku": f"SKU-{number}",
        "unit_price": {"amount": amount, "currency": "EUR", "includes_tax": False},
        "value": {"amount": amount * quantity, "currency": "EUR", "includes_tax": False},
        "links": {},
        "meta": {
            "display_price": {"with_tax": unit, "without_tax": unit, "tax": {"unit": _price(0), "value": _price(0)}},
            "timestamps": {"created_at": "2026-03-14T09:26:53Z", "updated_at": "2026-03-14T09:26:53Z"},
        },
    }


def order_paid(lines: int = 3) -> bytes:
    """The body with `MARK` and `ORDER_MARK` in it."""
    items = [_item(number, 1_999 + number, 1 + number % 3) for number in range(lines)]
    total = sum(item["value"]["amount"] for item in items)
    address = {"first_name": "Ada", "last_name": "Example", "line_1": "1 Main Street", "city": "Leeds", "country": "GB"}
    order = {
        "type": "order",
        "id": ORDER_MARK,
        "status": "complete",
        "payment": "paid",
        "shipping": "unfulfilled",
        "customer": {"name": "Ada Example", "email": "ada@example.com"},
        "shipping_address": address,
        "billing_address": address,
        "links": {},
        "meta": {
            "display_price": {"with_tax": _price(total), "without_tax": _price(total), "tax": _price(0)},
            "timestamps": {"created_at": "2026-03-14T09:26:53Z", "updated_at": "2026-03-14T09:26:53Z"},
        },
        "relationships": {"customer": {"data": {"type": "customer", "id": "customer-42"}}},
    }
    envelope = {
        "id": MARK,
        "triggered_by": "order.paid",
        "attempt": 1,
        "integration": {"id": "integration-1", "integration_type": "webhook", "name": "relay"},
        "payload": {"data": order, "included": {"items": items}},
        "configuration": {"url": "https://relay.example/webhooks/elasticpath"},
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


class Webhooks:
    """Webhooks that differ in the ids of delivery and order, which `order_id` tells."""

    def __init__(self, lines: int = 3) -> None:
        self._run = f"{time.time_ns() % 10**12:012d}"
        body = order_paid(lines)
        before, rest = body.split(MARK.encode())
        between, after = rest.split(ORDER_MARK.encode())
        self._pieces = before, between, after
        self._length = len(body)

    def order_id(self, number: int) -> str:
        return f"{number:08d}-0000-4000-8000-{self._run}"

    def body(self, number: int) -> bytes:
        identity = self.order_id(number).encode()
        before, between, after = self._pieces
        return b"".join((before, identity, between, identity, after))

    def requests(self, url: str) -> Callable[[int], bytes]:
        """Makes whole HTTP requests to ``url``."""
        parts = urlsplit(url)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"{SECRET_HEADER}: {SECRET}\r\nContent-Length: {self._length}\r\n\r\n"
        ).encode()
        return lambda number: head + self.body(number)
