"""BigCommerce: webhooks that hold ids only; the rest is asked of the store's API.

Sources: BigCommerce's pages on webhooks (overview, events, tutorial), and its OpenAPI files of orders (v2), payment
actions, customers and carts (v3). The ``hash`` in a body is no signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from relay.model import Event, JsonObject, Quarantined, Received, Webhook, subject
from relay.settings.bigcommerce_options import BigCommerceOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.authentication import (
    AnyCheck,
    Check,
    PresentedCheck,
    StandardWebhooksCheck,
    sample_id,
    signed_by_any,
)
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.fields import at, instant_ms, text
from relay.sources.redaction import Secret

WEBHOOK_ID = "webhook-id"
KEPT_HEADERS = ("content-type", "user-agent", WEBHOOK_ID, "webhook-timestamp")
STATUS_UPDATED = "store/order/statusUpdated"
WHOLE_LIST = "?limit=250"
"""As much as one answer can hold (OpenAPI of orders)."""

_ORDER_ID_IN = {"order": "id", "shipment": "orderId", "transaction": "order_id"}
"""By type of what a webhook is about: the member of ``data`` that names the order."""
_STORE = re.compile(r".*/(stores/[^/]+)/*")


class BigCommerce(Source):
    """One BigCommerce store."""

    platform = "bigcommerce"

    def __init__(self, options: BigCommerceOptions) -> None:
        # An empty secret would let everybody in.
        secrets = [secret.get_secret_value() for secret in options.secret if secret]
        keys = [secret.get_secret_value().encode() for secret in options.client_secret if secret]
        checks: list[Check] = [PresentedCheck(options.secret_header, "", secrets)] if secrets or not keys else []
        if keys:
            checks.append(StandardWebhooksCheck(keys, headers="webhook", tolerance_s=options.tolerance_s))
        self._check = AnyCheck(checks)
        self._secret_header = options.secret_header
        self._secrets = [Secret.of(secret) for secret in secrets]
        self._open = options.open
        self._commerce = options.commerce
        self._tracking: Mapping[str, Sequence[str]] = options.tracking.model_dump()
        self._statuses = {
            "order_completed": options.completed_statuses,
            "order_cancelled": options.cancelled_statuses,
            "order_refunded": options.refunded_statuses,
        }

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. What is not genuine is not even parsed."""
        if not self._open:
            self._check.check(webhook, now_ms=now_ms)
        return self._read(webhook)

    def _read(self, webhook: Webhook) -> Received:
        body = bodies.posted(webhook.body, json_text.parse_exact)
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, self._secrets)
        topic = text(body.get("scope"))
        if topic is None:
            raise Refused("topic_missing", "there is no scope in the body")
        delivery_key = text(headers.get(WEBHOOK_ID)) or _digest(body)
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=_entity(body) or f"event:{delivery_key}",
            occurred_at_ms=instant_ms(body.get("created_at")),
            headers=headers,
            body=webhook.body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """By the custom header, if there is one."""
        made = signed_by_any(self._check.checks, body, now_ms=now_ms)
        if made is None and not self._open:
            raise Unsignable("no secret is set")
        return {"content-type": "application/json", WEBHOOK_ID: sample_id(body), **(made or {})}

    def strip(self, webhook: Webhook) -> Webhook:
        headers = redaction.quarantine_headers(webhook.headers, self._secrets, self._check.signed_by)
        if self._secret_header in headers:
            headers[self._secret_header] = "present"
        return Webhook(headers, redaction.quarantine_body(webhook.body, self._secrets))

    def presented(self, webhook: Webhook) -> str:
        return self._check.presented(webhook)

    def recheck(self, item: Quarantined, was_presented: Callable[[str], bool]) -> Received:
        """A secret that was presented is known again by ``was_presented``; a signature is computed anew."""
        webhook = Webhook(orjson.loads(item.headers), item.body)
        if not self._open and not any(was_presented(secret) for secret in self._check.accepted):
            self._check.check(webhook, now_ms=item.received_at_ms)
        return self._read(webhook)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One: the webhook, with what was fetched beside its ``data``.

        ``order``, ``customer`` and ``cart`` are objects, ``products``, ``coupons`` and ``refunds`` arrays; each is
        there only when it was asked for.
        """
        found = {name: _unwrapped(name, document) for name, document in fetched.items()}
        return [{**bodies.stored(event.body), **found}]

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """For tracked topics only, and for changes of status only when the status makes something."""
        try:
            body = bodies.stored(event.body)
        except ValueError:
            # Rendering meets the same error, and says so.
            return ()
        return () if self._other_store(body) else self._needed(event.topic, body)

    def lacks(self, event: Event, fetched: Mapping[str, Any]) -> str:
        body = bodies.stored(event.body)
        missing = [lookup.name for lookup in self._needed(event.topic, body) if lookup.name not in fetched]
        other = self._other_store(body)
        if missing and other:
            return f"the webhook is of {other}, another store than that of commerce.base_url"
        return f"the webhook holds ids only; missing: {', '.join(missing)}" if missing else ""

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Ids of order, customer and cart; e-mail addresses."""
        ids = (
            *(at(document, "data", name) for name in ("id", "orderId", "order_id")),
            *(at(document, "order", "id"), at(document, "order", "cart_id"), at(document, "cart", "id")),
            *_customers(document),
        )
        emails = (
            at(document, "order", "billing_address", "email"),
            at(document, "customer", "email"),
            at(document, "cart", "email"),
        )
        found = [*map(text, ids), *(email.strip().lower() for email in map(text, emails) if email)]
        return list(dict.fromkeys(key for key in found if key))

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """Also the customer whose order or cart it is. BigCommerce asks for no erasure by webhook."""
        customers = [text(customer) for document in documents for customer in _customers(document)]
        return [*super().subjects(event, documents), *(subject("customer", one) for one in customers if one)]

    def credentials(self) -> Credentials | None:
        if self._commerce is None:
            return None
        return Credentials(
            headers={"X-Auth-Token": self._commerce.token.get_secret_value()},
            probe_path="/v2/orders/count",
            wait_header="x-rate-limit-time-reset-ms",
        )

    def _needed(self, topic: str, body: JsonObject) -> Sequence[Lookup]:
        """What a webhook is to be completed with: nothing when it makes no call anyway."""
        tracked = self._tracked(topic, body)
        if not tracked or topic.endswith("/deleted"):
            return ()
        data = body.get("data")
        kind, order, identifier = text(at(data, "type")), _order_id(data), _segment(at(data, "id"))
        if order is not None:
            return _of_order(order, refunds="order_refunded" in tracked)
        if kind == "customer" and identifier is not None:
            return (Lookup("customer", f"/v3/customers?id:in={identifier}&include=addresses", listed="data"),)
        if kind == "cart" and identifier is not None:
            return (Lookup("cart", f"/v3/carts/{identifier}"),)
        return ()

    def _tracked(self, topic: str, body: JsonObject) -> set[str]:
        """Tracked events that may come of a webhook."""
        found = {name for name, topics in self._tracking.items() if topic in topics}
        if topic != STATUS_UPDATED:
            return found
        status = at(body, "data", "status", "new_status_id")
        return {name for name in found if name not in self._statuses or status in self._statuses[name]}

    def _other_store(self, body: JsonObject) -> str:
        """The store that sent a webhook, when the commerce connection is to another: ids mean something else there."""
        store = _STORE.fullmatch(self._commerce.base_url) if self._commerce else None
        producer = text(body.get("producer"))
        return producer if store and producer and producer != store[1] else ""


# --- filing ---------------------------------------------------------------------------------


def _digest(body: JsonObject) -> str:
    """What a retry repeats, when it has no id of its own: store, scope, resource and time."""
    return bodies.digest(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


def _entity(body: JsonObject) -> str | None:
    """Shipments and transactions are of their order."""
    data = body.get("data")
    order, kind, identifier = _order_id(data), text(at(data, "type")), text(at(data, "id"))
    if order is not None:
        return f"order:{order}"
    return f"{kind}:{identifier}" if kind and identifier else None


def _order_id(data: Any) -> str | None:
    return _segment(at(data, _ORDER_ID_IN.get(text(at(data, "type")) or "", "")))


def _segment(value: Any) -> str | None:
    """An id as a segment of a path; None for what would lead elsewhere."""
    identifier = text(value)
    return quote(identifier, safe="") if identifier and identifier.strip("./ ") else None


def _customers(document: JsonObject) -> Sequence[Any]:
    """Ids, as far as known. That of a guest is 0."""
    found = (at(document, "order", "customer_id"), at(document, "customer", "id"), at(document, "cart", "customer_id"))
    return [customer for customer in found if customer not in (0, "0")]


# --- completing -----------------------------------------------------------------------------


def _of_order(order: str, *, refunds: bool) -> Sequence[Lookup]:
    lookups = [
        Lookup("order", f"/v2/orders/{order}"),
        Lookup("products", f"/v2/orders/{order}/products{WHOLE_LIST}"),
        Lookup("coupons", f"/v2/orders/{order}/coupons{WHOLE_LIST}"),
    ]
    if refunds:
        lookups.append(Lookup("refunds", f"/v3/orders/{order}/payment_actions/refunds"))
    return lookups


def _unwrapped(name: str, document: Any) -> Any:
    """Out of the envelope of v3; a list of none comes as 204, which is fetched as None."""
    if name in ("products", "coupons"):
        return document if isinstance(document, list) else []
    if name == "refunds":
        refunds = at(document, "data")
        return refunds if isinstance(refunds, list) else []
    if name == "customer":
        found = at(document, "data")
        return found[0] if isinstance(found, list) and found else None
    return at(document, "data") if name == "cart" else document
