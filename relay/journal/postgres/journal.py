"""The journal that many nodes share: one PostgreSQL database, or one schema of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Self, TypeVar

import psycopg

from relay.journal.postgres import appending, arrivals, finding, forgetting, reading, settling, showing, standing
from relay.journal.postgres.claims import Claim, Claims
from relay.journal.postgres.connecting import ANSWER_S, LOOKUP_S, settings_of, shown, unavailable
from relay.journal.postgres.horizon import Bounds, Horizon
from relay.journal.postgres.keys import Keys
from relay.journal.postgres.link import Link
from relay.journal.postgres.notices import Notices
from relay.journal.postgres.pools import Pool, row
from relay.journal.postgres.retention import BodyRetention, Retention
from relay.journal.postgres.schema import Prepared, prepare
from relay.journal.postgres.writer import Writer
from relay.journal.protocol import Candidates, Dropped, Emptied, Forgotten, Waking
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

T = TypeVar("T")

_CLOSE_S = 10.0
_SCRUB_S = 6 * 3600.0
_PAUSES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""How long to wait, again and again, for a transaction that holds back the horizon."""


class PostgresJournal:
    """Implements `relay.journal.protocol.Journal`; open it with `open`, in the event loop that uses it."""

    def __init__(
        self,
        where: str,
        settings: str,
        prepared: Prepared,
        *,
        connections: int,
        waking: Waking | None,
        observe_commit: Callable[[float], None] | None,
        quarantine_limit: int,
        quarantine_max_bytes: int,
    ) -> None:
        self._where = where
        self._settings = settings
        self._partitions = prepared.partitions
        self._quarantine_limit = quarantine_limit
        self._quarantine_max_bytes = quarantine_max_bytes
        self._keys = Keys(prepared.identity)
        self._stages = Pool(where, settings, size=connections, answer_s=ANSWER_S)
        # Apart, so that a search through the whole log holds up no stage.
        self._lookups = Pool(where, settings, size=2, answer_s=LOOKUP_S, snapshots=True)
        self._horizon = Horizon(self._stages, self._keys)
        self._notices = Notices(settings, prepared.identity, self._stages, self._horizon, waking)
        self._writer = Writer(where, settings, self._keys, observe_commit, self._tell)
        self._claims = Claims(where, settings, self._keys)
        self._retention = Retention(self._lookups, self._stages)
        self._bodies = BodyRetention(self._lookups, self._stages)

    @classmethod
    async def open(
        cls,
        url: str,
        partitions: int = 8,
        observe_commit: Callable[[float], None] | None = None,
        *,
        connections: int = 8,
        waking: Waking | None = None,
        quarantine_limit: int = 10_000,
        quarantine_max_bytes: int = 256 << 20,
    ) -> Self:
        """Open the database, whose tables are made or brought up to date as needed.

        ``partitions`` counts for a new journal only. ``observe_commit`` is called with the seconds that
        each transaction of the intake took. ``connections`` are for the stages; five more are opened.
        ``waking`` is told at once what other nodes wrote. Of each source about ``quarantine_limit``
        requests are kept, and of large ones ``quarantine_max_bytes``.

        Raises `RelayError` (``journal_newer``, ``journal_pooled``, ``journal_server``) and `JournalUnavailable`.
        """
        where, settings = shown(url), settings_of(url)
        prepared = await prepare(where, settings, partitions)
        journal = cls(
            where,
            settings,
            prepared,
            connections=connections,
            waking=waking,
            observe_commit=observe_commit,
            quarantine_limit=quarantine_limit,
            quarantine_max_bytes=quarantine_max_bytes,
        )
        try:
            await journal._start()
        except psycopg.Error as error:
            await journal.close()
            raise unavailable(where, error) from error
        except BaseException:
            await journal.close()
            raise
        return journal

    async def _start(self) -> None:
        await self._stages.open()
        await self._lookups.open()
        await self._notices.open()

    @property
    def partitions(self) -> int:
        return self._partitions

    # -- intake

    async def append(self, event: NewEvent) -> Appended:
        return (await self._writer.append((event,)))[0]

    async def append_many(self, events: Sequence[NewEvent]) -> Sequence[Appended]:
        return await self._writer.append(events)

    async def quarantine(self, item: NewQuarantined) -> QuarantineId:
        async with self._stages.transaction() as db:
            return await appending.quarantine(db, item, self._quarantine_limit, self._quarantine_max_bytes)

    async def release(self, items: Sequence[tuple[QuarantineId, NewEvent]]) -> Sequence[Appended | None]:
        async with self._stages.transaction() as db:
            released = await appending.release(db, self._keys, items)
        self._tell([event for (_, event), appended in zip(items, released, strict=True) if appended])
        return released

    def _tell(self, events: Sequence[NewEvent]) -> None:
        if events:
            self._notices.tell_events((event.source, event.partition) for event in events)

    # -- stages

    async def open_stage(self, name: str, start: Literal["beginning", "now"]) -> None:
        async with self._stages.connection() as db:
            await settling.open_stage(db, name, start, self._partitions)

    def claim(self, stage: str, partition: int) -> AbstractAsyncContextManager[Claim]:
        return self._claims.claim(stage, partition)

    async def read_events(self, stage: Stage, limit: int) -> EventBatch:
        return await self._settled(lambda bounds: reading.read_events(self._stages, bounds, stage, limit))

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
        async with self._stages.transaction() as db:
            written = await settling.settle_events(db, self._keys, stage, position, moved_to, calls, outcomes, keys)
        if written:
            self._notices.tell_calls(stage.partition)

    async def read_calls(self, stage: Stage, limit: int) -> CallBatch:
        return await self._settled(lambda bounds: reading.read_calls(self._stages, bounds, stage, limit))

    async def _settled(self, read: Callable[[Bounds], Awaitable[tuple[T, bool]]]) -> T:
        """What can be read; when that is nothing because a transaction under way stands before it, a little later."""
        batch, hidden = await read(await self._horizon.bounds())
        for pause_s in _PAUSES_S:
            if not hidden:
                return batch
            # Nobody tells when a transaction ends, and that of a node that hangs may last for seconds.
            await asyncio.sleep(pause_s)
            batch, hidden = await read(await self._horizon.bounds())
        if hidden:
            self._notices.again()
        return batch

    async def delivered(self, destination: str, message_ids: Sequence[str]) -> set[str]:
        return await reading.delivered(self._stages, destination, message_ids)

    async def settle_calls(
        self,
        stage: Stage,
        *,
        position: int,
        moved_to: int,
        outcomes: Sequence[NewOutcome],
        attempt: NewAttempt | None,
    ) -> None:
        async with self._stages.transaction() as db:
            await settling.settle_calls(db, self._keys, stage, position, moved_to, outcomes, attempt)

    async def record_attempt(self, attempt: NewAttempt) -> None:
        async with self._stages.transaction() as db:
            await settling.record_attempt(db, self._keys, attempt)

    async def record_refused(self, outcomes: Sequence[NewOutcome]) -> int:
        async with self._stages.transaction() as db:
            return await settling.record_refused(db, self._keys, outcomes)

    async def gate(self, name: str) -> Gate:
        async with self._stages.connection() as db:
            return await standing.gate(db, name)

    async def set_gate(self, name: str, gate: Gate) -> None:
        async with self._stages.connection() as db:
            await settling.set_gate(db, name, gate)
        self._notices.tell_gate()

    async def fetched(self, event_id: EventId) -> Mapping[str, Any]:
        async with self._stages.connection() as db:
            return await standing.fetched(db, event_id)

    async def store_fetched(self, event_id: EventId, documents: Mapping[str, Any]) -> None:
        async with self._stages.transaction() as db:
            await appending.store_fetched(db, self._keys, event_id, documents)

    # -- looking up

    async def find(self, selection: Selection, *, limit: int, before: EventId | None = None) -> Sequence[EventSummary]:
        async with self._lookups.transaction() as db:
            return await finding.find(db, selection, limit, before)

    async def count(self, selection: Selection) -> int:
        async with self._lookups.connection() as db:
            return await finding.count(db, selection)

    async def timeline(self, event_id: EventId) -> Timeline | None:
        async with self._lookups.transaction() as db:
            return await showing.timeline(db, event_id)

    async def last_attempt(self, destination: str) -> Attempt | None:
        async with self._lookups.connection() as db:
            return await showing.last_attempt(db, destination)

    async def events(self, event_ids: Sequence[EventId]) -> Sequence[Event]:
        async with self._lookups.connection() as db:
            return await showing.events(db, event_ids)

    async def quarantined(self, source: str | None, *, limit: int) -> Sequence[Quarantined]:
        async with self._lookups.connection() as db:
            return await showing.quarantined(db, source, limit)

    async def read_quarantine(self, source: str | None, *, after: QuarantineId, limit: int) -> Sequence[Quarantined]:
        async with self._lookups.connection() as db:
            return await showing.read_quarantine(db, source, after, limit)

    async def quarantined_one(self, quarantine_id: QuarantineId) -> Quarantined | None:
        async with self._lookups.connection() as db:
            return await showing.quarantined_one(db, quarantine_id)

    async def backlogs(self, names: Sequence[str]) -> Sequence[Backlog]:
        async with self._lookups.connection() as db:
            return await standing.backlogs(db, names)

    async def stage_sources(self) -> Sequence[str]:
        async with self._stages.connection() as db:
            return await standing.stage_sources(db)

    async def arrivals(self, source: str, *, window_ms: int) -> Arrivals:
        async with self._lookups.connection() as db:
            return await arrivals.arrivals(db, source, window_ms)

    async def count_arrivals(self, source: str, *, since_ms: int) -> int:
        async with self._lookups.connection() as db:
            return await arrivals.count_arrivals(db, source, since_ms)

    async def refusals(self, source: str) -> Sequence[Refusals]:
        async with self._lookups.connection() as db:
            return await arrivals.refusals(db, source)

    async def changed(self) -> bool:
        changed = await self._notices.changed()
        return self._claims.was_declined() or changed

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
        return await self._retention.step(
            events_before_ms=events_before_ms,
            dead_before_ms=dead_before_ms,
            quarantine_before_ms=quarantine_before_ms,
            stages=stages,
            limit=limit,
        )

    async def drop_bodies(self, *, before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Emptied:
        return await self._bodies.step(before_ms=before_ms, dead_before_ms=dead_before_ms, stages=stages, limit=limit)

    # -- privacy

    async def candidates(self, source: str, keys: Sequence[str] | None, *, after: EventId) -> Candidates:
        async with self._lookups.connection() as db:
            return await forgetting.candidates(db, source, keys, after)

    async def forget(self, event_ids: Sequence[EventId], *, at_ms: int) -> Forgotten:
        events = calls = 0
        for start in range(0, len(event_ids), forgetting.AT_ONCE):
            some = event_ids[start : start + forgetting.AT_ONCE]
            async with self._stages.transaction() as db:
                forgotten = await forgetting.forget(db, self._keys, some, at_ms)
            events, calls = events + forgotten.events, calls + forgotten.calls
        return Forgotten(events, calls)

    async def forget_quarantined(self, ids: Sequence[QuarantineId]) -> int:
        async with self._stages.connection() as db:
            return len(await forgetting.forget_quarantined(db, ids))

    async def scrub(self, *, rewrite: bool = False) -> bool:
        link = Link(self._where, self._settings, answer_s=_SCRUB_S)
        try:
            async with link.use() as db:
                return await forgetting.scrub(db, rewrite)
        finally:
            await link.close()

    async def record_audit(self, audit: Audit) -> None:
        async with self._stages.connection() as db:
            await forgetting.record_audit(db, audit)

    async def audits(self, *, limit: int) -> Sequence[Audit]:
        async with self._lookups.connection() as db:
            return await forgetting.audits(db, limit)

    async def check(self) -> None:
        async with self._stages.connection() as db:
            await db.execute("update meta set value = (value::bigint + 1)::text where name = 'checks'")

    async def noted(self, name: str, value: str | None) -> str | None:
        """What is kept under a name for all nodes; ``value`` is kept when nothing was."""
        async with self._stages.connection() as db:
            if value is not None:
                await db.execute("insert into meta values (%s, %s) on conflict do nothing", (name, value))
            found = await row(db, "select value from meta where name = %s", (name,))
        return str(found[0]) if found else None

    async def close(self) -> None:
        """Finish what waits. Gives up on what does not end within seconds."""
        await self._writer.close(_CLOSE_S)
        await self._claims.close()
        await self._notices.close()
        await self._stages.close(_CLOSE_S)
        await self._lookups.close(_CLOSE_S)
