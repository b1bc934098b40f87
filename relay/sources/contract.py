"""What a source is: pure functions from bytes to values. No I/O; the clock is an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from relay.model import Event, Json, JsonObject, PrivacyRequest, Quarantined, Received, Webhook, subject
from relay.sources.key_set import KeySet


class Refused(Exception):
    """The one error of `Source.receive`, whatever the bytes and headers.

    ``code`` is a key of `relay.codes.CODES`; ``detail`` says what was wrong, without secrets. ``challenge`` is what to
    ask for in ``WWW-Authenticate``, of a client that shows its password only when asked (RFC 7235).
    """

    def __init__(self, code: str, detail: str, challenge: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.challenge = challenge


class KeyOutdated(Refused):
    """No key known so far made the signature; one that the platform published since may have."""


class Unsignable(Exception):
    """The source cannot sign as its platform does; the text says why, and names no secret."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A document to fetch from the platform's API to complete a thin webhook.

    ``path`` is relative to the configured base URL. With ``optional`` a 404 is taken as "there is
    none"; otherwise it is final and the event is dead. An answer 204 always means "there is none".
    """

    name: str
    path: str
    optional: bool = False
    listed: str = ""
    """Where a search is asked: the member of the answer with what was found. None found is as a 404."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the commerce connection signs in: fixed headers, or OAuth 2 client credentials.

    The token is asked for at ``token_path`` below the base URL, or at ``token_url``, a whole address that the user
    configured. ``probe_path`` is a cheap document that `relay check` reads to try the connection. ``wait_header`` is
    the platform's own header for how many milliseconds to wait, where it does not send ``Retry-After``.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_path: str | None = None
    token_url: str | None = None
    token_form: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    probe_path: str = "/"
    wait_header: str = ""


class Evaluator(Protocol):
    """Evaluates the JSONata expressions of a declared platform, each within tight limits."""

    def check(self, expression: str) -> None:
        """Raises ValueError for what is no sound JSONata; its text says what is wrong and what to try."""

    def evaluate(self, expression: str, document_json: str, headers: Mapping[str, str]) -> Json:
        """The value, None for none. Raises ValueError when there is an error, or a limit is met."""


class Source(Protocol):
    """One configured platform. A platform's class is derived from this, which has what most have in common."""

    @property
    def platform(self) -> str: ...

    @property
    def key_set(self) -> KeySet | None:
        """The platform's public keys, when it signs with such: someone has to fetch them. The default: none."""
        return None

    def receive(self, webhook: Webhook, *, now_ms: int) -> Received:
        """Check that the webhook is genuine and read what the relay files it under.

        ``now_ms`` is when it came, for signatures that expire. Raises `Refused` and nothing else.
        """

    def sign(self, body: bytes, topic: str, *, now_ms: int) -> Mapping[str, str]:
        """The headers by which `receive` takes this body as genuine, and of this topic where a header tells it.

        They may hold the secret. For samples and tests; the same body gets the same delivery id. Raises `Unsignable`.
        """
        raise Unsignable("the relay has no key with which this platform signs")

    def strip(self, webhook: Webhook) -> Webhook:
        """The webhook as quarantine may keep it: without secrets. Never raises.

        A signature is no secret, and `recheck` needs its header as it came.
        """

    def is_ping(self, webhook: Webhook) -> bool:
        """Whether a webhook that `receive` refuses only asks if anybody listens. Never raises. The default: never.

        It is answered 200 and nothing is kept of it, since anyone can send it.
        """
        return False

    def presented(self, webhook: Webhook) -> str:
        """The secret itself that came with the webhook, where the platform signs nothing. Never raises.

        The default is of platforms that sign: none.
        """
        return ""

    def recheck(self, item: Quarantined, was_presented: Callable[[str], bool]) -> Received:
        """Verify a quarantined webhook again, with what is configured now.

        ``was_presented`` tells whether a secret is the one that came with it. The default is of
        platforms that sign: the stripped webhook has all that `receive` needs. Raises `Refused`.
        """
        # A signature must have been fresh when it came, not now.
        return self.receive(Webhook(orjson.loads(item.headers), item.body), now_ms=item.received_at_ms)

    def documents(self, event: Event, fetched: Mapping[str, Any]) -> Sequence[JsonObject]:
        """The normalised bodies a template gets as ``$``: usually one.

        ``fetched`` holds completed documents by `Lookup.name`, and is empty without a connection.
        Raises ValueError when the stored body cannot be read after all.
        """

    def keeps_message_ids(self, event: Event) -> bool:
        """Whether the `messageId` of its calls may go to a destination as it is. The default: no, it is made anew."""
        return False

    def lookups(self, event: Event) -> Sequence[Lookup]:
        """What to fetch before rendering, given a commerce connection."""

    def historic(self, topic: str | None, document: JsonObject) -> Webhook:
        """The webhook by which the platform would have told of a document out of its history.

        A document that is such a webhook's body already comes back as it is, as it does by default.
        """
        return Webhook({}, orjson.dumps(document))

    def lacks(self, event: Event, fetched: Mapping[str, Any]) -> str:
        """Why a tracked event cannot be rendered with no more than was ``fetched``, as a clause.

        The default: it can be.
        """
        return ""

    def keys(self, document: JsonObject) -> Sequence[str]:
        """Search keys of a document: order id and number, customer id, e-mail (lower case)."""

    def subjects(self, event: Event, documents: Sequence[JsonObject]) -> Sequence[str]:
        """Whom and what an event is about, each by `relay.model.subject`, so that it can be forgotten.

        The value of each but ``shop`` is among the `keys` of the documents. The default knows e-mail
        addresses, and the order or customer that is the entity.
        """
        found = [subject("email", key) for document in documents for key in self.keys(document) if "@" in key]
        return [*found, event.entity.lower()]

    def privacy(self, event: Event) -> PrivacyRequest | None:
        """What the platform asks to be erased or told by this event, which then is not rendered. The default: none.

        Where the signature covers the body only, the body has to say it, not the topic alone: else
        whoever holds any signed body could have all erased. Raises ValueError for a body of no such form.
        """
        return None

    def credentials(self) -> Credentials | None:
        """How to sign in at the commerce connection, or None when none is configured."""
