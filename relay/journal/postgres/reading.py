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
    """SQL for a row each: the position, the lanes in which something waits, and the columns.

    Of the stage's own lane it is told whether something waits beyond the horizon. There is a row without
    columns when nothing can be read. ``line`` are the first columns of the index by stage. They are
    compared and sorted by as rows, since only that index has such an order: the planner would take the
    primary key else, and walk through all that waits for others.
    """

    def behind(what: str, lane: str, position: str, upto: str, limit: str) -> str:
        values = ", ".join(lane if column == "lane" else f"%({column})s" for column in line.split(", "))
        return f"""
            select {what} from {table}
            where ({line}, id) > ({values}, {position}) and ({line}, id) <= ({values}, {upto})
            order by {line}, id limit {limit}
        """  # noqa: S608

    seen = "greatest(r.position, case when r.lane = %(lane)s then %(bound)s else 0 end)"
    return f"""
        with lines as materialized (
            select r.lane, r.position, ({behind("id", "r.lane", seen, str(LAST_ID), "1")}) is not null as waits
            from cursors r where r.stage = %(stage)s and r.partition = %(partition)s
        )
        select r.position, (select string_agg(lane, ' ') from lines where waits), batch.*
        from lines r left join lateral (
            select {columns} from (
                select *, sum(octet_length({large})) over (order by id) - octet_length({large}) as before
                from ({behind("*", "%(lane)s", "r.position", "%(bound)s", "%(limit)s")}) waiting
            ) {joined}
            where before < {BATCH_BYTES}
        ) batch on true
        where r.lane = %(lane)s
    """  # noqa: S608  only constants of this file


READ_EVENTS = _batch("events", EVENT_COLUMNS, "body", "source, lane, partition", "e")
_DELIVERED = "exists (select 1 from delivered d where d.destination = %(source)s and d.message_id = c.message_id)"
READ_CALLS = _batch(
    "calls",
    f"{CALL_COLUMNS}, {_DELIVERED}",
    "text",
    "lane, partition",
    "c left join events e on e.id = c.event_id",
)
DELIVERED = "select message_id from delivered where destination = %s and message_id = any(%s::text[])"


async def read_events(pool: Pool, bounds: Bounds, stage: Stage, limit: int) -> tuple[EventBatch, bool]:
    """The batch; and when it is empty, whether events wait that may not be read yet."""
    position, waiting, found = await _read(pool, READ_EVENTS, bounds.events, stage, limit)
    events = [to_event(row) for row in found]
    hidden = not events and stage.lane in waiting
    if _may_be_cut([event.body for event in events], limit):
        waiting.add(stage.lane)
    return EventBatch(position, events, waiting), hidden


async def read_calls(pool: Pool, bounds: Bounds, stage: Stage, limit: int) -> tuple[CallBatch, bool]:
    position, waiting, found = await _read(pool, READ_CALLS, bounds.calls, stage, limit)
    calls = [to_call(row[:-1]) for row in found]
    delivered = {call.message_id for call, row in zip(calls, found, strict=True) if row[-1]}
    hidden = not calls and stage.lane in waiting
    if _may_be_cut([call.text for call in calls], limit):
        waiting.add(stage.lane)
    return CallBatch(position, calls, waiting, delivered), hidden


def _may_be_cut(large: Sequence[bytes | str], limit: int) -> bool:
    """A character has up to four bytes."""
    return len(large) == limit or 4 * sum(map(len, large)) >= BATCH_BYTES


async def _read(
    pool: Pool, statement: str, bound: int, stage: Stage, limit: int
) -> tuple[int, set[Lane], list[tuple[Any, ...]]]:
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
    position, waiting, first_id, *_ = found[0]
    lanes = {Lane(lane) for lane in (waiting or "").split()}
    return position, lanes, [] if first_id is None else sorted((row[2:] for row in found), key=_id)


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
