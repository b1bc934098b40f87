"""Removing what is old and done, in small steps.

What may go is sought by a reader, so that the writer only deletes. That is safe, since nothing
that may go can become needed again: cursors only move forward.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from relay.journal.protocol import Dropped

_FREE_SHARE = 10
"""Free pages up to a tenth of the file stay in it for new rows."""

OLD_EVENTS = """
    select e.id, e.received_at_ms < :cutoff, (
        e.received_at_ms < :cutoff
        and exists (
            select 1 from cursors r
            where r.stage = 'render:' || e.source and r.lane = e.lane and r.partition = e.partition
              and r.position >= e.id)
        and not exists (
            select 1 from calls c, json_each(:stages) s
            where c.event_id = e.id and c.id > coalesce((
                select d.position from cursors d
                where d.stage = s.value and d.lane = c.lane and d.partition = c.partition), 0))
        and not exists (
            select 1 from outcomes o where o.event_id = e.id and o.kind = 'dead' and o.at_ms >= :dead_cutoff))
    from events e where e.id > :after order by e.id limit :limit
"""
OLD_ATTEMPTS = """
    select a.id, a.started_at_ms < :cutoff, (
        a.started_at_ms < :cutoff
        and not exists (
            select 1 from calls c
            where c.lane = a.lane and c.partition = a.partition and c.id between a.first_call and a.last_call))
    from attempts a where a.id > :after order by a.id limit :limit
"""
_OF_EVENTS = ("outcomes", "calls", "event_keys", "fetched")


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far a pass through the log has come: what it kept is not looked at again in each step."""

    event: int = 0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step may remove, and where the next one goes on."""

    events: Sequence[int]
    attempts: Sequence[int]
    then: Sweep
    more: bool


def find_expired(
    database: sqlite3.Connection,
    sweep: Sweep,
    *,
    events_before_ms: int,
    dead_before_ms: int,
    stages: Sequence[str],
    limit: int,
) -> Expired:
    names = {
        "cutoff": events_before_ms,
        "dead_cutoff": dead_before_ms,
        "stages": orjson.dumps([stage for stage in stages if stage.startswith("deliver:")]).decode(),
        "limit": limit,
    }
    events, last_event, more_events = _step(
        database.execute(OLD_EVENTS, {**names, "after": sweep.event}).fetchall(), limit
    )
    attempts, last_attempt, more_attempts = _step(
        database.execute(OLD_ATTEMPTS, {**names, "after": sweep.attempt}).fetchall(), limit
    )
    then = Sweep(last_event if more_events else 0, last_attempt if more_attempts else 0)
    return Expired(events, attempts, then, more_events or more_attempts)


def _step(rows: Sequence[tuple[int, int, int]], limit: int) -> tuple[list[int], int, bool]:
    """Ids that may go, the last one looked at, and whether there is more behind it.

    Ids follow the time of arrival, so the pass ends at the first row that is not old.
    """
    more = len(rows) == limit and bool(rows[-1][1])
    return [row_id for row_id, _, done in rows if done], rows[-1][0] if rows else 0, more


def drop(database: sqlite3.Connection, expired: Expired, *, quarantine_before_ms: int, limit: int) -> Dropped:
    ids = orjson.dumps(list(expired.events)).decode()
    for table in _OF_EVENTS:
        database.execute(f"delete from {table} where event_id in (select value from json_each(?))", (ids,))  # noqa: S608
    events = database.execute("delete from events where id in (select value from json_each(?))", (ids,)).rowcount
    attempts = orjson.dumps(list(expired.attempts)).decode()
    database.execute("delete from attempts where id in (select value from json_each(?))", (attempts,))
    quarantined = database.execute(
        "delete from quarantine where id in"
        " (select id from quarantine where received_at_ms < ? order by received_at_ms limit ?)",
        (quarantine_before_ms, limit),
    ).rowcount
    more_space = _give_back(database, limit)
    return Dropped(events, quarantined, expired.more or quarantined == limit or more_space)


def _give_back(database: sqlite3.Connection, pages: int) -> bool:
    """Shrink the file by at most ``pages``; whether there is more to give."""
    (free,) = database.execute("pragma freelist_count").fetchone()
    (all_pages,) = database.execute("pragma page_count").fetchone()
    spare = free - all_pages // _FREE_SHARE
    if spare > 0:
        database.execute(f"pragma incremental_vacuum({min(spare, pages)})").fetchall()
    return bool(spare > pages)
