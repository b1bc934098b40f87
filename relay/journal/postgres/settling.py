"""Writing what a stage produced, and moving its cursor, in one transaction.

First the cursor is taken, then everything is written and committed at one go, calls last: the lock that
holds back the horizon is held from there to the commit, which is on its way already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from relay.journal.erasing import of_rendering
from relay.journal.postgres.appending import short
from relay.journal.postgres.arrays import Bigints, Texts, in_columns
from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.forgetting import attempt_forgotten, delivered_forgotten, forgotten_between, hold_memory
from relay.journal.postgres.horizon import appending_lock
from relay.journal.postgres.keys import Keys, Kind
from relay.journal.postgres.pools import row, rows
from relay.journal.protocol import CursorMoved
from relay.model import AttemptId, EventId, Gate, Lane, NewAttempt, NewCall, NewOutcome, OutcomeKind, Stage

MOVE_CURSOR = """
    update cursors set position = %s
    where stage = %s and lane = %s and partition = %s and position = %s returning position
"""
OPEN_STAGE = """
    insert into cursors (stage, lane, partition, position)
    select %(stage)s, lane, partition, case when %(now)s then last_value - (not is_called)::int else 0 end
    from unnest(%(lanes)s::text[]) lane, generate_series(0, %(partitions)s - 1) partition, {log}_id
    on conflict do nothing
"""
CALLS = """
    with held as materialized (select {lock})
    insert into calls (lane, partition, event_id, tracked_event, message_id, template_version, text)
    select %s, %s, event_id, tracked_event, message_id, template_version, text
    from held, unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
        with ordinality as new (event_id, tracked_event, message_id, template_version, text, number)
    order by number
"""
OUTCOMES = """
    insert into outcomes (event_id, call_id, attempt_id, destination, message_id, kind, code, detail, at_ms)
    select event_id, call_id, %s, destination, message_id, kind, code, detail, at_ms
    from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
        with ordinality as new (event_id, call_id, destination, message_id, kind, code, detail, at_ms, number)
    order by number
"""
EVENT_KEYS = """
    insert into event_keys (key, event_id)
    select distinct key, event_id from unnest(%s::text[], %s::bigint[]) new (key, event_id)
    on conflict do nothing
"""
# In order, so that two that settle the same ids wait for each other and not in a circle.
DELIVERED = """
    with new as (
        insert into delivered (destination, message_id, call_id)
        select destination, message_id, call_id
        from unnest(%s::text[], %s::text[], %s::bigint[])
            with ordinality as new (destination, message_id, call_id, number)
        order by destination, message_id, number
        on conflict do nothing returning call_id
    )
    select call_id from new
"""
ATTEMPT = """
    insert into attempts (destination, lane, partition, started_at_ms, duration_ms, status, verdict, code, calls,
        first_call, last_call, answer, request)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
"""
# Sorted, so that two that write the same wait for each other and not in a circle.
REFUSABLE = """
    select c.id from calls c join unnest(%s::bigint[], %s::text[]) asked (call_id, destination) on asked.call_id = c.id
    where c.text <> '' and not exists (
        select 1 from outcomes o where o.event_id = c.event_id and o.call_id = c.id
          and o.destination = asked.destination and o.kind = 'dead')
    order by c.id for update of c
"""
UNDELIVERED = """
    delete from delivered d using unnest(%s::text[], %s::text[], %s::bigint[]) gone (destination, message_id, call_id)
    where d.destination = gone.destination and d.message_id = gone.message_id and d.call_id = gone.call_id
"""
SET_GATE = """
    insert into gates (name, failures, not_before_ms, code, why) values (%s, %s, %s, %s, %s)
    on conflict (name) do update set failures = excluded.failures, not_before_ms = excluded.not_before_ms,
        code = excluded.code, why = excluded.why
"""


async def open_stage(connection: Connection, name: str, start: Literal["beginning", "now"], partitions: int) -> None:
    names = {"stage": name, "now": start == "now", "lanes": Texts(Lane), "partitions": partitions}
    log = "calls" if name.startswith("deliver:") else "events"
    await connection.execute(OPEN_STAGE.format(log=log).encode(), names)


async def settle_events(
    connection: Connection,
    keys_of_locks: Keys,
    stage: Stage,
    position: int,
    moved_to: int,
    calls: Sequence[NewCall],
    outcomes: Sequence[NewOutcome],
    keys: Sequence[tuple[EventId, str]],
) -> int:
    """Returns how many calls were written."""
    await hold_memory(connection, keys_of_locks)
    await _move_cursor(connection, stage, position, moved_to)
    forgotten = await forgotten_between(connection, position, moved_to)
    calls, outcomes, keys = of_rendering(forgotten, calls, outcomes, keys)
    await _write_outcomes(connection, outcomes, None)
    if keys:
        pairs = [(short(key.lower()), event_id) for event_id, key in keys]
        await connection.execute(EVENT_KEYS, in_columns(pairs, Texts, Bigints))
    if calls:
        new = [(c.event_id, c.tracked_event, c.message_id, c.template_version, c.text) for c in calls]
        statement = CALLS.format(lock=appending_lock(keys_of_locks, Kind.CALLS))
        columns = in_columns(new, Bigints, Texts, Texts, Texts, Texts)
        await connection.execute(statement.encode(), (str(stage.lane), stage.partition, *columns))
    return len(calls)


async def settle_calls(
    connection: Connection,
    keys_of_locks: Keys,
    stage: Stage,
    position: int,
    moved_to: int,
    outcomes: Sequence[NewOutcome],
    attempt: NewAttempt | None,
) -> None:
    await hold_memory(connection, keys_of_locks)
    await _move_cursor(connection, stage, position, moved_to)
    outcomes = await delivered_forgotten(connection, stage, position, moved_to, outcomes)
    attempt_id = await _record_attempt(connection, attempt) if attempt else None
    await _write_outcomes(connection, await _claim(connection, outcomes), attempt_id)


async def _move_cursor(connection: Connection, stage: Stage, position: int, moved_to: int) -> None:
    if moved_to < position:
        raise ValueError(f"the cursor of {stage.name} cannot go back from {position} to {moved_to}")
    values = (moved_to, stage.name, str(stage.lane), stage.partition, position)
    if await row(connection, MOVE_CURSOR, values) is None:
        raise CursorMoved(f"{stage.name} {stage.lane}/{stage.partition} is not at {position} any more")


async def _claim(connection: Connection, outcomes: Sequence[NewOutcome]) -> Sequence[NewOutcome]:
    """Take the message ids of what was delivered; an id that is taken makes the outcome a duplicate."""
    delivered = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.DELIVERED]
    if not delivered:
        return outcomes
    asked = in_columns([(o.destination, o.message_id, o.call_id) for o in delivered], Texts, Texts, Bigints)
    claimed = {call_id for (call_id,) in await rows(connection, DELIVERED, asked)}
    return [
        o._replace(kind=OutcomeKind.DUPLICATE, code="already_delivered")
        if o.kind is OutcomeKind.DELIVERED and o.call_id not in claimed
        else o
        for o in outcomes
    ]


async def _write_outcomes(connection: Connection, outcomes: Sequence[NewOutcome], attempt_id: AttemptId | None) -> None:
    if outcomes:
        new = [
            (o.event_id, o.call_id, o.destination, o.message_id, str(o.kind), o.code, o.detail, o.at_ms)
            for o in outcomes
        ]
        columns = in_columns(new, Bigints, Bigints, Texts, Texts, Texts, Texts, Texts, Bigints)
        await connection.execute(OUTCOMES, (attempt_id, *columns))


async def record_attempt(connection: Connection, keys: Keys, attempt: NewAttempt) -> None:
    await hold_memory(connection, keys)
    await _record_attempt(connection, attempt)


async def _record_attempt(connection: Connection, attempt: NewAttempt) -> AttemptId:
    attempt = await attempt_forgotten(connection, attempt)
    values = (
        attempt.destination,
        str(attempt.lane),
        attempt.partition,
        attempt.started_at_ms,
        attempt.duration_ms,
        attempt.status,
        str(attempt.verdict),
        attempt.code,
        attempt.calls,
        attempt.first_call,
        attempt.last_call,
        attempt.answer,
        attempt.request,
    )
    found = await row(connection, ATTEMPT, values)
    assert found is not None
    return AttemptId(found[0])


async def record_refused(connection: Connection, keys: Keys, outcomes: Sequence[NewOutcome]) -> int:
    await hold_memory(connection, keys)
    asked = in_columns([(o.call_id, o.destination) for o in outcomes], Bigints, Texts)
    fresh_ids = {call_id for (call_id,) in await rows(connection, REFUSABLE, asked)}
    fresh = [outcome for outcome in outcomes if outcome.call_id in fresh_ids]
    gone = in_columns([(o.destination, o.message_id, o.call_id) for o in fresh], Texts, Texts, Bigints)
    await connection.execute(UNDELIVERED, gone)
    await _write_outcomes(connection, fresh, None)
    return len(fresh)


async def set_gate(connection: Connection, name: str, gate: Gate) -> None:
    await connection.execute(SET_GATE, (name, gate.failures, gate.not_before_ms, gate.code, gate.why))
