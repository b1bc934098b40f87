"""Webhooks, keys and signatures in Saleor's shape."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr

from relay.model import Event, EventId, Lane, Webhook
from relay.settings.saleor_options import SaleorOptions
from relay.sources.saleor import Saleor

SECRET = "harbour-lantern-2207"
API_URL = "https://shop.example.com/graphql/"
NOW_MS = 1_773_480_430_250
ORDER_ID = "T3JkZXI6MQ=="


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The store's, one for each name."""
    return rsa.generate_private_key(65537, 2048)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(kid: str, name: str = "first", **more: Any) -> dict[str, Any]:
    numbers = private_key(name).public_key().public_numbers()
    n, e = (base64url(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "key_ops": ["verify"], "n": n, "e": e, "kid": kid, "use": "sig", "alg": "RS256", **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys or (jwk("1"),)}).encode()


def jws(body: bytes, name: str = "first", **header: Any) -> str:
    """Detached, of the raw body; a member of ``header`` that is None is left out."""
    members = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": "1", **header}
    protected = base64url(json.dumps({key: value for key, value in members.items() if value is not None}).encode())
    signature = private_key(name).sign(protected.encode() + b"." + body, padding.PKCS1v15(), SHA256())
    return f"{protected}..{base64url(signature)}"


def unfetched(**options: Any) -> Saleor:
    known: dict[str, Any] = {"api_url": API_URL, "secret": [SecretStr(SECRET)]}
    return Saleor(SaleorOptions(platform="saleor", **(known | options)))


def saleor(*keys: dict[str, Any], **options: Any) -> Saleor:
    """Knows the key of `jwks`, and `SECRET`, unless told otherwise."""
    source = unfetched(**options)
    if source.key_set is not None:
        source.key_set.replace(jwks(*keys))
    return source


def event_of(name: str = "OrderFullyPaid", order: str = ORDER_ID, **more: Any) -> dict[str, Any]:
    made = {
        "__typename": name,
        "issuedAt": "2026-03-14T09:27:10.250000+00:00",
        "order": {
            "id": order,
            "number": "118",
            "updatedAt": "2026-03-14T09:27:05.481000+00:00",
            "user": {"id": "VXNlcjoyMQ==", "email": "Mira.Solberg@example.com"},
            "userEmail": "Mira.Solberg@example.com",
            "total": {"gross": {"amount": 112.8, "currency": "EUR"}, "net": {"amount": 94.0}, "tax": {"amount": 18.8}},
            "shippingPrice": {"net": {"amount": 8.0}},
            "lines": [],
        },
    }
    return made | more


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def webhook(body: object, topic: str = "", signature: str = "", **header: Any) -> Webhook:
    """Signed with the store's key, or with another ``signature``."""
    headers = {"saleor-signature": signature or jws(raw(body), **header)}
    return Webhook(headers | ({"saleor-event": topic} if topic else {}), raw(body))


def hex_signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event(body: object, topic: str = "order_fully_paid") -> Event:
    """As stored after intake."""
    return Event(
        EventId(1), Lane.LIVE, 0, "shop", topic, "key", f"order:{ORDER_ID}", None, NOW_MS, "{}", raw(body), None
    )
