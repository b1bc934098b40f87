"""What the stages read. A batch comes back as one row, that is in one step (see `rows`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import orjson

from relay.journal.sqlite.rows import look_up
from relay.model import Call, CallBatch, Event, EventBatch, Lane, Stage

BATCH_BYTES = 8 << 20
"""A batch ends with the event or call that reaches this."""

_LANES = ", ".join(f"('{lane}')" for lane in Lane)


def _batch(table: str, columns: str, large: str, line: str) -> str:
    """SQL for the position, the other lanes that have any, the rows, and all large columns joined.

    A row is its small columns and the large one's size: JSON holds no bytes, and escaping texts would
    cost more than cutting them apart again. ``line`` tells what stands in line, but for the lane.
    """

    def position(lane: str) -> str:
        return f"(select position from cursors where stage = :stage and lane = {lane} and partition = :partition)"  # noqa: S608

    def behind(lane: str) -> str:
        return f"from {table} where {line} and lane = {lane} and partition = :partition and id > {position(lane)}"

    # A name alone would be compared with the condition of each partial index, and for that SQLite
    # compiles the statement anew each time; it takes eight times as long then.
    lane = "+:lane"
    size = f"length(cast({large} as blob))"
    return f"""
        select {position(lane)},
            (select json_group_array(column1) from (values {_LANES})
             where column1 <> :lane and exists (select 1 {behind("column1")})),
            json_group_array(json_array({columns}, {size})), cast(group_concat({large}, '') as blob)
        from (select * {behind(lane)} order by id limit (
            select count(*)
            from (select sum(size) over (rows unbounded preceding) - size as before
                  from (select {size} as size {behind(lane)} order by id limit :limit))
            where before < {BATCH_BYTES})) waiting
    """  # noqa: S608  only constants of this file


EVENT_COLUMNS = (
    "id, lane, partition, source, topic, delivery_key, entity, occurred_at_ms, received_at_ms, headers, replay_of,"
    " (select at_ms from forgotten where event_id = id),"
    " coalesce((select options from event_options where event = id), '')"
)
CALL_COLUMNS = (
    "id, event_id, tracked_event, message_id, template_version,"
    " (select received_at_ms from events where events.id = event_id),"
    " (select source from events where events.id = event_id),"
    " (select options from event_options where event = event_id),"
    " (select at_ms from (select event_id as forgotten_id, at_ms from forgotten) where forgotten_id = event_id)"
)
_DELIVERED = "exists (select 1 from delivered d where d.destination = :source and d.message_id = waiting.message_id)"
READ_EVENTS = _batch("events", EVENT_COLUMNS, "body", "source = :source")
READ_CALLS = _batch("calls", f"{_DELIVERED}, {CALL_COLUMNS}", "text", "true")


def read_events(database: sqlite3.Connection, stage: Stage, limit: int) -> EventBatch:
    position, waiting, rows = _read(database, READ_EVENTS, stage, limit)
    return EventBatch(position, [to_event((*small, body)) for small, body in rows], waiting)


def read_calls(database: sqlite3.Connection, stage: Stage, limit: int) -> CallBatch:
    position, waiting, rows = _read(database, READ_CALLS, stage, limit)
    calls, delivered = [], set()
    for (was_delivered, *small), text in rows:
        calls.append(to_call((*small, text.decode())))
        if was_delivered:
            delivered.add(calls[-1].message_id)
    return CallBatch(position, calls, waiting, delivered)


def _read(
    database: sqlite3.Connection, statement: str, stage: Stage, limit: int
) -> tuple[int, set[Lane], Sequence[tuple[list[Any], bytes]]]:
    names = {
        "stage": stage.name,
        "source": stage.name.partition(":")[2],
        "lane": str(stage.lane),
        "partition": stage.partition,
        "limit": limit,
    }
    position, others, found, joined = database.execute(statement, names).fetchone()
    if position is None:
        raise LookupError(f"the stage {stage.name} was never opened")
    waiting = {Lane(lane) for lane in orjson.loads(others)}
    rows = orjson.loads(found)
    if rows and (len(rows) == limit or len(joined) >= BATCH_BYTES):
        waiting.add(stage.lane)
    return position, waiting, _cut(rows, joined)


def _cut(rows: list[list[Any]], joined: bytes) -> list[tuple[list[Any], bytes]]:
    bounds = accumulate((row.pop() for row in rows), initial=0)
    return [(row, joined[start:end]) for row, (start, end) in zip(rows, pairwise(list(bounds)), strict=True)]


def to_event(row: Sequence[Any]) -> Event:
    """From the columns of `EVENT_COLUMNS` and the body."""
    (
        id_,
        lane,
        partition,
        source,
        topic,
        key,
        entity,
        occurred_at_ms,
        received_at_ms,
        headers,
        replay_of,
        forgotten_at_ms,
        options,
        body,
    ) = row
    return Event(
        id_,
        Lane(lane),
        partition,
        source,
        topic,
        key,
        entity,
        occurred_at_ms,
        received_at_ms,
        headers,
        body,
        replay_of,
        forgotten_at_ms,
        options,
    )


def to_call(row: Sequence[Any]) -> Call:
    """From the columns of `CALL_COLUMNS` and the text."""
    (
        id_,
        event_id,
        tracked_event,
        message_id,
        template_version,
        received_at_ms,
        source,
        options,
        forgotten_at_ms,
        text,
    ) = row
    return Call(
        id_,
        event_id,
        tracked_event,
        message_id,
        text,
        template_version,
        received_at_ms,
        source,
        options or "",
        forgotten_at_ms,
    )


def delivered(database: sqlite3.Connection, destination: str, message_ids: Sequence[str]) -> set[str]:
    known = "(select message_id from delivered where destination = column1 and message_id = column2)"
    found = look_up(database, known, [(destination, message_id) for message_id in message_ids])
    return {message_id for message_id in found if message_id is not None}
