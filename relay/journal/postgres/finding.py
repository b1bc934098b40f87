"""Looking events up: by key, outcome, time and so on, newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from relay.journal.postgres.appending import short
from relay.journal.postgres.arrays import Bigints
from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.pools import row, rows
from relay.journal.postgres.reading import LAST_ID
from relay.journal.postgres.showing import known_ids
from relay.model import EventId, EventSummary, Lane, OutcomeKind, Selection

SUMMARIES = """
    select id, source, topic, entity, received_at_ms, lane, replay_of
    from events where id = any(%s::bigint[]) order by id desc
"""
OUTCOMES = "select event_id, kind, destination from outcomes where event_id = any(%s::bigint[])"


async def find(connection: Connection, selection: Selection, limit: int, before: EventId | None) -> list[EventSummary]:
    """Within a transaction that sees one moment."""
    conditions, values = _translate(selection)
    if before is not None and before <= LAST_ID:
        conditions, values = [*conditions, "e.id < %s"], [*values, before]
    statement = f"select e.id from events e where {' and '.join(conditions)} order by e.id desc limit %s"  # noqa: S608
    chosen = Bigints(event_id for (event_id,) in await rows(connection, statement, (*values, limit)))
    found = await rows(connection, SUMMARIES, (chosen,))
    outcomes = defaultdict(set)
    for event_id, kind, destination in await rows(connection, OUTCOMES, (chosen,)):
        outcomes[event_id].add(f"{kind}@{destination}" if destination else kind)
    return [
        EventSummary(id_, source, topic, entity, received_at_ms, Lane(lane), replay_of, sorted(outcomes[id_]))
        for id_, source, topic, entity, received_at_ms, lane, replay_of in found
    ]


async def count(connection: Connection, selection: Selection) -> int:
    conditions, values = _translate(selection)
    found = await row(connection, f"select count(*) from events e where {' and '.join(conditions)}", values)  # noqa: S608
    assert found is not None
    return int(found[0])


def _translate(selection: Selection) -> tuple[list[str], list[Any]]:
    """Conditions and their values. Only constants go into the SQL."""
    conditions, values = ["true"], []
    simple = (
        ("e.source = %s", selection.source),
        ("e.topic = %s", selection.topic),
        ("e.received_at_ms >= %s", selection.since_ms),
        ("e.received_at_ms < %s", selection.until_ms),
    )
    for condition, value in simple:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    for condition, chosen in (*_few(selection), *_by_end(selection)):
        conditions.append(condition)
        values += chosen
    return conditions, values


def _few(selection: Selection) -> list[tuple[str, list[Any]]]:
    """Conditions that an index turns into a list of ids."""
    found: list[tuple[str, list[Any]]] = []
    if selection.event_ids:
        found.append(("e.id = any(%s::bigint[])", [known_ids(selection.event_ids)]))
    if selection.key is not None:
        key = short(selection.key.lower())
        found.append(("e.id = any(array(select event_id from event_keys where key = %s))", [key]))
    if selection.outcome not in (None, OutcomeKind.DELIVERED):
        conditions, values = _outcome(selection)
        few = f"select o.event_id from outcomes o where o.kind <> 'delivered' and {conditions}"  # noqa: S608
        found.append((f"e.id = any(array({few}))", values))
    return found


def _by_end(selection: Selection) -> list[tuple[str, list[Any]]]:
    """Conditions that are looked at event by event."""
    if selection.outcome not in (None, OutcomeKind.DELIVERED):
        return []
    if selection.outcome or selection.destination is not None or selection.code is not None:
        conditions, values = _outcome(selection)
        return [(f"exists (select 1 from outcomes o where o.event_id = e.id and {conditions} offset 0)", values)]  # noqa: S608
    if selection.tracked_event is not None:
        tracked = "exists (select 1 from calls c where c.event_id = e.id and c.tracked_event = %s offset 0)"
        return [(tracked, [selection.tracked_event])]
    return []


def _outcome(selection: Selection) -> tuple[str, list[Any]]:
    """One and the same outcome must fit all that is said of outcomes, and its call the tracked event."""
    given: Sequence[tuple[str, str | None]] = (
        ("o.kind = %s", selection.outcome and str(selection.outcome)),
        ("o.destination = %s", selection.destination),
        ("o.code = %s", selection.code),
        ("exists (select 1 from calls c where c.id = o.call_id and c.tracked_event = %s)", selection.tracked_event),
    )
    chosen = [(condition, value) for condition, value in given if value is not None]
    return " and ".join(condition for condition, _ in chosen), [value for _, value in chosen]
