"""Looking events up: by key, outcome, time and so on, newest first."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from relay.journal.sqlite.readers import snapshot
from relay.journal.sqlite.rows import id_list
from relay.model import EventId, EventSummary, Lane, OutcomeKind, Selection

_SUMMARIES = """
    select id, source, topic, entity, received_at_ms, lane, replay_of
    from events where id in (select value from json_each(?)) order by id desc
"""
_OUTCOMES = """
    select event_id, kind, destination
    from outcomes where event_id in (select value from json_each(?))
"""


def find(database: sqlite3.Connection, selection: Selection, limit: int, before: EventId | None) -> list[EventSummary]:
    table, conditions, values = _translate(selection)
    if before is not None:
        conditions, values = [*conditions, "e.id < ?"], [*values, before]
    with snapshot(database):
        ids = database.execute(
            f"select e.id from {table} where {' and '.join(conditions)} order by e.id desc limit ?",  # noqa: S608
            (*values, limit),
        ).fetchall()
        chosen = id_list(event_id for (event_id,) in ids)
        rows = database.execute(_SUMMARIES, (chosen,)).fetchall()
        outcomes = defaultdict(set)
        for event_id, kind, destination in database.execute(_OUTCOMES, (chosen,)):
            outcomes[event_id].add(f"{kind}@{destination}" if destination else kind)
    return [
        EventSummary(id_, source, topic, entity, received_at_ms, Lane(lane), replay_of, sorted(outcomes[id_]))
        for id_, source, topic, entity, received_at_ms, lane, replay_of in rows
    ]


def count(database: sqlite3.Connection, selection: Selection) -> int:
    table, conditions, values = _translate(selection)
    statement = f"select count(*) from {table} where {' and '.join(conditions)}"  # noqa: S608
    return int(database.execute(statement, values).fetchone()[0])


def _translate(selection: Selection) -> tuple[str, list[str], list[Any]]:
    """Table, conditions and their values. Only constants go into the SQL."""
    conditions, values = ["true"], []
    simple = (
        ("+e.source = ?", selection.source),  # "+": by its index they would come unsorted
        ("e.topic = ?", selection.topic),
        ("e.received_at_ms >= ?", selection.since_ms),
        ("e.received_at_ms < ?", selection.until_ms),
    )
    for condition, value in simple:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    few = _few(selection)
    for condition, chosen in (*few, *_by_end(selection)):
        conditions.append(condition)
        values += chosen
    # Nothing names the candidates: walk the brief index from the newest, and stop when there are enough.
    return ("events e" if few else "events e indexed by events_in_brief"), conditions, values


def _few(selection: Selection) -> list[tuple[str, list[Any]]]:
    """Conditions that an index turns into a list of ids."""
    found: list[tuple[str, list[Any]]] = []
    if selection.event_ids:
        ids = id_list(selection.event_ids)
        found.append(("e.id in (select value from json_each(?))", [ids]))
    if selection.key is not None:
        found.append(("e.id in (select event_id from event_keys where key = ?)", [selection.key.lower()]))
    if selection.outcome not in (None, OutcomeKind.DELIVERED):
        conditions, values = _outcome(selection)
        found.append(
            (f"e.id in (select o.event_id from outcomes o where o.kind <> 'delivered' and {conditions})", values)  # noqa: S608
        )
    return found


def _by_end(selection: Selection) -> list[tuple[str, list[Any]]]:
    """Conditions that are looked at event by event."""
    if selection.outcome not in (None, OutcomeKind.DELIVERED):
        return []
    if selection.outcome or selection.destination is not None or selection.code is not None:
        conditions, values = _outcome(selection)
        return [(f"exists (select 1 from outcomes o where o.event_id = e.id and {conditions})", values)]  # noqa: S608
    if selection.tracked_event is not None:
        tracked = "exists (select 1 from calls c where c.event_id = e.id and c.tracked_event = ?)"
        return [(tracked, [selection.tracked_event])]
    return []


def _outcome(selection: Selection) -> tuple[str, list[Any]]:
    """One and the same outcome must fit all that is said of outcomes, and its call the tracked event."""
    given: Sequence[tuple[str, str | None]] = (
        ("o.kind = ?", selection.outcome and str(selection.outcome)),
        ("o.destination = ?", selection.destination),
        ("o.code = ?", selection.code),
        ("exists (select 1 from calls c where c.id = o.call_id and c.tracked_event = ?)", selection.tracked_event),
    )
    chosen = [(condition, value) for condition, value in given if value is not None]
    return " and ".join(condition for condition, _ in chosen), [value for _, value in chosen]
