"""Webhooks, events and sources for the tests, in the platforms' shapes."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from pydantic import SecretStr

from relay.model import Event, EventId, Lane, Webhook
from relay.settings.options import CommerceOptions, ElasticPathOptions
from relay.sources.elasticpath import ElasticPath

NOW_MS = 1_700_000_000_000
SECRET = "north-lantern-4411-harbour"
ORDER_ID = "0f6e9a52-33c1-4c7e-9f55-1d2a7be8c901"
CUSTOMER_ID = "b7e3d0aa-9a7c-4a27-8f0e-6a1b5c2d3e4f"


def elasticpath(*, commerce: bool = False, composer: str = "", **options: Any) -> ElasticPath:
    if "secret" not in options and not composer and not options.get("open"):
        options["secret"] = [SECRET]
    return ElasticPath(
        ElasticPathOptions(
            platform="elasticpath",
            composer_client_secret=[SecretStr(composer)] if composer else [],
            commerce=CommerceOptions(
                base_url="https://api.shop.example", client_id="client", client_secret=SecretStr("commerce-secret")
            )
            if commerce
            else None,
            **options,
        )
    )


def envelope(**fields: Any) -> dict[str, Any]:
    return {
        "id": "5f0c1c8e-0001-4000-8000-00000000a001",
        "triggered_by": "order.paid",
        "attempt": 1,
        "integration": {"id": "i-1", "integration_type": "webhook", "name": "Orders", "description": ""},
        **fields,
    }


def order(**fields: Any) -> dict[str, Any]:
    """A whole order, in the form of `payload`."""
    price = {"with_tax": {"amount": 4200, "currency": "EUR", "formatted": "€42.00"}}
    return {
        "data": {
            "type": "order",
            "id": ORDER_ID,
            "order_number": "100045",
            "payment": "paid",
            "customer": {"name": "Ines Faro", "email": "Ines.Faro@Shop.Example"},
            "meta": {
                "display_price": price,
                "timestamps": {"created_at": "2024-03-01T10:00:00Z", "updated_at": "2024-03-01T10:05:00.250Z"},
            },
            "relationships": {"customer": {"data": {"type": "customer", "id": CUSTOMER_ID}}},
            **fields,
        },
        "included": {"items": [{"type": "order_item", "id": "line-1", "sku": "TEA-1", "quantity": 2}]},
    }


def webhook(body: object, headers: dict[str, str] | None = None) -> Webhook:
    """With the right secret, unless ``headers`` says otherwise."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Webhook({"x-moltin-secret-key": SECRET} if headers is None else headers, raw)


def event(body: object, topic: str = "order.paid") -> Event:
    """As stored after intake."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Event(EventId(1), Lane.LIVE, 0, "shop", topic, "key", "order:1", None, 1_700_000_000_000, "{}", raw, None)


def written(value: object, random: Random, *, escapes: float = 0.0) -> str:
    """JSON, with blanks here and there and, by a chance of ``escapes``, characters as ``\\uXXXX``."""

    def blank() -> str:
        return random.choice(["", "", " ", "\n\t"])

    if isinstance(value, dict):
        members = (
            f"{blank()}{written(str(name), random, escapes=escapes)}{blank()}:{blank()}"
            f"{written(inner, random, escapes=escapes)}{blank()}"
            for name, inner in value.items()
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(blank() + written(inner, random, escapes=escapes) for inner in value) + blank() + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    return '"' + "".join(_character(one, random, escapes) for one in value) + '"'


def _character(one: str, random: Random, escapes: float) -> str:
    if ord(one) < 0x10000 and random.random() < escapes:
        digits = f"{ord(one):04x}"
        return "\\u" + (digits.upper() if random.random() < 0.5 else digits)
    if one == "/" and random.random() < escapes:
        return "\\/"
    return json.dumps(one, ensure_ascii=False)[1:-1]
