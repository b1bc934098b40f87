"""A platform described wholly by data: what a ``source.toml`` may say.

An expression is a path such as ``data.object.id`` or any JSONata over the body, with the request's headers as
``$headers`` (names in lower case). Where several may stand, the first that gives something wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, StringConstraints, model_validator

from relay.settings.values import Network, Options, Seconds, TopicChoice, one_or_many, url_path

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LONGEST_EXPRESSION = 2_000


def _expressions(texts: list[str]) -> list[str]:
    if not texts or not all(text.strip() and len(text) <= LONGEST_EXPRESSION for text in texts):
        raise ValueError(f"an expression of 1 to {LONGEST_EXPRESSION} characters, or a list of them")
    return texts


def _header(name: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("the name of a header")
    return name.lower()


def _template(path: str) -> str:
    """A path with expressions in braces."""
    url_path(path)
    if any(brace in PLACEHOLDER.sub("", path) for brace in "{}"):
        raise ValueError("a path in which each { has its }, with an expression between them")
    return path


def _dotted(path: str) -> str:
    if not re.fullmatch(r"\w+(\.\w+)*", path):
        raise ValueError("names with dots between them, such as data.items")
    return path


def _signed(pattern: str) -> str:
    names = PLACEHOLDER.findall(pattern)
    if names.count("body") != 1 or not set(names) <= {"body", "timestamp", "id"}:
        raise ValueError("a text with {body} once, and perhaps {timestamp} and {id}")
    return pattern


Expressions: TypeAlias = Annotated[list[str], BeforeValidator(one_or_many), AfterValidator(_expressions)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]
Header: TypeAlias = Annotated[str, AfterValidator(_header)]


class FieldNames(Options):
    """Of a header such as ``t=1700000000,v1=5257a8…``."""

    signature: str = Field(description="Before a signature; it may stand several times.")
    timestamp: str | None = Field(None, description="Before the time of signing.")


class HmacScheme(Options):
    """A keyed digest of the raw body, perhaps with a timestamp and an id, in a header."""

    scheme: Literal["hmac"]
    header: Header = Field(description="Header that holds the signature.")
    algorithm: Literal["sha1", "sha256", "sha512"] = Field("sha256", description="Digest.")
    encoding: Literal["hex", "base64"] = Field("hex", description="How the digest is written.")
    prefix: str = Field("", description="Before the digest, for example `sha256=`.")
    fields: FieldNames | None = Field(None, description="When the header is a list such as `t=…,v1=…`.")
    signed: Annotated[str, AfterValidator(_signed)] = Field(
        "{body}", description="The signed text: {body}, perhaps with {timestamp} and {id}."
    )
    timestamp_header: Header | None = Field(None, description="Header that holds the time of signing, Unix seconds.")
    id_header: Header | None = Field(None, description="Header that holds the id.")
    tolerance_s: Seconds = Field(300.0, description="How far the signed time may be from the relay's clock.")
    secret_encoding: Literal["text", "base64", "hex"] = Field("text", description="How the secret is written.")
    secret_prefix: str = Field("", description="Taken off a secret before it is decoded, for example `whsec_`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        fields = self.fields.timestamp if self.fields else None
        if ("{timestamp}" in self.signed) != bool(fields or self.timestamp_header):
            raise ValueError("{timestamp} in `signed` together with `timestamp_header` or `fields.timestamp`")
        if ("{id}" in self.signed) != bool(self.id_header):
            raise ValueError("{id} in `signed` together with `id_header`")
        return self


class StandardWebhooksScheme(Options):
    """Standard Webhooks, v1 (HMAC, secrets ``whsec_…``) and v1a (ed25519, public keys ``whpk_…``)."""

    scheme: Literal["standard-webhooks"]
    headers: str = Field("webhook", description="What the three header names begin with; `svix` with some senders.")
    tolerance_s: Seconds = Field(300.0, description="How far the signed time may be from the relay's clock.")


class HeaderScheme(Options):
    """The secret itself in a header."""

    scheme: Literal["header"]
    header: Header = Field(description="Header that holds the secret.")
    prefix: str = Field("", description="Before the secret, for example `Bearer `.")


class BasicScheme(Options):
    """HTTP Basic: the secret is written ``user:password``."""

    scheme: Literal["basic"]


class AddressScheme(Options):
    """Where the webhook comes from: no secret is needed. Behind a proxy, see `server.trusted_proxies`."""

    scheme: Literal["addresses"]
    networks: list[Network] = Field(
        min_length=1, description="Networks and addresses that the platform sends from; a source may name others."
    )


AnyScheme: TypeAlias = HmacScheme | StandardWebhooksScheme | HeaderScheme | BasicScheme | AddressScheme
Scheme: TypeAlias = Annotated[AnyScheme, Field(discriminator="scheme")]


class Unwrap(Options):
    """A queue's envelope around the platform's body."""

    at: str = Field(description="Path to the body in it.")
    encoding: Literal["text", "base64", "object"] = Field(
        "text", description="How the body is written there: JSON as text, the same in base64, or as it is."
    )


class EventDeclaration(Options):
    """What the relay files a webhook under."""

    topic: Expressions = Field(description="What happened.")
    delivery_key: Expressions | None = Field(
        None, description="What is the same in a retry and in nothing else; else the body's digest."
    )
    entity: dict[Name, Expressions] = Field(
        default_factory=dict, description='Kind → id of what must stay in order, for example `order = "data.id"`.'
    )
    time: Expressions | None = Field(None, description="When it happened: ISO 8601, Unix seconds or milliseconds.")
    keys: list[str] = Field(default_factory=list, description="Ids and e-mail addresses to find an event by.")
    headers: list[Header] = Field(default_factory=list, description="Headers worth keeping.")


class LookupDeclaration(Options):
    """A document to fetch before rendering, when the source has a commerce connection."""

    name: Name = Field(description="What it is called in `relay show` and in cases.")
    topics: TopicChoice = Field(description="Topics it is fetched for.")
    path: Annotated[str, AfterValidator(_template)] = Field(description="Below base_url; `{data.id}` is filled in.")
    into: Annotated[str, AfterValidator(_dotted)] = Field(description="Path in the body where templates find it.")
    unless: str | None = Field(None, description="Not fetched when this gives something of the body.")
    optional: bool = Field(False, description="Go on without it when the platform has none.")


class CommerceDeclaration(Options):
    """The platform's API, to complete webhooks from."""

    sign_in: Literal["token", "client_credentials"] = Field(
        "token",
        description=(
            "`token`: the source's token goes into `headers`. `client_credentials`: OAuth 2, with the source's"
            " client id and secret as Basic at its `token_url`."
        ),
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Sent with every request; `{token}` is the source's token."
    )
    probe_path: Annotated[str, AfterValidator(url_path)] = Field("/", description="What `relay check` reads.")

    @model_validator(mode="after")
    def _signed_in(self) -> Self:
        if (self.sign_in == "token") != any("{token}" in value for value in self.headers.values()):
            raise ValueError('a header with {token} in it, or sign_in = "client_credentials"')
        return self


class Declaration(Options):
    """The whole of a ``source.toml``."""

    title: str = Field(min_length=1, description="The platform's name.")
    authentication: list[Scheme] = Field(min_length=1, description="How a webhook proves itself; one must fit.")
    unwrap: list[Unwrap] = Field(default_factory=list, description="Envelopes of queues.")
    event: EventDeclaration = Field(description="What is read from a webhook.")
    tracking: dict[Name, TopicChoice] = Field(default_factory=dict, description="Tracked event → topics, by default.")
    commerce: CommerceDeclaration | None = Field(None, description="The platform's API.")
    lookups: list[LookupDeclaration] = Field(default_factory=list, description="Documents to complete webhooks with.")

    @model_validator(mode="after")
    def _connected(self) -> Self:
        if self.lookups and self.commerce is None:
            raise ValueError("`lookups` together with a table [commerce]")
        names = [lookup.name for lookup in self.lookups]
        if len(set(names)) < len(names):
            raise ValueError("each of `lookups` with a `name` of its own")
        return self

    _path: Path | None = PrivateAttr(None)
    _lines: Mapping[tuple[str, ...], int] = PrivateAttr(default_factory=dict)

    def stands_in(self, path: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        """Which file this is, and on which line each key stands."""
        self._path, self._lines = path, lines

    def place(self, option: str) -> str:
        """Where an option, such as ``event.topic``, stands; empty for a declaration that is no file of the user's."""
        keys = tuple(option.split("."))
        line = next((self._lines[keys[:at]] for at in range(len(keys), 0, -1) if keys[:at] in self._lines), None)
        return f"{self._path} line {line}" if line else str(self._path or "")

    def needs_secret(self) -> bool:
        """Whether no webhook can prove itself without one."""
        return not any(isinstance(scheme, AddressScheme) for scheme in self.authentication)

    def expressions(self) -> Sequence[tuple[str, str]]:
        """Every expression with the option it is in."""
        event = self.event
        named = [("event.topic", event.topic), ("event.delivery_key", event.delivery_key), ("event.time", event.time)]
        named += [("event.keys", event.keys), *((f"event.entity.{kind}", of) for kind, of in event.entity.items())]
        named += [(f"unwrap.{at}.at", [unwrap.at]) for at, unwrap in enumerate(self.unwrap)]
        for at, lookup in enumerate(self.lookups):
            named.append((f"lookups.{at}.path", PLACEHOLDER.findall(lookup.path)))
            named.append((f"lookups.{at}.unless", [lookup.unless] if lookup.unless else []))
        return [(option, expression) for option, texts in named for expression in texts or ()]
