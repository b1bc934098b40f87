"""Elastic Path Commerce Cloud, formerly Moltin: integrations of the type ``webhook``.

Sources: Elastic Path's integrations OpenAPI and Composer pages; Moltin's event documentation from
2017 on for the older forms, which are read too. CloudEvents, which the platform sends to queues
and not over HTTP, are refused as without a topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from relay.model import Event, JsonObject, Quarantined, Received, Webhook, subject
from relay.settings.options import ElasticPathOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.fields import at, moment_ms, text
from relay.sources.redaction import Secret
from relay.sources.signing import composer_secret, header_secret, secret_matches

SECRET_HEADER = "x-moltin-secret-key"  # noqa: S105 - a name
TOPIC_HEADER = "x-moltin-integration-trigger"
KEPT_HEADERS = ("content-type", "user-agent", "x-request-id", TOPIC_HEADER)
UNMISTAKABLE = 16
"""Characters from which on a secret is taken out of any text: a shorter one may be a word of the shop's."""


class ElasticPath(Source):
    """One Elastic Path store, or several that share a secret."""

    platform = "elasticpath"

    def __init__(self, options: ElasticPathOptions) -> None:
        secrets = _texts(options.secret)
        self._composer = [composer_secret(secret) for secret in _texts(options.composer_client_secret)]
        self._open = options.open
        self._commerce = options.commerce
        self._accepted = [*secrets, *self._composer]
        self._secrets = [Secret.of(secret) for secret in self._accepted]

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. The header is looked at first, so that strangers cost nothing."""
        presented = header_secret(webhook.headers.get(SECRET_HEADER, ""))
        genuine = self._open or secret_matches(presented, self._accepted)
        if not genuine and not self._composer:
            raise _not_genuine(presented)
        envelope = bodies.posted(webhook.body)
        embedded = at(envelope, "configuration", "secret_key")
        embedded = embedded if isinstance(embedded, str) else ""
        if not genuine and not secret_matches(embedded, self._composer):
            raise _not_genuine(presented or embedded)

        return self._read(webhook, envelope, self._with(presented, embedded))

    def _read(self, webhook: Webhook, envelope: JsonObject, known: Sequence[Secret]) -> Received:
        secrets = [secret for secret in known if len(secret.text) >= UNMISTAKABLE]
        body, changed = redaction.without_secrets(webhook.body, secrets)
        if changed:
            envelope = bodies.posted(body)
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, secrets)
        topic = _topic(envelope, headers)
        delivery_key = _delivery_key(envelope, topic, body)
        data = _payloads(envelope)[0]["data"]
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=_entity(topic, data, delivery_key),
            occurred_at_ms=_occurred_at_ms(topic, data),
            headers=headers,
            body=body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """The first of the secrets, as it is."""
        headers = {"content-type": "application/json", TOPIC_HEADER: topic}
        if self._accepted:
            return {**headers, SECRET_HEADER: self._accepted[0]}
        if self._open:
            return headers
        raise Unsignable("no secret is set")

    def strip(self, webhook: Webhook) -> Webhook:
        presented = header_secret(webhook.headers.get(SECRET_HEADER, ""))
        secrets = self._with(presented if len(presented) >= UNMISTAKABLE else "")
        return Webhook(
            redaction.quarantine_headers(webhook.headers, secrets), redaction.quarantine_body(webhook.body, secrets)
        )

    def presented(self, webhook: Webhook) -> str:
        """The secret of the header; without one that of the body, where Composer puts it."""
        presented = header_secret(webhook.headers.get(SECRET_HEADER, ""))
        if presented:
            return presented
        try:
            embedded = at(bodies.posted(webhook.body), "configuration", "secret_key")
        except Refused:
            # Where there is no envelope, there is no secret in it.
            return ""
        return embedded if isinstance(embedded, str) else ""

    def recheck(self, item: Quarantined, was_presented: Callable[[str], bool]) -> Received:
        webhook = Webhook(orjson.loads(item.headers), item.body)
        if not self._open and not any(was_presented(secret) for secret in self._accepted):
            raise Refused("signature_mismatch", "the secret key it came with is none of those configured now")
        return self._read(webhook, bodies.posted(webhook.body), self._secrets)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One; of the form of 2017, whose ``resources`` is an array, one for each element.

        ``payload`` is always ``{"data": {...}}``, with ``included`` when there is any.
        """
        envelope = bodies.stored(event.body)
        head = _head(envelope, event.topic)
        found = _payloads(envelope)
        if len(found) == 1:
            found = [_completed(found[0], fetched)]
        return [{**head, "payload": payload} for payload in found]

    def historic(self, topic: str | None, document: JsonObject) -> Webhook:
        """An order or customer as the commerce API gives it, with or without ``data`` and ``included`` around it."""
        if topic is None or "payload" in document:
            return Webhook({}, orjson.dumps(document))
        payload = document if "data" in document else {"data": document}
        return Webhook({}, orjson.dumps({"triggered_by": topic, "payload": payload}))

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """For orders and customers that came thin or in part, and for refunds, whose amount no webhook carries.

        None for deletions, nor for an array of several: what is fetched could not be told apart.
        """
        try:
            found = self.documents(event, {})
        except ValueError:
            # Rendering meets the same error, and says so.
            return ()
        kind, _, action = event.topic.partition(".")
        payload = found[0]["payload"]
        identifier = text(payload["data"].get("id"))
        if len(found) != 1 or action == "deleted" or identifier is None or not identifier.strip("."):
            return ()
        if kind == "order":
            return _order_lookups(payload, quote(identifier, safe=""), refunded=action == "refunded")
        if kind == "customer" and not (payload["data"].get("email") or payload["data"].get("name")):
            return (Lookup("customer", f"/v2/customers/{quote(identifier, safe='')}"),)
        return ()

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Ids and numbers of the order or customer, and e-mail addresses; not those anonymised to ``*``."""
        data = at(document, "payload", "data")
        ids = (
            at(data, "id"),
            at(data, "order_number"),
            at(data, "external_ref"),
            at(data, "relationships", "customer", "data", "id"),
        )
        emails = (at(data, "email"), at(data, "customer", "email"), at(data, "contact", "email"))
        found = [*map(text, ids), *(email.lower() for email in map(text, emails) if email)]
        return list(dict.fromkeys(key for key in found if key and key.strip("*@. ")))

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """Also the customer whose order it is. Elastic Path asks for no erasure: it anonymises the order itself."""
        customers = [text(at(one, "payload", "data", "relationships", "customer", "data", "id")) for one in documents]
        return [*super().subjects(event, documents), *(subject("customer", one) for one in customers if one)]

    def credentials(self) -> Credentials | None:
        if self._commerce is None:
            return None
        return Credentials(
            token_path="/oauth/access_token",  # noqa: S106 - a path
            token_form={
                "grant_type": "client_credentials",
                "client_id": self._commerce.client_id,
                "client_secret": self._commerce.client_secret.get_secret_value(),
            },
            probe_path="/v2/orders?page%5Blimit%5D=1",
        )

    def _with(self, *presented: str) -> list[Secret]:
        """The configured secrets, and such as came with the webhook."""
        others = [Secret.of(secret) for secret in set(presented) if secret and secret not in self._accepted]
        return [*self._secrets, *others]


# --- verifying and filing -------------------------------------------------------------------


def _texts(secrets: Sequence[SecretStr]) -> list[str]:
    """An empty secret would let everybody in."""
    return [secret.get_secret_value() for secret in secrets if secret]


def _not_genuine(presented: str) -> Refused:
    if presented:
        return Refused("signature_mismatch", "the secret key is not one of the configured")
    return Refused("signature_missing", f"there is no {SECRET_HEADER} header")


def _topic(envelope: JsonObject, headers: Mapping[str, str]) -> str:
    topic = text(envelope.get("triggered_by")) or text(envelope.get("trigger")) or text(headers.get(TOPIC_HEADER))
    if topic is None:
        raise Refused("topic_missing", "neither triggered_by nor trigger names a topic")
    return topic


def _delivery_key(envelope: JsonObject, topic: str, body: bytes) -> str:
    """The envelope's id within its store; without one, a digest of all that a retry repeats."""
    identifier = text(envelope.get("id"))
    if identifier is None:
        contents = json_text.parse_exact(body)
        assert isinstance(contents, dict)
        contents.pop("attempt", None)
        return bodies.digest(orjson.dumps([topic, contents], option=orjson.OPT_SORT_KEYS))
    scope = text(envelope.get("store_id")) or text(envelope.get("org_id"))
    return f"{scope}:{identifier}" if scope else identifier


def _entity(topic: str, data: JsonObject, delivery_key: str) -> str:
    identifier = text(data.get("id"))
    if identifier is None:
        return f"event:{delivery_key}"
    kind = topic.partition(".")[0]
    return f"{kind if kind in ('order', 'customer') else text(data.get('type')) or kind}:{identifier}"


def _occurred_at_ms(topic: str, data: JsonObject) -> int | None:
    """The envelope has no time: the snapshot's is used, which for all but a new order is its last change."""
    return moment_ms(at(data, "meta", "timestamps", "created_at" if topic == "order.created" else "updated_at"))


# --- normalising ----------------------------------------------------------------------------


def _head(envelope: JsonObject, topic: str) -> JsonObject:
    """The envelope without its payload and its secret, each field of one type or absent."""
    head: JsonObject = {name: text(envelope.get(name)) for name in ("id", "store_id", "org_id")}
    head["triggered_by"] = topic
    head["attempt"] = _attempt(envelope.get("attempt"))
    integration, configuration = envelope.get("integration"), envelope.get("configuration")
    head["integration"] = integration if isinstance(integration, dict) else None
    if isinstance(configuration, dict):
        head["configuration"] = {name: value for name, value in configuration.items() if name != "secret_key"}
    return {name: value for name, value in head.items() if value is not None}


def _attempt(value: Any) -> int | None:
    digits = text(value)
    return int(digits) if digits and digits.isdecimal() and len(digits) < 10 else None


def _payloads(envelope: JsonObject) -> list[JsonObject]:
    """At least one, each ``{"data": {...}, "included"?: {...}}``.

    The order of reading: ``payload``, which came in 2019; else ``resources``, an object, an array
    (2017) or JSON as text (2019).
    """
    for name in ("payload", "resources"):
        found = _wrapped(_opened(envelope.get(name)))
        if found:
            return found
    return [{"data": {}}]


def _opened(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json_text.parse_exact(value.encode())
    except ValueError:
        # Text that is not JSON says nothing of the resource.
        return None


def _wrapped(resource: Any) -> list[JsonObject]:
    if isinstance(resource, list):
        return [payload for element in resource if isinstance(element, dict) for payload in _wrapped(element)]
    if not isinstance(resource, dict) or not resource:
        return []
    if "data" not in resource:
        return [{"data": resource}]
    data, included = resource["data"], resource.get("included")
    elements = [element for element in (data if isinstance(data, list) else [data]) if isinstance(element, dict)]
    beside = {"included": included} if isinstance(included, dict) else {}
    return [{"data": element, **beside} for element in elements]


def _completed(payload: JsonObject, fetched: Mapping[str, Any]) -> JsonObject:
    order, customer = fetched.get("order"), at(fetched.get("customer"), "data")
    if isinstance(at(order, "data"), dict):
        payload = _wrapped(order)[0]
    if isinstance(customer, dict):
        payload = {**payload, "data": customer}
    transactions = at(fetched.get("transactions"), "data")
    if isinstance(transactions, list):
        payload = {**payload, "included": {**payload.get("included", {}), "transactions": transactions}}
    return payload


def _order_lookups(payload: JsonObject, identifier: str, *, refunded: bool) -> list[Lookup]:
    lookups = []
    whole = isinstance(at(payload, "data", "meta", "display_price"), dict)
    if not whole or not isinstance(at(payload, "included", "items"), list):
        lookups.append(Lookup("order", f"/v2/orders/{identifier}?include=items"))
    if refunded:
        lookups.append(Lookup("transactions", f"/v2/orders/{identifier}/transactions"))
    return lookups
