"""Removing what is old and done, in small steps.

What may go is sought apart, so that the transactions that write only delete. That is safe, since nothing
that may go can become needed again: cursors only move forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from relay.journal.postgres.arrays import Bigints, Texts
from relay.journal.postgres.pools import Pool
from relay.journal.postgres.reading import LAST_ID
from relay.journal.postgres.showing import ATTEMPTS_OF_CALLS, WIDEST_ATTEMPT
from relay.journal.protocol import Dropped, Emptied

_END = LAST_ID
_AT_ONCE = 200

_FINISHED = """exists (
            select 1 from cursors r
            where r.stage = 'render:' || e.source and r.lane = e.lane and r.partition = e.partition
              and r.position >= e.id offset 0)
        and not exists (
            select 1 from calls c, unnest(%(stages)s::text[]) s
            where c.event_id = e.id and c.id > coalesce((
                select d.position from cursors d
                where d.stage = s and d.lane = c.lane and d.partition = c.partition), 0) offset 0)
        and not exists (
            select 1 from outcomes o
            where o.event_id = e.id and o.kind = 'dead' and o.at_ms >= %(dead_cutoff)s offset 0)"""
OLD_EVENTS = f"""
    select e.id, e.received_at_ms < %(cutoff)s, (e.received_at_ms < %(cutoff)s and {_FINISHED})
    from events e where e.id > %(after)s order by e.id limit %(limit)s
"""  # noqa: S608  only constants of this file
# The length of a body is known without reading it. An emptied event is not looked at any closer.
OLD_BODIES = f"""
    select e.id, e.received_at_ms < %(cutoff)s, octet_length(e.body) > 0,
        (e.received_at_ms < %(cutoff)s and octet_length(e.body) > 0 and {_FINISHED})
    from events e where e.id > %(after)s order by e.id limit %(limit)s
"""  # noqa: S608  only constants of this file
OLD_ATTEMPTS = """
    select a.id, a.started_at_ms < %(cutoff)s, (
        a.started_at_ms < %(cutoff)s
        and not exists (
            select 1 from calls c
            where c.lane = a.lane and c.partition = a.partition and c.id between a.first_call and a.last_call offset 0))
    from attempts a where a.id > %(after)s order by a.id limit %(limit)s
"""
_BELONGING = ("outcomes", "calls", "event_keys", "fetched", "forgotten")
_DROP_BELONGING = (f"{name} as (delete from {name} where event_id = any(%(chosen)s::bigint[]))" for name in _BELONGING)  # noqa: S608
DROP_EVENTS = f"with {', '.join(_DROP_BELONGING)} delete from events where id = any(%(chosen)s::bigint[])"  # noqa: S608
EMPTY_EVENTS = f"""
    with requests as (
        update attempts set request = '' where request <> '' and id in (select id from ({ATTEMPTS_OF_CALLS}) a)),
    texts as (update calls set text = '' where event_id = any(%(chosen)s::bigint[])),
    documents as (delete from fetched where event_id = any(%(chosen)s::bigint[]))
    update events set body = '', headers = '{{}}' where id = any(%(chosen)s::bigint[])
"""  # noqa: S608  only constants of this file
DROP_ATTEMPTS = "delete from attempts where id = any(%(chosen)s::bigint[])"
DROP_QUARANTINED = """
    delete from quarantine where id = any(array(
        select id from quarantine where received_at_ms < %s order by received_at_ms limit %s))
"""


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far a pass through the logs has come: what it kept is not looked at again in each step."""

    event: int = 0
    attempt: int = 0


class Retention:
    def __init__(self, lookups: Pool, stages: Pool) -> None:
        self._lookups = lookups
        self._stages = stages
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
        names = _names(events_before_ms, dead_before_ms, stages, limit)
        old_events, event = await self._look(OLD_EVENTS, {**names, "after": self._sweep.event}, limit)
        old_attempts, attempt = await self._look(OLD_ATTEMPTS, {**names, "after": self._sweep.attempt}, limit)
        dropped = await _in_turn(self._stages, DROP_EVENTS, old_events)
        await _in_turn(self._stages, DROP_ATTEMPTS, old_attempts)
        async with self._stages.connection() as connection:
            quarantined = (await connection.execute(DROP_QUARANTINED, (quarantine_before_ms, limit))).rowcount
        ended = (event, attempt) == (_END, _END)
        self._sweep = Sweep() if ended else Sweep(event, attempt)
        return Dropped(dropped, quarantined, not ended or quarantined == limit)

    async def _look(self, statement: str, names: Mapping[str, Any], limit: int) -> tuple[list[int], int]:
        """Ids that may go, and the last one looked at.

        Ids follow the time of arrival, so the pass ends behind the first row that is not old.
        """
        found = await self._lookups.rows(statement, names)
        more = len(found) == limit and found[-1][1]
        return [row_id for row_id, _, done in found if done], found[-1][0] if more else _END


class _Body(NamedTuple):
    id: int
    is_old: bool
    has_body: bool
    may_go: bool


class BodyRetention:
    """Passes through the old events again and again, but not through those in front that are all empty."""

    def __init__(self, lookups: Pool, stages: Pool) -> None:
        self._lookups = lookups
        self._stages = stages
        self._after = self._all_empty = 0

    async def step(self, *, before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Emptied:
        names = {**_names(before_ms, dead_before_ms, stages, limit), "after": self._after}
        found = [_Body(*row) for row in await self._lookups.rows(OLD_BODIES, names)]
        emptied = await _in_turn(self._stages, EMPTY_EVENTS, [body.id for body in found if body.may_go])
        if self._after == self._all_empty:
            done = list(takewhile(lambda body: body.is_old and (body.may_go or not body.has_body), found))
            self._all_empty = done[-1].id if done else self._all_empty
        more = len(found) == limit and found[-1].is_old
        self._after = found[-1].id if more else self._all_empty
        return Emptied(emptied, more)


def _names(before_ms: int, dead_before_ms: int, stages: Sequence[str], limit: int) -> Mapping[str, Any]:
    return {
        "cutoff": before_ms,
        "dead_cutoff": dead_before_ms,
        "stages": Texts(stage for stage in stages if stage.startswith("deliver:")),
        "limit": limit,
    }


async def _in_turn(pool: Pool, statement: str, ids: Sequence[int]) -> int:
    """In several transactions, each short."""
    done = 0
    for start in range(0, len(ids), _AT_ONCE):
        async with pool.connection() as connection:
            names = {"chosen": Bigints(ids[start : start + _AT_ONCE]), "widest": WIDEST_ATTEMPT}
            done += (await connection.execute(statement.encode(), names)).rowcount
    return done
