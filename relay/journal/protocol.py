"""What every journal can do. Both drivers pass the same behaviour suite (``tests/journal``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from relay.codes import RelayError
from relay.model import (
    Appended,
    Arrivals,
    Attempt,
    Audit,
    Backlog,
    CallBatch,
    Event,
    EventBatch,
    EventId,
    EventSummary,
    Gate,
    NewAttempt,
    NewCall,
    NewEvent,
    NewOutcome,
    NewQuarantined,
    Quarantined,
    QuarantineId,
    Refusals,
    Selection,
    Stage,
    Timeline,
)


class JournalUnavailable(RelayError):
    """The journal cannot write or read now (disk full, locked, gone). Nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__("journal_unavailable", message)


class CursorMoved(Exception):
    """Another worker moved this stage's cursor: the work just done is void and nothing was written."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What one retention step removed; ``more`` when another step may find something."""

    events: int
    quarantined: int
    more: bool


@dataclass(frozen=True, slots=True)
class Emptied:
    """What one step of dropping bodies did; ``more`` when another step may find something."""

    events: int
    more: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """Events that may be about somebody, ascending; ``then`` is where to go on, None at the end."""

    event_ids: Sequence[EventId]
    then: EventId | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    events: int
    calls: int


class Claim(Protocol):
    """The right to work one partition of a stage."""

    @property
    def held(self) -> bool:
        """Whether it was given, and is surely still ours."""


class Waking(Protocol):
    """Who wants to hear at once of what other nodes wrote (`relay.pipeline.wakeups.Wakeups`)."""

    def wake(self, stage: str, partition: int) -> None: ...

    def wake_delivery(self, partition: int) -> None: ...

    def wake_all(self) -> None: ...


class Journal(Protocol):
    """Three append-only logs, and cursors that move in the transaction that writes a stage's result.

    Every method may raise `JournalUnavailable`.
    """

    @property
    def partitions(self) -> int:
        """Number of partitions, fixed when the journal was created."""

    # -- intake
    async def append(self, event: NewEvent) -> Appended:
        """Store one event durably (fsynced when this returns); waiting appends share one commit."""

    async def append_many(self, events: Sequence[NewEvent]) -> Sequence[Appended]:
        """Store several in one transaction, for replay and backfill.

        An event with ``replay_of`` is always new; one without is a duplicate when its source has
        the same delivery key already.
        """

    async def quarantine(self, item: NewQuarantined) -> QuarantineId: ...

    async def release(self, items: Sequence[tuple[QuarantineId, NewEvent]]) -> Sequence[Appended | None]:
        """Append what stands in quarantine as events and take it out there, in one transaction.

        None for what is not there any more: that is not appended.
        """

    # -- stages
    async def open_stage(self, name: str, start: Literal["beginning", "now"]) -> None:
        """Give the stage a cursor in every lane and partition where it has none yet.

        ``now`` starts behind the last call there is, ``beginning`` before the first one kept.
        """

    def claim(self, stage: str, partition: int) -> AbstractAsyncContextManager[Claim]:
        """For one batch of work; of all nodes on the journal one holds it. It does not wait for another's end."""

    async def read_events(self, stage: Stage, limit: int) -> EventBatch:
        """Up to ``limit`` events of the stage's source behind its cursor.

        Large ones make a batch smaller; that nothing waits is told by the batch. What is not told as
        waiting is written later, by somebody who wakes the line. Raises `LookupError` when the stage was never opened.
        """

    async def settle_events(
        self,
        stage: Stage,
        *,
        position: int,
        moved_to: int,
        calls: Sequence[NewCall],
        outcomes: Sequence[NewOutcome],
        keys: Sequence[tuple[EventId, str]],
    ) -> None:
        """Write what rendering produced and move the cursor, in one transaction.

        Calls go to the stage's lane and partition. ``keys`` are search keys of the events.
        Raises `CursorMoved` when the cursor is not at ``position``.
        """

    async def read_calls(self, stage: Stage, limit: int) -> CallBatch:
        """Up to ``limit`` calls behind the cursor, and which of them were delivered before; see `read_events`."""

    async def delivered(self, destination: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these were delivered to the destination before, however long ago."""

    async def settle_calls(
        self,
        stage: Stage,
        *,
        position: int,
        moved_to: int,
        outcomes: Sequence[NewOutcome],
        attempt: NewAttempt | None,
    ) -> None:
        """Write how calls ended and move the cursor, in one transaction.

        An outcome ``delivered`` whose message id was delivered there before is written as
        ``duplicate``. Raises `CursorMoved` when the cursor is not at ``position``.
        """

    async def record_attempt(self, attempt: NewAttempt) -> None:
        """Write down a request that settled nothing."""

    async def record_refused(self, outcomes: Sequence[NewOutcome]) -> int:
        """Write that calls are ``dead`` which were delivered: the vendor took and then refused them.

        They count as not delivered from then on, so that a replay sends them. Left out are calls
        that have such an end already, or that are not kept or forgotten; returns how many were written.
        """

    async def gate(self, name: str) -> Gate: ...

    async def set_gate(self, name: str, gate: Gate) -> None: ...

    async def fetched(self, event_id: EventId) -> Mapping[str, Any]:
        """Documents fetched from the platform for this event (or the one it replays), by name."""

    async def store_fetched(self, event_id: EventId, documents: Mapping[str, Any]) -> None: ...

    # -- looking up
    async def find(self, selection: Selection, *, limit: int, before: EventId | None = None) -> Sequence[EventSummary]:
        """Newest first; ``before`` pages on."""

    async def count(self, selection: Selection) -> int: ...

    async def timeline(self, event_id: EventId) -> Timeline | None: ...

    async def last_attempt(self, destination: str) -> Attempt | None:
        """The latest request to a destination."""

    async def events(self, event_ids: Sequence[EventId]) -> Sequence[Event]:
        """These events, by id, ascending; those that are not there are left out."""

    async def quarantined(self, source: str | None, *, limit: int) -> Sequence[Quarantined]:
        """Newest first."""

    async def read_quarantine(self, source: str | None, *, after: QuarantineId, limit: int) -> Sequence[Quarantined]:
        """Oldest first, behind ``after``. Large ones make it fewer; it is empty at the end only."""

    async def quarantined_one(self, quarantine_id: QuarantineId) -> Quarantined | None: ...

    async def backlogs(self, names: Sequence[str]) -> Sequence[Backlog]:
        """What waits behind the cursors of these stages, all lanes and partitions together."""

    async def stage_sources(self) -> Sequence[str]:
        """Sources that have events, configured or not."""

    async def arrivals(self, source: str, *, window_ms: int) -> Arrivals:
        """When live webhooks of a source came, within ``window_ms`` before its last one.

        Takes as many steps as there are hours, whatever came in them: see ``HOURS`` of the SQLite driver.
        """

    async def count_arrivals(self, source: str, *, since_ms: int) -> int:
        """How many live webhooks of a source came from then on."""

    async def refusals(self, source: str) -> Sequence[Refusals]:
        """What stands in quarantine, by code."""

    async def changed(self) -> bool:
        """Whether another process wrote since the last call, or a moment before; cheap enough to ask twice a second."""

    # -- keeping house
    async def drop_expired(
        self,
        *,
        events_before_ms: int,
        dead_before_ms: int,
        quarantine_before_ms: int,
        stages: Sequence[str],
        limit: int,
    ) -> Dropped:
        """One step of retention, in transactions so small that nobody waits long for one.

        Removes at most ``limit`` events that arrived before ``events_before_ms``, with their
        calls, outcomes and attempts. Kept are events that any of ``stages`` has not worked yet,
        and those with a dead letter younger than ``dead_before_ms``. Delivered message ids stay,
        so that nothing is sent twice.
        """

    async def drop_bodies(self, *, before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Emptied:
        """One step of emptying events that arrived before ``before_ms``; looks at no more than ``limit``.

        Bodies, headers, fetched documents, the texts of calls and of requests go; all else stays: rows, search keys,
        outcomes, attempts with their answers. Held are the events that `drop_expired` would hold.
        An emptied event has no body, and no ``forgotten_at_ms``; a call of it no text.
        """

    # -- privacy
    async def candidates(self, source: str, keys: Sequence[str] | None, *, after: EventId) -> Candidates:
        """Events of a source that have one of the search keys, or none at all; None means every event.

        Forgotten ones are left out. One step of many, so that none takes long.
        """

    async def forget(self, event_ids: Sequence[EventId], *, at_ms: int) -> Forgotten:
        """Erase all about these events and the replays of them, in small transactions.

        Bodies, headers, entities, search keys, fetched documents, the texts of calls, details of
        outcomes, and requests and answers of the attempts that had such a call. The rows stay: ids,
        topic, delivery key, times, message ids, and how they ended; a dead letter has ended as
        ``skipped`` then, with the code ``forgotten``. An event not rendered yet comes with
        ``forgotten_at_ms``, a call not delivered yet with an empty text. What work in hand writes
        afterwards is cleaned in the same way.
        """

    async def forget_quarantined(self, ids: Sequence[QuarantineId]) -> int: ...

    async def scrub(self, *, rewrite: bool = False) -> bool:
        """Make sure that what was erased cannot be read in the journal's files; False when it is too busy now.

        Small journals are rewritten for that, large ones only with ``rewrite``: intake waits meanwhile.
        """

    async def record_audit(self, audit: Audit) -> None: ...

    async def audits(self, *, limit: int) -> Sequence[Audit]:
        """Newest first. Kept for ever."""

    async def check(self) -> None:
        """Prove that the journal can write and read. Raises `JournalUnavailable`."""

    async def close(self) -> None: ...
