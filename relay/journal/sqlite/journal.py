"""The embedded journal: one SQLite file, one thread that writes, a few that read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from relay.journal.protocol import Candidates, Claim, Dropped, Emptied, Forgotten
from relay.journal.sqlite import appending, arrivals, finding, forgetting, reading, settling, showing, standing
from relay.journal.sqlite.batches import Batches
from relay.journal.sqlite.locking import FileLock
from relay.journal.sqlite.readers import Readers
from relay.journal.sqlite.retention import BodyRetention, Retention
from relay.journal.sqlite.schema import prepare
from relay.journal.sqlite.writer import Writer
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

_CLOSE_S = 10.0


class SqliteJournal:
    """Implements `relay.journal.protocol.Journal`; open it with `open`, in the event loop that uses it."""

    def __init__(
        self,
        path: Path,
        partitions: int,
        *,
        lock: FileLock | None,
        observe_commit: Callable[[float], None] | None,
        quarantine_limit: int,
        quarantine_max_bytes: int,
    ) -> None:
        self._path = path
        self._partitions = partitions
        self._lock = lock
        self._quarantine_limit = quarantine_limit
        self._quarantine_max_bytes = quarantine_max_bytes
        self._writer = Writer(path, observe_commit)
        self._stages = Readers(path, threads=2)
        self._batches = Batches(self._writer, self._stages)
        # Apart, so that a search through the whole log holds up no stage.
        self._lookups = Readers(path, threads=1)
        self._retention = Retention(self._lookups, self._writer)
        self._bodies = BodyRetention(self._lookups, self._writer)

    @classmethod
    async def open(
        cls,
        path: str | Path,
        partitions: int = 8,
        observe_commit: Callable[[float], None] | None = None,
        *,
        exclusive: bool = False,
        quarantine_limit: int = 10_000,
        quarantine_max_bytes: int = 256 << 20,
    ) -> Self:
        """Open the file, which is made or brought up to date as needed.

        ``partitions`` counts for a new file only. ``observe_commit`` is called with
        the seconds that each transaction of the writer took. ``exclusive`` is for the one process
        that runs stages. Of each source about ``quarantine_limit`` requests are kept, and of large ones
        ``quarantine_max_bytes``.

        Raises `RelayError` (``journal_newer``, ``journal_in_use``) and `JournalUnavailable`.
        """
        path = Path(path)
        lock = FileLock(path) if exclusive else None
        try:
            stored = await asyncio.to_thread(prepare, path, partitions)
            return cls(
                path,
                stored,
                lock=lock,
                observe_commit=observe_commit,
                quarantine_limit=quarantine_limit,
                quarantine_max_bytes=quarantine_max_bytes,
            )
        except BaseException:
            if lock:
                lock.release()
            raise

    @property
    def partitions(self) -> int:
        return self._partitions

    # -- intake

    async def append(self, event: NewEvent) -> Appended:
        return (await self._writer.append((event,)))[0]

    async def append_many(self, events: Sequence[NewEvent]) -> Sequence[Appended]:
        return await self._writer.append(events)

    async def quarantine(self, item: NewQuarantined) -> QuarantineId:
        return await self._writer.write(
            lambda db: appending.quarantine(db, item, self._quarantine_limit, self._quarantine_max_bytes)
        )

    async def release(self, items: Sequence[tuple[QuarantineId, NewEvent]]) -> Sequence[Appended | None]:
        return await self._writer.write(lambda db: appending.release(db, items))

    # -- stages

    async def open_stage(self, name: str, start: Literal["beginning", "now"]) -> None:
        await self._writer.write(lambda db: settling.open_stage(db, name, start, self._partitions))

    def claim(self, stage: str, partition: int) -> AbstractAsyncContextManager[Claim]:
        return nullcontext(_Ours())

    async def read_events(self, stage: Stage, limit: int) -> EventBatch:
        return await self._batches.read(stage, lambda db: reading.read_events(db, stage, limit))

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
        await self._writer.write(
            lambda db: settling.settle_events(db, stage, position, moved_to, calls, outcomes, keys)
        )

    async def read_calls(self, stage: Stage, limit: int) -> CallBatch:
        return await self._batches.read(stage, lambda db: reading.read_calls(db, stage, limit))

    async def delivered(self, destination: str, message_ids: Sequence[str]) -> set[str]:
        return await self._stages.read(lambda db: reading.delivered(db, destination, message_ids))

    async def settle_calls(
        self,
        stage: Stage,
        *,
        position: int,
        moved_to: int,
        outcomes: Sequence[NewOutcome],
        attempt: NewAttempt | None,
    ) -> None:
        await self._writer.write(lambda db: settling.settle_calls(db, stage, position, moved_to, outcomes, attempt))

    async def record_attempt(self, attempt: NewAttempt) -> None:
        await self._writer.write(lambda db: settling.record_attempt(db, attempt))

    async def record_refused(self, outcomes: Sequence[NewOutcome]) -> int:
        return await self._writer.write(lambda db: settling.record_refused(db, outcomes))

    async def gate(self, name: str) -> Gate:
        return await self._stages.read(lambda db: standing.gate(db, name))

    async def set_gate(self, name: str, gate: Gate) -> None:
        await self._writer.write(lambda db: settling.set_gate(db, name, gate))

    async def fetched(self, event_id: EventId) -> Mapping[str, Any]:
        return await self._stages.read(lambda db: standing.fetched(db, event_id))

    async def store_fetched(self, event_id: EventId, documents: Mapping[str, Any]) -> None:
        await self._writer.write(lambda db: appending.store_fetched(db, event_id, documents))

    # -- looking up

    async def find(self, selection: Selection, *, limit: int, before: EventId | None = None) -> Sequence[EventSummary]:
        return await self._lookups.read(lambda db: finding.find(db, selection, limit, before))

    async def count(self, selection: Selection) -> int:
        return await self._lookups.read(lambda db: finding.count(db, selection))

    async def last_attempt(self, destination: str) -> Attempt | None:
        return await self._lookups.read(lambda db: showing.last_attempt(db, destination))

    async def timeline(self, event_id: EventId) -> Timeline | None:
        return await self._lookups.read(lambda db: showing.timeline(db, event_id))

    async def events(self, event_ids: Sequence[EventId]) -> Sequence[Event]:
        return await self._lookups.read(lambda db: showing.events(db, event_ids))

    async def quarantined(self, source: str | None, *, limit: int) -> Sequence[Quarantined]:
        return await self._lookups.read(lambda db: showing.quarantined(db, source, limit))

    async def read_quarantine(self, source: str | None, *, after: QuarantineId, limit: int) -> Sequence[Quarantined]:
        return await self._lookups.read(lambda db: showing.read_quarantine(db, source, after, limit))

    async def quarantined_one(self, quarantine_id: QuarantineId) -> Quarantined | None:
        return await self._lookups.read(lambda db: showing.quarantined_one(db, quarantine_id))

    async def backlogs(self, names: Sequence[str]) -> Sequence[Backlog]:
        return await self._lookups.read(lambda db: standing.backlogs(db, names))

    async def stage_sources(self) -> Sequence[str]:
        return await self._stages.read(standing.stage_sources)

    async def arrivals(self, source: str, *, window_ms: int) -> Arrivals:
        return await self._stages.read(lambda db: arrivals.arrivals(db, source, window_ms))

    async def count_arrivals(self, source: str, *, since_ms: int) -> int:
        return await self._lookups.read(lambda db: arrivals.count_arrivals(db, source, since_ms))

    async def refusals(self, source: str) -> Sequence[Refusals]:
        return await self._stages.read(lambda db: arrivals.refusals(db, source))

    async def changed(self) -> bool:
        return await self._writer.changed()

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
        return await self._lookups.read(lambda db: forgetting.candidates(db, source, keys, after))

    async def forget(self, event_ids: Sequence[EventId], *, at_ms: int) -> Forgotten:
        events = calls = 0
        for start in range(0, len(event_ids), forgetting.AT_ONCE):
            some = event_ids[start : start + forgetting.AT_ONCE]
            forgotten = await self._writer.write(partial(forgetting.forget, event_ids=some, at_ms=at_ms))
            events, calls = events + forgotten.events, calls + forgotten.calls
        return Forgotten(events, calls)

    async def forget_quarantined(self, ids: Sequence[QuarantineId]) -> int:
        return await self._writer.write(lambda db: forgetting.forget_quarantined(db, ids))

    async def scrub(self, *, rewrite: bool = False) -> bool:
        return await self._writer.alone(lambda db: forgetting.scrub(db, rewrite))

    async def record_audit(self, audit: Audit) -> None:
        await self._writer.write(lambda db: forgetting.record_audit(db, audit))

    async def audits(self, *, limit: int) -> Sequence[Audit]:
        return await self._lookups.read(lambda db: forgetting.audits(db, limit))

    async def check(self) -> None:
        await self._writer.write(_count_check)
        await self._stages.read(_read_check)

    async def close(self) -> None:
        """Finish what waits. Gives up on a thread that does not end within seconds."""
        await self._stages.close(_CLOSE_S)
        await self._lookups.close(_CLOSE_S)
        await self._writer.close(_CLOSE_S)
        if self._lock:
            self._lock.release()
            self._lock = None


class _Ours:
    """Only one process works a SQLite journal (`FileLock`)."""

    held = True


def _count_check(database: sqlite3.Connection) -> None:
    database.execute("update meta set value = value + 1 where name = 'checks'")


def _read_check(database: sqlite3.Connection) -> None:
    database.execute("select value from meta where name = 'checks'").fetchone()
