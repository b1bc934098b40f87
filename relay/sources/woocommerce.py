"""WooCommerce: webhooks whose body is the resource of its REST API, version 3 (an order, a customer).

Sources: woocommerce/woocommerce, class-wc-webhook.php; its REST API documentation, pages on webhooks
and orders; WordPress, wp_specialchars_decode. The signature covers the body alone; topic and ids come
in headers, which are believed when the body is genuine.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from html.entities import html5
from typing import Any

import orjson

from relay.model import Event, JsonObject, Received, Webhook, subject
from relay.settings.woocommerce_options import WooCommerceOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.fields import at, first_moment_ms, text
from relay.sources.signing import hmac_sha256_base64, secret_matches

SIGNATURE = "x-wc-webhook-signature"
TOPIC = "x-wc-webhook-topic"
SITE = "x-wc-webhook-source"
WEBHOOK_ID = "x-wc-webhook-id"
DELIVERY_ID = "x-wc-webhook-delivery-id"
API = "/wp-json/wc/v3"
REFUNDS = "refunds"
KEPT_HEADERS = (
    *("content-type", "user-agent", "x-request-id"),
    *(TOPIC, SITE, WEBHOOK_ID, DELIVERY_ID, "x-wc-webhook-resource", "x-wc-webhook-event"),
)

_WHOLE = re.compile(r"[0-9]+")
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
# What wp_specialchars_decode knows with ENT_QUOTES; its names are in lower case, its numbers may begin with zeros.
_ENTITY = re.compile(r"&(?:(quot|lt|gt|amp)|#0*(3[489]|6[02])|#[xX]0*(2[267]));")
# Of HTML at large, with its semicolon: "pens&notes" is meant as it stands.
_ANY_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


class WooCommerce(Source):
    """The webhooks of one shop, which share a secret."""

    platform = "woocommerce"

    def __init__(self, options: WooCommerceOptions) -> None:
        # An empty secret would let everybody in.
        typed = [secret.get_secret_value() for secret in options.secret if secret]
        self._secrets = list(dict.fromkeys(form for secret in typed for form in (secret, decoded(secret)) if form))
        self._open = options.open
        self._commerce = options.commerce

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. No header but the signature is read before it has matched."""
        if not self._open:
            self._verify(webhook)
        resource = bodies.posted(webhook.body)
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, ())
        topic = text(headers.get(TOPIC))
        if topic is None:
            raise Refused("topic_missing", "there is no X-WC-Webhook-Topic header")
        delivery_key = _delivery_key(headers, topic, webhook.body)
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=_entity(topic, resource) or f"event:{delivery_key}",
            occurred_at_ms=_occurred_at_ms(resource),
            headers=headers,
            body=webhook.body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        headers = {"content-type": "application/json", TOPIC: topic}
        if self._secrets:
            return {**headers, SIGNATURE: hmac_sha256_base64(self._secrets[-1], body)}
        if self._open:
            return headers
        raise Unsignable("no secret is set")

    def is_ping(self, webhook: Webhook) -> bool:
        """A new webhook asks, as a form and without signature or headers of its own, for an answer of exactly 200."""
        return _PING.fullmatch(webhook.body) is not None and not any(
            name.startswith("x-wc-webhook-") for name in webhook.headers
        )

    def strip(self, webhook: Webhook) -> Webhook:
        """A signature tells nothing of the secret, and the body never holds it; so the bytes stay as they came."""
        return Webhook(redaction.quarantine_headers(webhook.headers, (), (SIGNATURE,)), webhook.body)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One: the resource, its refunds whole if they were fetched, names of lines without HTML entities.

        ``site`` is the shop's address unless the resource has one.
        """
        resource = bodies.stored(event.body)
        if len(resource) == 1 and isinstance(next(iter(resource.values())), dict):
            raise ValueError(f"the body is that of an older API ({next(iter(resource))!r:.40}): set the webhook to v3")
        refunds = _refunds(resource.get("refunds"), fetched.get(REFUNDS))
        resource = _readable({**resource, "refunds": refunds} if refunds else resource)
        site = text(at(orjson.loads(event.headers), SITE))
        return [{"site": site.partition("://")[2].rstrip("/") or site, **resource} if site else resource]

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """For an order with refunds, of which it tells the amounts and no more: what came back, and when.

        Optional, since an order that is gone by now has none.
        """
        try:
            order = json_text.parse_exact(event.body)
        except ValueError:
            # Rendering meets the same error, and says so.
            return ()
        identifier = text(at(order, "id")) or ""
        if event.topic.partition(".")[0] != "order" or not at(order, "refunds") or not _WHOLE.fullmatch(identifier):
            return ()
        return (Lookup(REFUNDS, f"{API}/orders/{identifier}/refunds?per_page=100", optional=True),)

    def historic(self, topic: str | None, document: JsonObject) -> Webhook:
        """The topic and the shop's address are in headers; the latter as the commerce connection has it."""
        said = {TOPIC: topic, SITE: self._commerce.base_url if self._commerce else None}
        return Webhook({name: value for name, value in said.items() if value}, orjson.dumps(document))

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Ids of the resource and of the customer; the order's number; e-mail addresses."""
        ids = (document.get("id"), document.get("number"), _customer(document))
        emails = (document.get("email"), at(document, "billing", "email"))
        found = [*map(text, ids), *(email.strip().lower() for email in map(text, emails) if email)]
        return list(dict.fromkeys(key for key in found if key))

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """See `relay.sources.contract.Source`; beside these the customer of an order."""
        customers = [customer for customer in map(_customer, documents) if customer]
        found = [*super().subjects(event, documents), *(subject("customer", customer) for customer in customers)]
        return list(dict.fromkeys(found))

    def credentials(self) -> Credentials | None:
        """Basic, which WooCommerce takes over HTTPS only."""
        if self._commerce is None:
            return None
        pair = f"{self._commerce.consumer_key}:{self._commerce.consumer_secret.get_secret_value()}"
        basic = base64.b64encode(pair.encode()).decode()
        return Credentials(headers={"Authorization": f"Basic {basic}"}, probe_path=f"{API}/orders?per_page=1")

    def _verify(self, webhook: Webhook) -> None:
        presented = webhook.headers.get(SIGNATURE, "").strip()
        if not presented:
            raise Refused("signature_missing", "there is no X-WC-Webhook-Signature header")
        expected = [hmac_sha256_base64(secret, webhook.body) for secret in self._secrets]
        if not secret_matches(presented, expected):
            raise Refused("signature_mismatch", "the signature of the body is made with none of the configured secrets")


def decoded(secret: str) -> str:
    """What WooCommerce signs with: the stored secret after ``wp_specialchars_decode(…, ENT_QUOTES)``, one pass."""

    def character(found: re.Match[str]) -> str:
        name, decimal, hexadecimal = found.groups()
        return html.unescape(f"&{name};") if name else chr(int(decimal) if decimal else int(hexadecimal, 16))

    return _ENTITY.sub(character, secret)


def _delivery_key(headers: Mapping[str, str], topic: str, body: bytes) -> str:
    """The delivery's id is of the webhook and the second, so two deliveries may share it: the body tells them apart."""
    digest = bodies.digest(body)
    identifier = text(headers.get(DELIVERY_ID)) or text(headers.get(WEBHOOK_ID))
    return ":".join(part for part in (topic, identifier, digest) if part)


def _entity(topic: str, resource: JsonObject) -> str | None:
    """What must stay in order. An action of WordPress (``action.…``) is about nothing that could be known."""
    kind = topic.partition(".")[0]
    identifier = None if kind == "action" else text(resource.get("id"))
    return f"{kind}:{identifier}" if identifier else None


def _customer(document: JsonObject) -> str | None:
    """Of an order; 0 is a guest."""
    customer = text(document.get("customer_id"))
    return None if customer == "0" else customer


def _occurred_at_ms(resource: JsonObject) -> int | None:
    """When the resource was changed or else made. WooCommerce writes UTC without saying so."""
    return first_moment_ms([resource.get("date_modified_gmt"), resource.get("date_created_gmt")])


def _refunds(refunds: Any, fetched: Any) -> list[Any]:
    """Of an order, with what the fetched resources of the same ids have beside."""
    whole = {
        text(at(one, "id")): one for one in (fetched if isinstance(fetched, list) else ()) if isinstance(one, dict)
    }
    known = refunds if isinstance(refunds, list) else ()
    return [_readable({**whole.get(text(one.get("id")), {}), **one}) if isinstance(one, dict) else one for one in known]


def _readable(resource: JsonObject) -> JsonObject:
    """With the names of its lines as people read them."""
    lines = resource.get("line_items")
    return {**resource, "line_items": [_named(line) for line in lines]} if isinstance(lines, list) else resource


def _named(line: Any) -> Any:
    if not isinstance(line, dict):
        return line
    names = ((name, line.get(name)) for name in ("name", "parent_name"))
    return {**line, **{name: _ANY_ENTITY.sub(_unescaped, value) for name, value in names if isinstance(value, str)}}


def _unescaped(entity: re.Match[str]) -> str:
    # `html.unescape` would also take the beginning of a name that it does not know.
    return html.unescape(entity[0]) if entity[0][1] == "#" else html5.get(entity[0][1:], entity[0])
