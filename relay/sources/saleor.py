"""Saleor: asynchronous webhooks, whose body is what the app's GraphQL subscription selects.

Sources: Saleor's pages on webhooks (overview, payload signature, subscription payloads). The query that the templates
are made for is ``templates/sources/saleor/subscription.graphql``. Bodies of any other query, and the forms without
one, are read as far as they go.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from relay.model import Event, JsonObject, Received, Webhook, subject
from relay.settings.saleor_options import SaleorOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.authentication import check_signatures
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.detached_jws import check_detached
from relay.sources.fields import at, moment_ms, text
from relay.sources.key_set import KeySet

EVENT = "saleor-event"
SIGNATURE = "saleor-signature"
SIGNED_BY = (SIGNATURE, f"x-{SIGNATURE}")
KEPT_HEADERS = (
    *("content-type", "user-agent"),
    *(f"{prefix}{name}" for name in (EVENT, "saleor-domain", "saleor-api-url") for prefix in ("", "x-")),
)
KEYS_PATH = "/.well-known/jwks.json"

_API_PATH = re.compile(r"/+graphql/*$")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_KINDS = ("order", "user", "checkout", "payment", "transaction", "product")
"""Members of an event that hold what it is about."""


class Saleor(Source):
    """One Saleor store."""

    platform = "saleor"

    def __init__(self, options: SaleorOptions) -> None:
        # An empty secret would let everybody in.
        self._secrets = [secret.get_secret_value().encode() for secret in options.secret if secret]
        self._key_set = KeySet(keys_url(options.api_url)) if options.api_url else None
        self._open = options.open

    @property
    def key_set(self) -> KeySet | None:
        return self._key_set

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. What is not genuine is not even parsed."""
        if not self._open:
            self._verify(webhook)
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, ())
        event = _unwrapped(
            bodies.posted(webhook.body, json_text.parse_exact, array="the webhook has no subscription query")
        )
        topic = _topic(event, headers)
        if topic is None:
            raise Refused("topic_missing", "there is neither __typename in the body nor a Saleor-Event header")
        delivery_key = _delivery_key(topic, event, webhook.body)
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=_entity(event) or f"event:{delivery_key}",
            occurred_at_ms=moment_ms(event.get("issuedAt")),
            headers=headers,
            body=webhook.body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """By the secret: the store's own key is the store's alone."""
        headers = {EVENT: topic}
        if self._secrets:
            headers[SIGNATURE] = hmac.digest(self._secrets[0], body, "sha256").hex()
        elif not self._open:
            raise Unsignable("Saleor signs with the store's own key; set a `secret` beside it to send samples")
        return headers

    def strip(self, webhook: Webhook) -> Webhook:
        """A signature tells nothing of the secret, and the body never holds it; so the bytes stay as they came."""
        return Webhook(redaction.quarantine_headers(webhook.headers, (), SIGNED_BY), webhook.body)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One: the event, with its ``__typename``, out of what a query may put around it."""
        body = bodies.stored(event.body)
        return [_unwrapped(body)]

    def historic(self, topic: str | None, document: JsonObject) -> Webhook:
        """An order or a customer as the API gives it, with or without the event around it."""
        if topic is None:
            return Webhook({}, orjson.dumps(document))
        kind = "user" if topic.startswith("customer") else "order"
        return Webhook({EVENT: topic}, orjson.dumps(document if kind in document else {kind: document}))

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """None: the query selects all there is to know."""
        return ()

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Ids of what the event is about, the order's number, the customer's id; e-mail addresses."""
        order, user = at(document, "order"), at(document, "user")
        ids = (
            *(at(order, "id"), at(order, "number"), at(order, "user", "id"), at(user, "id")),
            *(at(document, kind, "id") for kind in _KINDS),
        )
        emails = (at(order, "userEmail"), at(order, "user", "email"), at(user, "email"))
        found = [*map(text, ids), *(email.strip().lower() for email in map(text, emails) if email)]
        return list(dict.fromkeys(key for key in found if key))

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """Also the customer whose order it is. Saleor asks for no erasure by webhook."""
        customers = [text(at(document, "order", "user", "id")) for document in documents]
        return [*super().subjects(event, documents), *(subject("customer", one) for one in customers if one)]

    def credentials(self) -> Credentials | None:
        return None

    def _verify(self, webhook: Webhook) -> None:
        """By the store's keys, or by the secret of a webhook that was given one."""
        name = next((name for name in SIGNED_BY if webhook.headers.get(name, "").strip()), None)
        if name is None:
            raise Refused("signature_missing", f"there is no {SIGNATURE} header")
        value = webhook.headers[name].strip()
        if "." not in value:
            check_signatures([value], self._secrets, webhook.body, "sha256", "hex", name)
        elif self._key_set is None:
            raise Refused("signature_mismatch", "it is signed with the store's key, and no api_url is configured")
        else:
            check_detached(value, webhook.body, self._key_set)


def keys_url(api_url: str) -> str:
    """Where a store publishes its keys, by the address of its API."""
    return _API_PATH.sub("", api_url).rstrip("/") + KEYS_PATH


def _unwrapped(body: JsonObject) -> JsonObject:
    """Out of ``{"data": {"orderCreated": {…}}}``, as a query for a field gives it, or ``{"data": {"event": {…}}}``."""
    data = body.get("data")
    if not isinstance(data, dict) or len(data) != 1:
        return body
    ((field, event),) = data.items()
    if not isinstance(event, dict):
        return body
    return event if field == "event" else {"__typename": field[:1].upper() + field[1:], **event}


def _topic(event: JsonObject, headers: Mapping[str, str]) -> str | None:
    """``order_created`` of the ``OrderCreated`` that was signed; else as the header says, which is not."""
    name = text(event.get("__typename"))
    if name is not None:
        return _WORD.sub("_", name).lower()
    topic = text(headers.get(EVENT) or headers.get(f"x-{EVENT}"))
    return topic.lower() if topic else None


def _delivery_key(topic: str, event: JsonObject, body: bytes) -> str:
    """Saleor gives no id: a retry is the same event of the same thing, issued at the same time; else the same body."""
    issued_at, identifier = text(event.get("issuedAt")), _about(event)[1]
    if issued_at and identifier:
        return f"{topic}:{identifier}:{issued_at}"
    return f"{topic}:{bodies.digest(body)}"


def _entity(event: JsonObject) -> str | None:
    kind, identifier = _about(event)
    return f"{'customer' if kind == 'user' else kind}:{identifier}" if identifier else None


def _about(event: JsonObject) -> tuple[str, str | None]:
    """Kind and id of what an event is about; a payment is of its order."""
    for kind in _KINDS:
        order, identifier = text(at(event, kind, "order", "id")), text(at(event, kind, "id"))
        if order is not None or identifier is not None:
            return ("order", order) if order else (kind, identifier)
    return "", None
