"""How things stand: gates, backlogs, documents fetched, sources seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from relay.model import Backlog, EventId, Gate

BACKLOG_OF_EVENTS = """
    select coalesce(sum((
        select count(*) from events e
        where e.source = ?2 and e.lane = c.lane and e.partition = c.partition and e.id > c.position
    )), 0), min((
        select e.received_at_ms from events e
        where e.source = ?2 and e.lane = c.lane and e.partition = c.partition and e.id > c.position
        order by e.id limit 1
    ))
    from cursors c where c.stage = ?1
"""
BACKLOG_OF_CALLS = """
    select coalesce(sum((
        select count(*) from calls k
        where k.lane = c.lane and k.partition = c.partition and k.id > c.position
    )), 0), min((
        select e.received_at_ms from calls k join events e on e.id = k.event_id
        where k.lane = c.lane and k.partition = c.partition and k.id > c.position
        order by k.id limit 1
    ))
    from cursors c where c.stage = ?1 and ?2 <> ''
"""
# Hops from one source to the next; `distinct` would walk the whole index.
SOURCES = """
    with recursive seen (source) as (
        select min(source) from events
        union all
        select (select min(source) from events where source > seen.source) from seen where seen.source is not null
    )
    select source from seen where source is not null
"""
FETCHED = """
    with recursive chain (id, depth) as (
        values (?1, 0)
        union all
        select e.replay_of, depth + 1 from chain join events e on e.id = chain.id where e.replay_of is not null
    )
    select depth, f.name, f.document from chain join fetched f on f.event_id = chain.id
"""


def gate(database: sqlite3.Connection, name: str) -> Gate:
    row = database.execute("select failures, not_before_ms, code, why from gates where name = ?", (name,)).fetchone()
    return Gate(*row) if row else Gate()


def backlogs(database: sqlite3.Connection, names: Sequence[str]) -> list[Backlog]:
    """The oldest is the first in its lane and partition, so of a replay it is the replay's age."""
    found = []
    for name in names:
        kind, _, subject = name.partition(":")
        statement = BACKLOG_OF_CALLS if kind == "deliver" else BACKLOG_OF_EVENTS
        found.append(Backlog(name, *database.execute(statement, (name, subject)).fetchone()))
    return found


def stage_sources(database: sqlite3.Connection) -> list[str]:
    return [source for (source,) in database.execute(SOURCES)]


def fetched(database: sqlite3.Connection, event_id: EventId) -> Mapping[str, Any]:
    """An event's own documents go before those of the event it replays."""
    found = sorted(database.execute(FETCHED, (event_id,)), reverse=True)
    return {name: json.loads(document) for _, name, document in found}
