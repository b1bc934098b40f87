"""How things stand: gates, backlogs, documents fetched, sources seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.pools import row, rows
from relay.model import Backlog, EventId, Gate

GATE = "select failures, not_before_ms, code, why from gates where name = %s"
BACKLOG_OF_EVENTS = """
    select coalesce(sum(waiting.number), 0)::bigint, min(oldest.received_at_ms)
    from cursors c, lateral (
        select count(*) as number from events e
        where e.source = %(subject)s and e.lane = c.lane and e.partition = c.partition and e.id > c.position
    ) waiting left join lateral (
        select e.received_at_ms from events e
        where e.source = %(subject)s and e.lane = c.lane and e.partition = c.partition and e.id > c.position
        order by e.id limit 1
    ) oldest on true
    where c.stage = %(stage)s
"""
BACKLOG_OF_CALLS = """
    select coalesce(sum(waiting.number), 0)::bigint, min(oldest.received_at_ms)
    from cursors c, lateral (
        select count(*) as number from calls k
        where k.lane = c.lane and k.partition = c.partition and k.id > c.position
    ) waiting left join lateral (
        select e.received_at_ms from (
            select k.event_id from calls k
            where k.lane = c.lane and k.partition = c.partition and k.id > c.position
            order by k.id limit 1
        ) first join events e on e.id = first.event_id
    ) oldest on true
    where c.stage = %(stage)s
"""
# Hops from one source to the next; `distinct` would walk the whole index.
SOURCES = """
    with recursive seen (source) as (
        (select source from events order by source limit 1)
        union all
        select (select e.source from events e where e.source > seen.source order by e.source limit 1)
        from seen where seen.source is not null
    )
    select source from seen where source is not null
"""
FETCHED = """
    with recursive chain (id, depth) as (
        select %s::bigint, 0
        union all
        select e.replay_of, depth + 1 from chain join events e on e.id = chain.id where e.replay_of is not null
    )
    select depth, f.name, f.document from chain join fetched f on f.event_id = chain.id
"""


async def gate(connection: Connection, name: str) -> Gate:
    found = await row(connection, GATE, (name,))
    return Gate(*found) if found else Gate()


async def backlogs(connection: Connection, names: Sequence[str]) -> list[Backlog]:
    """The oldest is the first in its lane and partition, so of a replay it is the replay's age."""
    found = []
    for name in names:
        kind, _, subject = name.partition(":")
        statement = BACKLOG_OF_CALLS if kind == "deliver" else BACKLOG_OF_EVENTS
        stands = await row(connection, statement, {"stage": name, "subject": subject})
        assert stands is not None
        found.append(Backlog(name, *stands))
    return found


async def stage_sources(connection: Connection) -> list[str]:
    return [source for (source,) in await rows(connection, SOURCES)]


async def fetched(connection: Connection, event_id: EventId) -> Mapping[str, Any]:
    """An event's own documents go before those of the event it replays."""
    found = sorted(await rows(connection, FETCHED, (event_id,)), reverse=True)
    return {name: json.loads(document) for _, name, document in found}
