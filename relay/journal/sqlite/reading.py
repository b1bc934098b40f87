"""What the stages read. A batch comes back as one row, that is in one step (see `rows`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import orjson

from relay.journal.sqlite.rows import look_up
from relay.model import Call, CallBatch, Event, EventBatch, Lane, Stage

BATCH_BYTES = 8 << 20
"""A batch ends with the event or call that reaches this."""

_POSITION = "(select position from cursors where stage = :stage and lane = :lane and partition = :partition)"


def _batch(columns: str, large: str, waiting: str) -> str:
    """SQL for the position, the rows' small columns with the large one's size, and all large ones joined.

    JSON holds no bytes, and escaping texts would cost more than cutting them apart again.
    """
    size = f"length(cast({large} as blob))"
    return f"""
        select {_POSITION}, json_group_array(json_array({columns}, {size})), cast(group_concat({large}, '') as blob)
        from (select * {waiting} limit (
            select count(*)
            from (select sum(size) over (rows unbounded preceding) - size as before
                  from (select {size} as size {waiting} limit :limit))
            where before < {BATCH_BYTES}))
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
READ_EVENTS = _batch(
    EVENT_COLUMNS,
    "body",
    f"from events where source = :source and lane = :lane and partition = :partition and id > {_POSITION} order by id",
)
READ_CALLS = _batch(
    CALL_COLUMNS,
    "text",
    f"from calls where lane = :lane and partition = :partition and id > {_POSITION} order by id",
)


def read_events(database: sqlite3.Connection, stage: Stage, limit: int) -> EventBatch:
    position, rows = _read(database, READ_EVENTS, stage, limit)
    return EventBatch(position, [to_event((*small, body)) for small, body in rows])


def read_calls(database: sqlite3.Connection, stage: Stage, limit: int) -> CallBatch:
    position, rows = _read(database, READ_CALLS, stage, limit)
    return CallBatch(position, [to_call((*small, text.decode())) for small, text in rows])


def _read(
    database: sqlite3.Connection, statement: str, stage: Stage, limit: int
) -> tuple[int, Iterator[tuple[list[Any], bytes]]]:
    names = {
        "stage": stage.name,
        "source": stage.name.partition(":")[2],
        "lane": str(stage.lane),
        "partition": stage.partition,
        "limit": limit,
    }
    position, rows, joined = database.execute(statement, names).fetchone()
    if position is None:
        raise LookupError(f"the stage {stage.name} was never opened")
    return position, _cut(orjson.loads(rows), joined)


def _cut(rows: list[list[Any]], joined: bytes) -> Iterator[tuple[list[Any], bytes]]:
    bounds = accumulate((row.pop() for row in rows), initial=0)
    for row, (start, end) in zip(rows, pairwise(list(bounds)), strict=True):
        yield row, joined[start:end]


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
