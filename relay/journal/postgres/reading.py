"""What the stages read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.journal.postgres.arrays import Texts
from relay.journal.postgres.horizon import Bounds
from relay.journal.postgres.pools import Pool
from relay.model import Call, CallBatch, Event, EventBatch, Lane, Stage

LAST_ID = 2**63 - 1
"""A person may ask for a larger one, of which PostgreSQL cannot even be asked."""
BATCH_BYTES = 8 << 20
"""A batch ends with the event or call that reaches this."""

EVENT_COLUMNS = (
    "e.id, e.lane, e.partition, e.source, e.topic, coalesce(e.long_key, e.delivery_key), e.entity, e.occurred_at_ms,"
    " e.received_at_ms, e.headers, e.body, e.replay_of, (select at_ms from forgotten where event_id = e.id),"
    " coalesce(e.options, '')"
)
CALL_COLUMNS = (
    "c.id, c.event_id, c.tracked_event, c.message_id, c.text, c.template_version, e.received_at_ms, e.source,"
    " e.options,"
    " (select at_ms from forgotten f where f.event_id = c.event_id)"
)


def _batch(table: str, columns: str, large: str, line: str, joined: str) -> str:
    """SQL for a row each: the position, whether something waits beyond the horizon, and the columns.

    There is a row without columns when nothing can be read. ``line`` are the first columns of the index by
    stage. They are compared and sorted by as rows, since only that index has such an order: the planner would
    take the primary key else, and walk through all that waits for others.
    """
    values = ", ".join(f"%({column})s" for column in line.split(", "))

    def behind(what: str, position: str, upto: str, limit: str) -> str:
        return f"""
            select {what} from {table}
            where ({line}, id) > ({values}, {position}) and ({line}, id) <= ({values}, {upto})
            order by {line}, id limit {limit}
        """  # noqa: S608

    return f"""
        select r.position,
            batch.id is null and ({behind("id", "greatest(r.position, %(bound)s)", str(LAST_ID), "1")}) is not null,
            batch.*
        from cursors r left join lateral (
            select {columns} from (
                select *, sum(octet_length({large})) over (order by id) - octet_length({large}) as before
                from ({behind("*", "r.position", "%(bound)s", "%(limit)s")}) waiting
            ) {joined}
            where before < {BATCH_BYTES}
        ) batch on true
        where r.stage = %(stage)s and r.lane = %(lane)s and r.partition = %(partition)s
    """  # noqa: S608  only constants of this file


READ_EVENTS = _batch("events", EVENT_COLUMNS, "body", "source, lane, partition", "e")
READ_CALLS = _batch("calls", CALL_COLUMNS, "text", "lane, partition", "c left join events e on e.id = c.event_id")
DELIVERED = "select message_id from delivered where destination = %s and message_id = any(%s::text[])"


async def read_events(pool: Pool, bounds: Bounds, stage: Stage, limit: int) -> tuple[EventBatch, bool]:
    """The batch; and when it is empty, whether events wait that may not be read yet."""
    position, hidden, found = await _read(pool, READ_EVENTS, bounds.events, stage, limit)
    return EventBatch(position, [to_event(row) for row in found]), hidden


async def read_calls(pool: Pool, bounds: Bounds, stage: Stage, limit: int) -> tuple[CallBatch, bool]:
    position, hidden, found = await _read(pool, READ_CALLS, bounds.calls, stage, limit)
    return CallBatch(position, [to_call(row) for row in found]), hidden


async def _read(
    pool: Pool, statement: str, bound: int, stage: Stage, limit: int
) -> tuple[int, bool, list[tuple[Any, ...]]]:
    names = {
        "stage": stage.name,
        "source": stage.name.partition(":")[2],
        "lane": str(stage.lane),
        "partition": stage.partition,
        "bound": bound,
        "limit": limit,
    }
    found = await pool.rows(statement, names)
    if not found:
        raise LookupError(f"the stage {stage.name} was never opened")
    position, hidden, first_id, *_ = found[0]
    if first_id is None:
        return position, hidden, []
    return position, False, sorted((row[2:] for row in found), key=_id)


def _id(row: Sequence[Any]) -> int:
    found: int = row[0]
    return found


def to_event(row: Sequence[Any]) -> Event:
    """From `EVENT_COLUMNS`."""
    event_id, lane, *others = row
    return Event(event_id, Lane(lane), *others)


def to_call(row: Sequence[Any]) -> Call:
    """From `CALL_COLUMNS`."""
    *others, received_at_ms, source, options, forgotten_at_ms = row
    call_id, event_id, tracked_event, message_id, text, template_version = others
    return Call(
        call_id,
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


async def delivered(pool: Pool, destination: str, message_ids: Sequence[str]) -> set[str]:
    found = await pool.rows(DELIVERED, (destination, Texts(message_ids)))
    return {message_id for (message_id,) in found}
