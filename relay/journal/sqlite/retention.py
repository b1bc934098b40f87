"""Removing what is old and done, in small steps.

What may go is sought by a reader, so that the writer only deletes. That is safe, since nothing
that may go can become needed again: cursors only move forward.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import NamedTuple

import orjson

from relay.journal.protocol import Dropped, Emptied
from relay.journal.sqlite.readers import Readers
from relay.journal.sqlite.rows import LAST_ID, id_list
from relay.journal.sqlite.showing import ATTEMPTS_OF_A_CALL, WIDEST_ATTEMPT
from relay.journal.sqlite.writer import Writer

_END = LAST_ID
_AT_ONCE = 50
_PAGES = 200
_FREE_SHARE = 10
"""Free pages up to a tenth of the file stay in it for new rows."""

_FINISHED = """exists (
            select 1 from cursors r
            where r.stage = 'render:' || e.source and r.lane = e.lane and r.partition = e.partition
              and r.position >= e.id)
        and not exists (
            select 1 from calls c, json_each(:stages) s
            where c.event_id = e.id and c.id > coalesce((
                select d.position from cursors d
                where d.stage = s.value and d.lane = c.lane and d.partition = c.partition), 0))
        and not exists (
            select 1 from outcomes o where o.event_id = e.id and o.kind = 'dead' and o.at_ms >= :dead_cutoff)"""
OLD_EVENTS = f"""
    select e.id, e.received_at_ms < :cutoff, (e.received_at_ms < :cutoff and {_FINISHED})
    from events e where e.id > :after order by e.id limit :limit
"""  # noqa: S608  only constants of this file
# SQLite tells the length of a blob without reading it. An emptied event is not looked at any closer.
OLD_BODIES = f"""
    select e.id, e.received_at_ms < :cutoff, length(e.body) > 0,
        (e.received_at_ms < :cutoff and length(e.body) > 0 and {_FINISHED})
    from events e where e.id > :after order by e.id limit :limit
"""  # noqa: S608  only constants of this file
OLD_ATTEMPTS = """
    select a.id, a.started_at_ms < :cutoff, (
        a.started_at_ms < :cutoff
        and not exists (
            select 1 from calls c
            where c.lane = a.lane and c.partition = a.partition and c.id between a.first_call and a.last_call))
    from attempts a where a.id > :after order by a.id limit :limit
"""


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far a pass through the logs has come: what it kept is not looked at again in each step."""

    event: int = 0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Expired:
    """What may go, and where the next step goes on."""

    events: Sequence[int]
    attempts: Sequence[int]
    then: Sweep
    more: bool


class Retention:
    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer
        self._sweep = Sweep()

    async def step(
        self,
        *,
        events_before_ms: int,
        dead_before_ms: int,
        quarantine_before_ms: int,
        stages: Sequence[str],
        limit: int,
    ) -> Dropped:
        expired = await self._readers.read(
            lambda db: find_expired(
                db,
                self._sweep,
                events_before_ms=events_before_ms,
                dead_before_ms=dead_before_ms,
                stages=stages,
                limit=limit,
            )
        )
        events = await _in_turn(self._writer, _drop_events, expired.events)
        await _in_turn(self._writer, _drop_attempts, expired.attempts)
        quarantined = await self._writer.write(lambda db: _drop_quarantined(db, quarantine_before_ms, limit))
        self._sweep = expired.then
        more_space = await self._writer.alone(_give_back)
        return Dropped(events, quarantined, expired.more or quarantined == limit or more_space)


class _Body(NamedTuple):
    id: int
    is_old: bool
    has_body: bool
    may_go: bool


class BodyRetention:
    """Passes through the old events again and again, but not through those in front that are all empty."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer
        self._after = self._all_empty = 0

    async def step(self, *, before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Emptied:
        rows = await self._readers.read(
            lambda db: _find_bodies(db, self._after, before_ms, dead_before_ms, stages, limit)
        )
        emptied = await _in_turn(self._writer, _empty_events, [row.id for row in rows if row.may_go])
        if self._after == self._all_empty:
            done = list(takewhile(lambda row: row.is_old and (row.may_go or not row.has_body), rows))
            self._all_empty = done[-1].id if done else self._all_empty
        more = len(rows) == limit and bool(rows[-1].is_old)
        self._after = rows[-1].id if more else self._all_empty
        return Emptied(emptied, more)


async def _in_turn(writer: Writer, drop: Callable[[str, sqlite3.Connection], int], ids: Sequence[int]) -> int:
    """Delete in several transactions, so that what comes in meanwhile goes between."""
    dropped = 0
    for start in range(0, len(ids), _AT_ONCE):
        chosen = id_list(ids[start : start + _AT_ONCE])
        dropped += await writer.write(partial(drop, chosen))
    return dropped


def find_expired(
    database: sqlite3.Connection,
    sweep: Sweep,
    *,
    events_before_ms: int,
    dead_before_ms: int,
    stages: Sequence[str],
    limit: int,
) -> Expired:
    names = _names(events_before_ms, dead_before_ms, stages, limit)
    events, event = _look(database, OLD_EVENTS, {**names, "after": sweep.event}, limit)
    attempts, attempt = _look(database, OLD_ATTEMPTS, {**names, "after": sweep.attempt}, limit)
    then = Sweep(event, attempt)
    ended = then == Sweep(_END, _END)
    return Expired(events, attempts, Sweep() if ended else then, not ended)


def _find_bodies(
    database: sqlite3.Connection, after: int, before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int
) -> list[_Body]:
    names = {**_names(before_ms, dead_before_ms, stages, limit), "after": after}
    return [_Body(*row) for row in database.execute(OLD_BODIES, names)]


def _names(before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Mapping[str, int | str]:
    return {
        "cutoff": before_ms,
        "dead_cutoff": dead_before_ms,
        "stages": orjson.dumps([stage for stage in stages if stage.startswith("deliver:")]).decode(),
        "limit": limit,
    }


def _look(
    database: sqlite3.Connection, statement: str, names: Mapping[str, int | str], limit: int
) -> tuple[list[int], int]:
    """Ids that may go, and the last one looked at.

    Ids follow the time of arrival, so the pass ends behind the first row that is not old.
    """
    rows = database.execute(statement, names).fetchall()
    more = len(rows) == limit and rows[-1][1]
    return [row_id for row_id, _, done in rows if done], rows[-1][0] if more else _END


def _drop_events(chosen: str, database: sqlite3.Connection) -> int:
    for table in ("outcomes", "calls", "event_keys", "fetched", "forgotten"):
        database.execute(f"delete from {table} where event_id in (select value from json_each(?))", (chosen,))  # noqa: S608
    database.execute("delete from event_options where event in (select value from json_each(?))", (chosen,))
    return database.execute("delete from events where id in (select value from json_each(?))", (chosen,)).rowcount


def _empty_events(chosen: str, database: sqlite3.Connection) -> int:
    calls = database.execute(
        "select lane, partition, id from calls where event_id in (select value from json_each(?))", (chosen,)
    )
    for lane, partition, call in calls.fetchall():
        database.execute(
            f"update attempts set request = '' where request <> '' and id in (select id {ATTEMPTS_OF_A_CALL})",  # noqa: S608
            {"lane": lane, "partition": partition, "call": call, "widest": WIDEST_ATTEMPT},
        )
    database.execute("update calls set text = '' where event_id in (select value from json_each(?))", (chosen,))
    database.execute("delete from fetched where event_id in (select value from json_each(?))", (chosen,))
    return database.execute(
        "update events set body = x'', headers = '{}' where id in (select value from json_each(?))", (chosen,)
    ).rowcount


def _drop_attempts(chosen: str, database: sqlite3.Connection) -> int:
    return database.execute("delete from attempts where id in (select value from json_each(?))", (chosen,)).rowcount


def _drop_quarantined(database: sqlite3.Connection, before_ms: int, limit: int) -> int:
    return database.execute(
        "delete from quarantine where id in"
        " (select id from quarantine where received_at_ms < ? order by received_at_ms limit ?)",
        (before_ms, limit),
    ).rowcount


def _give_back(database: sqlite3.Connection) -> bool:
    """Shrink the file a little; whether there is more to give."""
    (free,) = database.execute("pragma freelist_count").fetchone()
    (pages,) = database.execute("pragma page_count").fetchone()
    spare = free - pages // _FREE_SHARE
    if spare > 0:
        # As a script: ``execute`` would stop after the first page. A script cannot be in a transaction.
        database.executescript(f"pragma incremental_vacuum({min(spare, _PAGES)})")
    return bool(spare > _PAGES)
