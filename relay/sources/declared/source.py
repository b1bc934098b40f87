"""A source of a declared platform. It knows of the platform what the declaration says, and nothing else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from relay.codes import RelayError
from relay.model import Event, Json, JsonObject, Quarantined, Received, Webhook
from relay.settings.declaration import PLACEHOLDER, Declaration
from relay.settings.declared_options import DeclaredOptions
from relay.sources import bodies, json_text, redaction
from relay.sources.authentication import AnyCheck, signed_by_any
from relay.sources.contract import Credentials, Evaluator, Lookup, Refused, Source, Unsignable
from relay.sources.declared.authentication import build_check
from relay.sources.declared.expressions import Expression, Reading
from relay.sources.fields import instant_ms, text
from relay.sources.redaction import Secret

CLIENT = ":client"
"""Under this name, which no header can have, quarantine keeps the address a webhook came from."""
KEPT_HEADERS = ("content-type", "user-agent")


class DeclaredSource(Source):
    """Raises RelayError for a secret of the wrong form, and for an expression that is no JSONata."""

    def __init__(self, options: DeclaredOptions, evaluator: Evaluator) -> None:
        declaration = options.declaration
        if problems := expression_problems(options.platform, declaration, evaluator):
            raise RelayError("config_invalid", "\n".join(problems))
        secrets = [secret.get_secret_value() for secret in options.secret if secret]
        self._platform = options.platform
        self._declaration = declaration
        self._evaluator = evaluator
        self._commerce = options.commerce
        self._secrets = [Secret.of(secret) for secret in secrets]
        self._check = AnyCheck(
            [build_check(scheme, secrets, options.networks) for scheme in declaration.authentication]
        )
        self._accepted = self._check.accepted
        self._open = options.open
        event = declaration.event
        self._topic = _all(event.topic)
        self._delivery_key = _all(event.delivery_key)
        self._entity = [(kind, one) for kind, expressions in event.entity.items() for one in _all(expressions)]
        self._time = _all(event.time)
        self._keys = _all(event.keys)
        self._unwraps = [(Expression.of(unwrap.at), unwrap.encoding) for unwrap in declaration.unwrap]
        self._kept_headers = (*KEPT_HEADERS, *event.headers)

    @property
    def platform(self) -> str:
        return self._platform

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """See `relay.sources.contract.Source`. What is not genuine is not even parsed."""
        if not self._open:
            self._check.check(webhook, now_ms=now_ms)
        return self._filed(webhook)

    def _filed(self, webhook: Webhook) -> Received:
        reading = self._reading(self._unwrapped(bodies.posted(webhook.body, json_text.parse_exact)), webhook.headers)
        topic = _first_text(reading, self._topic)
        if topic is None:
            expressions = " nor ".join(expression.text for expression in self._topic)
            raise Refused("topic_missing", f"there is no text at {expressions}")
        delivery_key = _first_text(reading, self._delivery_key)
        if delivery_key is None:
            delivery_key = bodies.digest(topic.encode() + b"\n" + webhook.body)
        moments = (instant_ms(value) for value in map(reading.value, self._time))
        return Received(
            topic=topic,
            delivery_key=delivery_key,
            entity=self._entity_of(reading) or f"event:{delivery_key}",
            occurred_at_ms=next((moment for moment in moments if moment is not None), None),
            headers=redaction.chosen_headers(webhook.headers, self._kept_headers, self._secrets),
            body=webhook.body,
        )

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """By the first of the declared ways that can be gone; a topic that is declared in a header goes there."""
        headers = {"content-type": "application/json"}
        headers |= {one.steps[0]: topic for one in self._topic[:1] if one.of_headers and len(one.steps) == 1}
        made = signed_by_any(self._check.checks, body, now_ms=now_ms)
        if made is None and not self._open:
            why = "what proves its webhooks genuine is not a secret" if self._secrets else "no secret is set"
            raise Unsignable(why)
        return {**headers, **(made or {})}

    def strip(self, webhook: Webhook) -> Webhook:
        headers = redaction.quarantine_headers(webhook.headers, self._secrets, self._check.signed_by)
        if self._check.by_address:
            headers = {**headers, CLIENT: webhook.client}
        return Webhook(headers, redaction.quarantine_body(webhook.body, self._secrets), webhook.client)

    def presented(self, webhook: Webhook) -> str:
        return self._check.presented(webhook)

    def recheck(self, item: Quarantined, was_presented: Callable[[str], bool]) -> Received:
        """A secret that was presented is known again by ``was_presented``; a signature is computed anew."""
        headers = orjson.loads(item.headers)
        webhook = Webhook(headers, item.body, headers.get(CLIENT, "") if self._check.by_address else "")
        if not self._open and not any(was_presented(secret) for secret in self._accepted):
            self._check.check(webhook, now_ms=item.received_at_ms)
        return self._filed(webhook)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """The body out of its envelope, with each fetched document where the declaration puts it."""
        document = self._unwrapped(bodies.stored(event.body))
        for lookup in self._declaration.lookups:
            if fetched.get(lookup.name) is not None:
                document = _with(document, lookup.into.split("."), fetched[lookup.name])
        return [document]

    def lookups(self, event: Event) -> Sequence[Lookup]:
        wanted = [lookup for lookup in self._declaration.lookups if event.topic in lookup.topics]
        if not wanted:
            return ()
        try:
            reading = self._reading(self.documents(event, {})[0], {})
        except ValueError:
            # Rendering meets the same error, and says so.
            return ()
        lacking = [one for one in wanted if not (one.unless and reading.value(Expression.of(one.unless)))]
        filled = ((lookup, self._filled(lookup.path, reading)) for lookup in lacking)
        return [Lookup(lookup.name, path, lookup.optional) for lookup, path in filled if path is not None]

    def keys(self, document: JsonObject) -> Sequence[str]:
        values = self._reading(document, {}).values(self._keys)
        flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
        found = [key.lower() if "@" in key else key for key in map(text, flat) if key]
        return list(dict.fromkeys(found))

    def credentials(self) -> Credentials | None:
        declared = self._declaration.commerce
        given = self._commerce
        if given is None or declared is None:
            return None
        token = given.token.get_secret_value() if given.token else ""
        headers = {name: value.replace("{token}", token) for name, value in declared.headers.items()}
        if declared.sign_in == "token":
            return Credentials(headers=headers, probe_path=declared.probe_path)
        client = f"{given.client_id}:{given.client_secret.get_secret_value() if given.client_secret else ''}"
        return Credentials(
            headers=headers,
            token_url=given.token_url,
            token_form={"grant_type": "client_credentials"},
            token_headers={"Authorization": f"Basic {base64.b64encode(client.encode()).decode()}"},
            probe_path=declared.probe_path,
        )

    def _reading(self, document: JsonObject, headers: Mapping[str, str]) -> Reading:
        return Reading(document, headers, self._evaluator)

    def _unwrapped(self, document: JsonObject) -> JsonObject:
        """What is in a queue's envelope; the document itself when it is in none."""
        for expression, encoding in self._unwraps:
            content = self._reading(document, {}).value(expression)
            if encoding == "object" and isinstance(content, dict):
                return content
            if encoding != "object" and isinstance(content, str):
                try:
                    raw = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
                    return _object(json_text.parse_exact(raw))
                except (binascii.Error, ValueError):
                    # Text of another kind at this place: it is no envelope.
                    continue
        return document

    def _entity_of(self, reading: Reading) -> str | None:
        for kind, expression in self._entity:
            identifier = text(reading.value(expression))
            if identifier is not None:
                return f"{kind}:{identifier}"
        return None

    def _filled(self, path: str, reading: Reading) -> str | None:
        """The path with its values in; None when one is missing or would lead elsewhere."""
        parts = PLACEHOLDER.split(path)
        for index in range(1, len(parts), 2):
            value = text(reading.value(Expression.of(parts[index])))
            if value is None or not value.strip("."):
                return None
            parts[index] = quote(value, safe="")
        return "".join(parts)


def expression_problems(platform: str, declaration: Declaration, evaluator: Evaluator) -> list[str]:
    """Every expression that cannot be used, with its place and what to try."""
    problems = []
    for option, expression in declaration.expressions():
        if Expression.of(expression).steps:
            continue
        try:
            evaluator.check(expression)
        except ValueError as error:
            place = declaration.place(option) or f"source.toml of {platform}"
            problems.append(f"{place}: {option}: {expression!r}: {error}")
    return problems


def _all(expressions: Iterable[str] | None) -> list[Expression]:
    return [Expression.of(expression) for expression in expressions or ()]


def _first_text(reading: Reading, expressions: Sequence[Expression]) -> str | None:
    return next((found for found in map(text, map(reading.value, expressions)) if found is not None), None)


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError("the stored body is not a JSON object")  # noqa: TRY004 - the contract's error
    return value


def _with(document: JsonObject, path: Sequence[str], value: Any) -> JsonObject:
    """A copy with ``value`` at ``path``, as far as objects lead there."""
    name, *rest = path
    inner = document.get(name)
    if not rest:
        return {**document, name: value}
    return {**document, name: _with(inner, rest, value)} if isinstance(inner, dict) else document
