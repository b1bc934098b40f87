"""What a source is: pure functions from bytes to values. No I/O; the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from relay.model import Event, JsonObject, Received, Webhook


class Refused(Exception):
    """The one error of `Source.receive`, whatever the bytes and headers.

    ``code`` is a key of `relay.codes.CODES`; ``detail`` says what was wrong, without secrets.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Lookup:
    """A document to fetch from the platform's API to complete a thin webhook.

    ``path`` is relative to the configured base URL. With ``optional`` a 404 is taken as "there is
    none"; otherwise it is final and the event is dead.
    """

    name: str
    path: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the commerce connection signs in: fixed headers, or OAuth 2 client credentials.

    ``probe_path`` is a cheap document that `relay check` reads to try the connection.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_path: str | None = None
    token_form: Mapping[str, str] = field(default_factory=dict, repr=False)
    probe_path: str = "/"


class Source(Protocol):
    """One configured platform."""

    @property
    def platform(self) -> str: ...

    def receive(self, webhook: Webhook) -> Received:
        """Check that the webhook is genuine and read what the relay files it under.

        Raises `Refused` and nothing else.
        """

    def strip(self, webhook: Webhook) -> Webhook:
        """The webhook as quarantine may keep it: without secrets. Never raises."""

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """The normalised bodies a template gets as ``$``: usually one.

        ``fetched`` holds completed documents by `Lookup.name`, and is empty without a connection.
        Raises ValueError when the stored body cannot be read after all.
        """

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """What to fetch before rendering, given a commerce connection."""

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Search keys of a document: order id and number, customer id, e-mail (lower case)."""

    def credentials(self) -> Credentials | None:
        """How to sign in at the commerce connection, or None when none is configured."""
