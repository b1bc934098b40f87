"""How far the logs may be read: no row can still appear at or before the horizon.

Ids are given out in order, but rows become visible when their transaction commits: id 7 may come after
id 8 was read. So whoever appends first takes a shared advisory lock that names the last id given out
before (`appending_lock`), and holds it until its commit. All ids it takes are larger. The horizon is the
smallest id that such a lock names, or else the last id given out. See docs/decisions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay.journal.postgres.keys import LOW_BITS, Keys, Kind
from relay.journal.postgres.pools import Pool

_LAST = "(select last_value - (not is_called)::int from {log}_id)"
_LOW = (1 << LOW_BITS) - 1


def appending_lock(keys: Keys, kind: Kind) -> str:
    """SQL that must have run in a transaction before its first row of the log gets an id."""
    log = kind.name.lower()
    return f"pg_advisory_xact_lock_shared({keys.prefix(kind)} | {_LAST.format(log=log)})"


def statement(keys: Keys) -> str:
    """The horizons of events and calls, and the last ids given out.

    The order counts: the last ids first, then the locks; and rows are read with a later snapshot.
    """
    return f"""
        with last as materialized (select {_LAST.format(log="events")} as events, {_LAST.format(log="calls")} as calls)
        select least(last.events, held.events), least(last.calls, held.calls), last.events, last.calls
        from last, lateral (
            select {_lowest(keys, Kind.EVENTS)} as events, {_lowest(keys, Kind.CALLS)} as calls
            from (
                select classid::bigint << 32 | objid::bigint as name from pg_locks
                -- Refers to `last`, so that it is looked at when that is known.
                where locktype = 'advisory' and objsubid = 1 and last.events is not null
                  and database = (select oid from pg_database where datname = current_database())
            ) locks
        ) held
    """  # noqa: S608  only constants


def _lowest(keys: Keys, kind: Kind) -> str:
    return f"min(name & {_LOW}) filter (where name >> {LOW_BITS} = {keys.prefix(kind) >> LOW_BITS})"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ids up to ``events`` and ``calls`` may be read; ``last_…`` were given out."""

    events: int = 0
    calls: int = 0
    last_events: int = 0
    last_calls: int = 0


class Horizon:
    """Looked for once for all that ask at the same time."""

    def __init__(self, pool: Pool, keys: Keys) -> None:
        self._pool = pool
        self._statement = statement(keys)
        self._turn = asyncio.Lock()
        self._begun = self._done = 0
        self._bounds = Bounds()

    async def bounds(self) -> Bounds:
        """As they are now: looked for after this was called."""
        before = self._begun
        async with self._turn:
            if self._done <= before:
                self._begun += 1
                look = self._begun
                (found,) = await self._pool.rows(self._statement)
                self._bounds, self._done = Bounds(*found), look
            return self._bounds
