"""Shopify: webhooks over HTTPS, whose body is the bare resource (an order, a refund, a customer).

Sources: shopify.dev, pages on HTTPS delivery, verifying, duplicates and privacy law compliance.
The signature covers the body alone; topic, shop and ids come in headers, which are believed when the
body is genuine. Whoever holds one genuine body can therefore post it again under another topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from relay.model import Event, JsonObject, PrivacyKind, PrivacyRequest, Received, Webhook, subject
from relay.settings.source_options import ShopifyOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.fields import at, first_moment_ms, text
from relay.sources.signing import hmac_sha256_base64, secret_matches

SIGNATURE = "shopify-hmac-sha256"
TOPIC = "shopify-topic"
SHOP = "shopify-shop-domain"
TRIGGERED_AT = "shopify-triggered-at"
WEBHOOK_ID = "shopify-webhook-id"
EVENT_ID = "shopify-event-id"
_OWN_HEADERS = (
    *(TOPIC, SHOP, TRIGGERED_AT, WEBHOOK_ID, EVENT_ID),
    *("shopify-api-version", "shopify-sub-topic", "shopify-name", "shopify-test"),
)
KEPT_HEADERS = (
    *("content-type", "user-agent", "x-request-id"),
    *(f"{prefix}{name}" for name in _OWN_HEADERS for prefix in ("x-", "")),
)

_OF_ORDER = ("refunds", "fulfillments", "order_transactions", "tender_transactions", "fulfillment_events")
"""Topics whose resource is a part of an order and names it as ``order_id``."""

_PRIVACY = {
    "customers/redact": (PrivacyKind.REDACT_CUSTOMER, "orders_to_redact"),
    "customers/data_request": (PrivacyKind.DATA_REQUEST, "orders_requested"),
}
"""Topics about a customer's data, with the field of the body that no other topic's has."""


class Shopify(Source):
    """One Shopify app, in one shop or in several."""

    platform = "shopify"

    def __init__(self, options: ShopifyOptions) -> None:
        # An empty secret would let everybody in.
        self._secrets = [secret.get_secret_value() for secret in options.secret if secret]
        self._open = options.open
        self._commerce = options.commerce

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. No header but the signature is read before it has matched."""
        if not self._open:
            self._verify(webhook)
        resource = bodies.posted(webhook.body)
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, ())
        topic = text(_header(headers, TOPIC))
        if topic is None:
            raise Refused("topic_missing", "there is no X-Shopify-Topic header")
        delivery_key = _delivery_key(headers, topic, webhook.body)
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=_entity(topic, resource) or f"event:{delivery_key}",
            occurred_at_ms=_occurred_at_ms(headers, resource),
            headers=headers,
            body=webhook.body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        headers = {"content-type": "application/json", f"x-{TOPIC}": topic}
        if self._secrets:
            return {**headers, f"x-{SIGNATURE}": hmac_sha256_base64(self._secrets[0], body)}
        if self._open:
            return headers
        raise Unsignable("no secret is set")

    def strip(self, webhook: Webhook) -> Webhook:
        """A signature tells nothing of the secret, and the body never holds it; so the bytes stay as they came."""
        return Webhook(redaction.quarantine_headers(webhook.headers, ()), webhook.body)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One: the resource, with ``shop_domain`` as the header tells it unless the body does."""
        resource = bodies.stored(event.body)
        shop = text(_header(_stored(event.headers), SHOP))
        return [{"shop_domain": shop, **resource} if shop else resource]

    def historic(self, topic: str | None, document: JsonObject) -> Webhook:
        """The topic is in a header; the shop in another, as the document tells it or the commerce connection."""
        shop = urlsplit(self._commerce.base_url).hostname if self._commerce else None
        said = {TOPIC: topic, SHOP: text(document.get("shop_domain")) or shop}
        headers = {name.lower(): value for name, value in said.items() if value}
        return Webhook(headers, orjson.dumps(document))

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """None: the body is whole."""
        return ()

    def credentials(self) -> Credentials | None:
        if self._commerce is None:
            return None
        token = self._commerce.token.get_secret_value()
        return Credentials(headers={"X-Shopify-Access-Token": token}, probe_path="/orders/count.json")

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Ids of the resource, its order and customer; the order's name with and without ``#``; e-mail addresses."""
        name = text(at(document, "name"))
        ids = (
            *(at(document, "id"), name, name and name.removeprefix("#"), at(document, "order_number")),
            *(at(document, "order_id"), at(document, "order_edit", "order_id"), at(document, "customer", "id")),
        )
        emails = (at(document, "email"), at(document, "contact_email"), at(document, "customer", "email"))
        found = [*map(text, ids), *(email.strip().lower() for email in map(text, emails) if email)]
        return list(dict.fromkeys(key for key in found if key))

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """See `relay.sources.contract.Source`; beside these the customer of an order, and the shop."""
        found = [*super().subjects(event, documents)]
        for document in documents:
            customer, shop = text(at(document, "customer", "id")), text(document.get("shop_domain"))
            found += [subject("customer", customer)] if customer else []
            found += [subject("shop", shop)] if shop else []
        return list(dict.fromkeys(found))

    def privacy(self, event: Event) -> PrivacyRequest | None:
        """The three topics that privacy law asks of every app.

        The signed body says it: a customer's has a list of orders that no other body has, and that
        of a shop has nothing beside the shop, so that a customer's cannot pass for it.
        """
        if event.topic not in (*_PRIVACY, "shop/redact"):
            return None
        body = json_text.parse_exact(event.body)
        if event.topic == "shop/redact":
            shop = text(at(body, "shop_domain"))
            if shop is None or not isinstance(body, dict) or not body.keys() <= {"shop_id", "shop_domain"}:
                raise ValueError("the body is not that of shop/redact")
            return PrivacyRequest(PrivacyKind.REDACT_SHOP, [subject("shop", shop)])
        kind, orders = _PRIVACY[event.topic]
        subjects = _of_customer(at(body, "customer"), at(body, orders))
        if not subjects:
            raise ValueError(f"the body is not that of {event.topic}: it names no customer, or has no {orders}")
        return PrivacyRequest(kind, subjects)

    def _verify(self, webhook: Webhook) -> None:
        presented = _header(webhook.headers, SIGNATURE).strip()
        if not presented:
            raise Refused("signature_missing", "there is no X-Shopify-Hmac-Sha256 header")
        expected = [hmac_sha256_base64(secret, webhook.body) for secret in self._secrets]
        if not secret_matches(presented, expected):
            raise Refused("signature_mismatch", "the signature of the body is made with none of the configured secrets")


def _header(headers: Mapping[str, str], name: str) -> str:
    """By its name without ``X-``, which the webhooks of Shopify's newer kind, Events, leave out."""
    return headers.get(f"x-{name}") or headers.get(name, "")


def _stored(headers: str) -> Mapping[str, str]:
    found = orjson.loads(headers)
    return found if isinstance(found, dict) else {}


def _delivery_key(headers: Mapping[str, str], topic: str, body: bytes) -> str:
    """Within shop and topic the webhook's id, or else the event's, which several topics share; or a digest."""
    identifier = text(_header(headers, WEBHOOK_ID)) or text(_header(headers, EVENT_ID)) or bodies.digest(body)
    return ":".join(part for part in (text(_header(headers, SHOP)), topic, identifier) if part)


def _entity(topic: str, resource: JsonObject) -> str | None:
    """What must stay in order: also refunds and fulfilments are of their order."""
    kind = topic.partition("/")[0]
    if topic == "orders/edited":
        path: tuple[str, ...] = ("order_edit", "order_id")
    elif topic in ("customers/data_request", "customers/redact"):
        path = ("customer", "id")
    elif kind in _OF_ORDER:
        path, kind = ("order_id",), "orders"
    else:
        path = ("id",)
    identifier = text(at(resource, *path))
    return f"{kind.removesuffix('s')}:{identifier}" if identifier else None


def _of_customer(customer: Any, orders: Any) -> Sequence[str]:
    """Whom a privacy request is about; nobody when it has no list of orders, which may be empty."""
    if not isinstance(orders, list):
        return []
    identifier, email = text(at(customer, "id")), text(at(customer, "email"))
    found = [subject("customer", identifier)] if identifier else []
    found += [subject("email", email)] if email else []
    return [*found, *(subject("order", order) for order in map(text, orders) if order)]


def _occurred_at_ms(headers: Mapping[str, str], resource: JsonObject) -> int | None:
    """When it happened as the header tells; else when the resource was changed or, as a refund, made."""
    return first_moment_ms([_header(headers, TRIGGERED_AT), resource.get("updated_at"), resource.get("created_at")])
