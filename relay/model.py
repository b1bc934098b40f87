"""The nouns of the relay, all frozen. Times are Unix milliseconds, UTC (``…_ms``).

Those that are made for every event are named tuples, which take a quarter of the time to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple, NewType, TypeAlias

EventId = NewType("EventId", int)
CallId = NewType("CallId", int)
AttemptId = NewType("AttemptId", int)
QuarantineId = NewType("QuarantineId", int)

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
JsonObject: TypeAlias = dict[str, Any]


class Lane(StrEnum):
    """Where work waits: live traffic goes before a replay, a replay before a backfill."""

    LIVE = "live"
    REPLAY = "replay"
    BACKFILL = "backfill"


class OutcomeKind(StrEnum):
    """The end of an event (no destination named) or of a call at a destination."""

    DELIVERED = "delivered"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEAD = "dead"


class VerdictKind(StrEnum):
    """What a destination's answer means for the records of one request."""

    DELIVERED = "delivered"
    RETRY = "retry"
    SPLIT = "split"
    REJECT = "reject"
    MISCONFIGURED = "misconfigured"


# --- intake ---------------------------------------------------------------------------------


class Webhook(NamedTuple):
    """One HTTP request as it came. Header names are lower case; the body is already un-gzipped.

    ``client`` is the IP address that sent it, as far as trusted proxies tell; empty when it is not known.
    """

    headers: Mapping[str, str]
    body: bytes
    client: str = ""


class Received(NamedTuple):
    """What a source read from a genuine webhook. Nothing in it holds a secret.

    ``entity`` is what must stay in order, ``order:<id>`` or ``customer:<id>``.
    ``headers`` are those worth keeping, secrets removed.
    """

    topic: str
    delivery_key: str
    entity: str
    occurred_at_ms: int | None
    headers: Mapping[str, str]
    body: bytes


class NewEvent(NamedTuple):
    """An event about to be appended. ``headers`` is a JSON object as text."""

    lane: Lane
    partition: int
    source: str
    topic: str
    delivery_key: str
    entity: str
    occurred_at_ms: int | None
    received_at_ms: int
    headers: str
    body: bytes
    replay_of: EventId | None = None
    options: str = ""
    """See `Event`."""


class Event(NamedTuple):
    """A stored webhook."""

    id: EventId
    lane: Lane
    partition: int
    source: str
    topic: str
    delivery_key: str
    entity: str
    occurred_at_ms: int | None
    received_at_ms: int
    headers: str
    body: bytes
    replay_of: EventId | None
    forgotten_at_ms: int | None = None
    """When its body and all else about a person was erased; the empty row stays and ends as usual."""
    options: str = ""
    """How a replay or backfill is to be worked, as JSON (`relay.pipeline.handling`); empty: as usual."""


class Appended(NamedTuple):
    """Answer to an append: the new id, or the id the same delivery got before."""

    event_id: EventId
    duplicate: bool


@dataclass(frozen=True, slots=True)
class NewQuarantined:
    """A request that is not genuine or not readable. ``headers`` is JSON text, secrets removed."""

    source: str
    headers: str
    body: bytes
    code: str
    detail: str
    received_at_ms: int
    verifier: str = ""
    """Tells later whether a secret is the one that was presented (`relay.pipeline.verifying`)."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    id: QuarantineId
    source: str
    headers: str
    body: bytes
    code: str
    detail: str
    received_at_ms: int
    verifier: str = ""


# --- privacy --------------------------------------------------------------------------------


class PrivacyKind(StrEnum):
    """What a platform asks of whoever keeps its customers' data."""

    REDACT_CUSTOMER = "redact_customer"
    REDACT_SHOP = "redact_shop"
    DATA_REQUEST = "data_request"


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """``subjects`` are made by `subject`: an event that is about any of them is meant."""

    kind: PrivacyKind
    subjects: Sequence[str]


@dataclass(frozen=True, slots=True)
class Audit:
    """That a privacy request was carried out: how much it concerned, and not whom.

    ``event_id`` is the platform's request; None when a person asked.
    """

    at_ms: int
    source: str
    kind: PrivacyKind
    event_id: EventId | None
    events: int
    calls: int
    quarantined: int


SubjectKind: TypeAlias = Literal["customer", "email", "order", "shop"]


def subject(kind: SubjectKind, value: str) -> str:
    """Whom or what an event is about, ``customer:17``, ``email:ada@example.com``: customer 17 is not order 17."""
    return f"{kind}:{value.strip().lower()}"


# --- stages ---------------------------------------------------------------------------------


class Stage(NamedTuple):
    """One line of work with one cursor.

    ``name`` is ``render:<source>`` (reads events) or ``deliver:<destination>`` (reads calls), so
    that neither a source's commerce API nor a destination that is down holds up any other.
    """

    name: str
    lane: Lane
    partition: int


def render_stage(source: str) -> str:
    return f"render:{source}"


def deliver_stage(destination: str) -> str:
    return f"deliver:{destination}"


class NewCall(NamedTuple):
    """A rendered call about to be appended.

    ``text`` is the call as compact JSON. Each destination derives a ``messageId`` of its own from
    ``message_id``, the SHA-256 (32 hex digits) of the fact the call states. Where the caller's own may be
    kept instead, it is in ``text``, as the first member.
    """

    event_id: EventId
    tracked_event: str
    message_id: str
    text: str
    template_version: str


class Call(NamedTuple):
    id: CallId
    event_id: EventId
    tracked_event: str
    message_id: str
    text: str
    template_version: str
    received_at_ms: int
    """When the event behind it arrived."""
    source: str = ""
    options: str = ""
    """Of the event behind it."""
    forgotten_at_ms: int | None = None
    """Of the event behind it. A call without text that was not forgotten has outlived its text."""


class EventBatch(NamedTuple):
    """Events behind a cursor, oldest first; ``position`` is where the cursor stood.

    ``waiting`` are the lanes of the partition in which something may wait behind these.
    """

    position: int
    events: Sequence[Event]
    waiting: Set[Lane]


class CallBatch(NamedTuple):
    """Calls behind a cursor, oldest first; ``position`` is where the cursor stood.

    ``waiting`` are the lanes of the partition in which something may wait behind these; ``delivered``
    the message ids among these that were delivered to the destination before, however long ago.
    """

    position: int
    calls: Sequence[Call]
    waiting: Set[Lane]
    delivered: Set[str]


class NewOutcome(NamedTuple):
    """``destination`` is empty when the end came before any (ignored, skipped, dead in rendering)."""

    event_id: EventId
    call_id: CallId | None
    destination: str
    message_id: str
    kind: OutcomeKind
    code: str
    detail: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """One HTTP request to a destination. ``answer`` is cut to 500 characters and redacted.

    ``request`` is kept in test mode only: the body that would have been sent.
    """

    destination: str
    lane: Lane
    partition: int
    started_at_ms: int
    duration_ms: int
    status: int
    verdict: str
    code: str
    calls: int
    first_call: CallId
    last_call: CallId
    answer: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a line may work: it is closed until ``not_before_ms`` after a failure.

    Kept over restarts, one per destination and one per source with a commerce connection.
    """

    failures: int = 0
    not_before_ms: int = 0
    code: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    stage: str
    waiting: int
    oldest_received_at_ms: int | None


# --- looking up -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are meant; every field that is set narrows the choice.

    ``key`` is any search key of an event: order id or number, customer id, e-mail.
    Ranges are by time of arrival, ``since`` included, ``until`` not.
    """

    event_ids: Sequence[EventId] = ()
    source: str | None = None
    topic: str | None = None
    key: str | None = None
    tracked_event: str | None = None
    outcome: OutcomeKind | None = None
    destination: str | None = None
    code: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When a source's webhooks came; replays and backfills do not count.

    ``hours`` are those in which any came, ascending, as hours since 1970 in UTC: of a window that ends with the last.
    """

    last_received_at_ms: int | None
    hours: Sequence[int]


@dataclass(frozen=True, slots=True)
class Refusals:
    """Requests of one source that stand in quarantine for one reason."""

    code: str
    count: int
    last_received_at_ms: int


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One line of a list. ``outcomes`` are distinct ``kind`` or ``kind@destination`` texts."""

    id: EventId
    source: str
    topic: str
    entity: str
    received_at_ms: int
    lane: Lane
    replay_of: EventId | None
    outcomes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    id: int
    event_id: EventId
    call_id: CallId | None
    destination: str
    message_id: str
    kind: OutcomeKind
    code: str
    detail: str
    attempt_id: AttemptId | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Attempt:
    id: AttemptId
    destination: str
    started_at_ms: int
    duration_ms: int
    status: int
    verdict: str
    code: str
    calls: int
    first_call: CallId
    last_call: CallId
    answer: str
    request: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything known of one event: raw → calls → attempts → outcomes."""

    event: Event
    keys: Sequence[str]
    fetched: Mapping[str, Any]
    calls: Sequence[Call]
    attempts: Sequence[Attempt]
    outcomes: Sequence[Outcome]
    replays: Sequence[EventId] = field(default=())
