"""Segment as a source, by two doors: its webhook destinations, and its tracking API itself.

Sources: Segment's pages on the destinations Webhooks and Webhooks (Actions), whose ``X-Signature`` is
the HMAC-SHA1 of the body in hex; on the HTTP API; on the common fields of calls.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from relay.model import Event, JsonObject, Quarantined, Received, Webhook, subject
from relay.settings.segment_source_options import SegmentSourceOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.contract import Credentials, Lookup, Refused, Source, Unsignable
from relay.sources.fields import at, text
from relay.sources.redaction import Secret
from relay.sources.segment import calls
from relay.sources.segment.requests import (
    Piece,
    Posted,
    basic_authorization,
    basic_key,
    batch_of_one,
    without_key,
)
from relay.sources.signing import secret_matches

SIGNATURE = "x-signature"
KEPT_HEADERS = ("content-type", "user-agent", "x-request-id")
_STORED = b'{"batch":['


class Segment(Source):
    """One website, app or server, known by write key or webhook secret."""

    platform = "segment"

    def __init__(self, options: SegmentSourceOptions) -> None:
        # An empty secret would let everybody in.
        self._secrets = [secret.get_secret_value() for secret in options.secret if secret]
        self._write_keys = [key.get_secret_value() for key in options.write_key if key]
        self._hidden = [Secret.of(key) for key in self._write_keys]
        self.open = options.open
        self.allowed_origins: Sequence[str] = options.allowed_origins
        self.collects_ip = options.collect_ip
        self.max_batch_bytes = options.max_batch_bytes
        self._max_call_bytes = options.max_call_bytes

    # -- the tracking API
    @property
    def has_write_key(self) -> bool:
        return bool(self._write_keys)

    def admits(self, presented: Sequence[str]) -> bool:
        """Whether any of the keys presented is a write key of this source."""
        return any(secret_matches(key, self._write_keys) for key in presented)

    def take_apart(
        self, posted: Posted, headers: Mapping[str, str], context: Mapping[str, str], *, now_ms: int
    ) -> tuple[list[Received], list[tuple[Webhook, Refused]]]:
        """Each call of an admitted request by itself: those to store, and those that quarantine keeps, with why.

        ``context`` is what the request tells of the browser, and holds where calls do not say it themselves.
        """
        kept = redaction.chosen_headers(headers, KEPT_HEADERS, self._hidden)
        shared = {name: orjson.loads(value) for name, value in _with_context(posted.common, context).items()}
        received: list[Received] = []
        refused: list[tuple[Webhook, Refused]] = []
        for piece, alone in zip(posted.pieces, self._alone(posted, headers, context), strict=True):
            try:
                self._check_size(piece)
                received.append(_received(calls.merged(piece.value, shared), kept, alone.body, now_ms))
            except Refused as refusal:
                refused.append((alone, refusal))
        return received, refused

    def turned_away(
        self, posted: Posted, headers: Mapping[str, str], context: Mapping[str, str], refusal: Refused
    ) -> list[tuple[Webhook, Refused]]:
        """The calls of a request that is not admitted, for quarantine; see `take_apart`."""
        return [(alone, refusal) for alone in self._alone(posted, headers, context)]

    def _alone(self, posted: Posted, headers: Mapping[str, str], context: Mapping[str, str]) -> Sequence[Webhook]:
        """The requests that would have brought each call by itself, all with the one key that counts by HTTP Basic."""
        key = next((key for key in posted.presented if self.admits([key])), "".join(posted.presented[:1]))
        authorized = {**headers, "authorization": basic_authorization(key)}
        common = _with_context(posted.common, context)
        return [Webhook(authorized, batch_of_one(without_key(piece), common)) for piece in posted.pieces]

    def _check_size(self, piece: Piece) -> None:
        size = len(piece.text.encode())
        if size > self._max_call_bytes:
            raise Refused("call_too_large", f"the call has {size} bytes, {self._max_call_bytes} are taken")

    # -- webhooks
    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. The body is a call, or, as it is stored, a batch of one."""
        if not self.open:
            self._verify(webhook)
        return self._read(webhook, now_ms)

    def _read(self, webhook: Webhook, now_ms: int) -> Received:
        value = bodies.posted(webhook.body)
        # A call by itself comes from a webhook or out of a file: it was sent to somebody else, some time.
        call, common = {name: member for name, member in value.items() if name != "sentAt"}, {}
        if "batch" in value:
            if not isinstance(value["batch"], list) or len(value["batch"]) != 1:
                raise Refused("body_not_object", "a batch of other than one call belongs at the tracking API")
            call, common = value["batch"][0], value
        headers = redaction.chosen_headers(webhook.headers, KEPT_HEADERS, self._hidden)
        return _received(calls.merged(call, common), headers, webhook.body, now_ms)

    def _verify(self, webhook: Webhook) -> None:
        presented = webhook.headers.get(SIGNATURE, "").strip().lower()
        if not presented:
            raise Refused("signature_missing", "there is no X-Signature header")
        expected = [_signature(secret, webhook.body) for secret in self._secrets]
        if not secret_matches(presented, expected):
            raise Refused("signature_mismatch", "the signature of the body is made with none of the configured secrets")

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """As a webhook destination does."""
        headers = {"content-type": "application/json"}
        if self._secrets:
            return {**headers, SIGNATURE: _signature(self._secrets[0], body)}
        if self.open:
            return headers
        raise Unsignable("no `secret` of a webhook destination is set; a write key is for the tracking API")

    def strip(self, webhook: Webhook) -> Webhook:
        """Signatures are kept, write keys are not."""
        headers = redaction.quarantine_headers(webhook.headers, self._hidden, (SIGNATURE,))
        return Webhook(headers, redaction.quarantine_body(webhook.body, self._hidden))

    def presented(self, webhook: Webhook) -> str:
        """The write key, which the tracking API takes instead of a signature."""
        return basic_key(webhook.headers.get("authorization", ""))

    def recheck(self, item: Quarantined, was_presented: Callable[[str], bool]) -> Received:
        """By the write key that came with it, or else by its signature."""
        if any(was_presented(key) for key in self._write_keys):
            return self._read(Webhook(orjson.loads(item.headers), item.body), item.received_at_ms)
        return super().recheck(item, was_presented)

    # -- rendering
    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """One: the call; see `relay.sources.segment.calls.document`."""
        value = json_text.parse_exact(event.body)
        try:
            if isinstance(value, dict) and isinstance(value.get("batch"), list) and len(value["batch"]) == 1:
                call = calls.merged(value["batch"][0], value)
            else:
                call = calls.merged(value, {})
        except Refused as refusal:
            raise ValueError(refusal.detail) from refusal
        return [calls.document(call, event.occurred_at_ms)]

    def keeps_message_ids(self, event: Event) -> bool:
        """If it came by the tracking API. A webhook's call has been through Segment, which takes no id twice."""
        return event.body.startswith(_STORED)

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """None: a call is whole."""
        return ()

    def keys(self, document: JsonObject) -> Sequence[str]:
        """See `relay.sources.segment.calls.search_keys`."""
        return calls.search_keys(document)

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """Beside the user by any of their ids and e-mail addresses, the order."""
        found = [event.entity.lower()]
        for document in documents:
            found += [subject("email", email) for email in calls.emails(document)]
            ids = [text(document.get(name)) for name in ("userId", "anonymousId", "previousId")]
            found += [subject("customer", one) for one in ids if one]
            orders = [text(at(document, "properties", name)) for name in ("order_id", "orderId")]
            found += [subject("order", order) for order in orders if order]
        return list(dict.fromkeys(found))

    def credentials(self) -> Credentials | None:
        return None


def _signature(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode("utf-8", "surrogatepass"), body, "sha1").hex()


def _received(call: JsonObject, headers: Mapping[str, str], body: bytes, now_ms: int) -> Received:
    delivery_key = text(call.get("messageId")) or bodies.digest(body)
    user = calls.user(call)
    return Received(
        topic=calls.topic(call),
        delivery_key=delivery_key,
        entity=f"customer:{user}" if user else f"event:{delivery_key}",
        occurred_at_ms=calls.happened_ms(call, now_ms),
        headers=headers,
        body=body,
    )


def _with_context(common: Mapping[str, str], context: Mapping[str, str]) -> Mapping[str, str]:
    if not context:
        return common
    given = orjson.loads(common.get("context", "null"))
    if given is not None and not isinstance(given, dict):
        return common
    return {**common, "context": orjson.dumps({**context, **(given or {})}).decode()}
