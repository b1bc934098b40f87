"""Writing what a stage produced, and moving its cursor, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

from relay.journal.protocol import CursorMoved
from relay.journal.sqlite.forgetting import attempt_forgotten, delivered_forgotten, rendered_forgotten
from relay.journal.sqlite.rows import Insert, look_up
from relay.model import (
    AttemptId,
    EventId,
    Gate,
    Lane,
    NewAttempt,
    NewCall,
    NewOutcome,
    OutcomeKind,
    Stage,
)

_CALLS = Insert("calls", "lane, partition, event_id, tracked_event, message_id, template_version, text")
_OUTCOMES = Insert("outcomes", "event_id, call_id, attempt_id, destination, message_id, kind, code, detail, at_ms")
_KEYS = Insert("event_keys", "key, event_id", conflict="on conflict do nothing")
_DELIVERED = Insert("delivered", "destination, message_id, call_id", conflict="on conflict do nothing")
_DELIVERED_BY = "(select call_id from delivered where destination = column1 and message_id = column2)"
_ATTEMPT = (
    "insert into attempts (destination, lane, partition, started_at_ms, duration_ms, status, verdict, code, calls,"
    " first_call, last_call, answer, request) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REFUSABLE = """
    select 1 from calls c where c.id = ?1 and c.text <> ''
      and not exists (select 1 from outcomes o where o.event_id = c.event_id and o.call_id = c.id
        and o.destination = ?2 and o.kind = 'dead')
"""
_UNDELIVERED = "delete from delivered where destination = ? and message_id = ? and call_id = ?"


def open_stage(database: sqlite3.Connection, name: str, start: Literal["beginning", "now"], partitions: int) -> None:
    log = "calls" if name.startswith("deliver:") else "events"
    position = 0
    if start == "now":
        # The last id ever given, also when retention has removed its row.
        row = database.execute("select seq from sqlite_sequence where name = ?", (log,)).fetchone()
        position = row[0] if row else 0
    database.executemany(
        "insert into cursors (stage, lane, partition, position) values (?, ?, ?, ?) on conflict do nothing",
        [(name, str(lane), partition, position) for lane in Lane for partition in range(partitions)],
    )


def settle_events(
    database: sqlite3.Connection,
    stage: Stage,
    position: int,
    moved_to: int,
    calls: Sequence[NewCall],
    outcomes: Sequence[NewOutcome],
    keys: Sequence[tuple[EventId, str]],
) -> None:
    _move_cursor(database, stage, position, moved_to)
    calls, outcomes, keys = rendered_forgotten(database, position, moved_to, calls, outcomes, keys)
    lane = str(stage.lane)
    _CALLS.run(
        database,
        [(lane, stage.partition, c.event_id, c.tracked_event, c.message_id, c.template_version, c.text) for c in calls],
    )
    _write_outcomes(database, outcomes, None)
    _KEYS.run(database, [(key.lower(), event_id) for event_id, key in keys])


def settle_calls(
    database: sqlite3.Connection,
    stage: Stage,
    position: int,
    moved_to: int,
    outcomes: Sequence[NewOutcome],
    attempt: NewAttempt | None,
) -> None:
    _move_cursor(database, stage, position, moved_to)
    outcomes = delivered_forgotten(database, stage, position, moved_to, outcomes)
    attempt_id = record_attempt(database, attempt) if attempt else None
    _write_outcomes(database, _claim(database, outcomes), attempt_id)


def _move_cursor(database: sqlite3.Connection, stage: Stage, position: int, moved_to: int) -> None:
    """Comes before anything else is written: the writer relies on `CursorMoved` leaving no trace."""
    if moved_to < position:
        raise ValueError(f"the cursor of {stage.name} cannot go back from {position} to {moved_to}")
    cursor = database.execute(
        "update cursors set position = ? where stage = ? and lane = ? and partition = ? and position = ?",
        (moved_to, stage.name, str(stage.lane), stage.partition, position),
    )
    if cursor.rowcount == 0:
        raise CursorMoved(f"{stage.name} {stage.lane}/{stage.partition} is not at {position} any more")


def _claim(database: sqlite3.Connection, outcomes: Sequence[NewOutcome]) -> Sequence[NewOutcome]:
    """Take the message ids of what was delivered; an id that is taken makes the outcome a duplicate."""
    delivered = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.DELIVERED]
    claimed, _ = _DELIVERED.run(database, [(o.destination, o.message_id, o.call_id) for o in delivered])
    if claimed == len(delivered):
        return outcomes
    owners = look_up(database, _DELIVERED_BY, [(o.destination, o.message_id) for o in delivered])
    taken = {o.call_id for o, owner in zip(delivered, owners, strict=True) if owner != o.call_id}
    return [
        o._replace(kind=OutcomeKind.DUPLICATE, code="already_delivered")
        if o.kind is OutcomeKind.DELIVERED and o.call_id in taken
        else o
        for o in outcomes
    ]


def _write_outcomes(database: sqlite3.Connection, outcomes: Sequence[NewOutcome], attempt_id: AttemptId | None) -> None:
    _OUTCOMES.run(
        database,
        [
            (
                o.event_id,
                o.call_id,
                attempt_id,
                o.destination,
                o.message_id,
                str(o.kind),
                o.code,
                o.detail,
                o.at_ms,
            )
            for o in outcomes
        ],
    )


def record_attempt(database: sqlite3.Connection, attempt: NewAttempt) -> AttemptId:
    attempt = attempt_forgotten(database, attempt)
    cursor = database.execute(
        _ATTEMPT,
        (
            attempt.destination,
            str(attempt.lane),
            attempt.partition,
            attempt.started_at_ms,
            attempt.duration_ms,
            attempt.status,
            attempt.verdict,
            attempt.code,
            attempt.calls,
            attempt.first_call,
            attempt.last_call,
            attempt.answer,
            attempt.request,
        ),
    )
    return AttemptId(cursor.lastrowid or 0)


def record_refused(database: sqlite3.Connection, outcomes: Sequence[NewOutcome]) -> int:
    fresh = [o for o in outcomes if database.execute(_REFUSABLE, (o.call_id, o.destination)).fetchone()]
    for refused in fresh:
        database.execute(_UNDELIVERED, (refused.destination, refused.message_id, refused.call_id))
    _write_outcomes(database, fresh, None)
    return len(fresh)


def set_gate(database: sqlite3.Connection, name: str, gate: Gate) -> None:
    database.execute(
        "insert into gates (name, failures, not_before_ms, code, why) values (?, ?, ?, ?, ?)"
        " on conflict (name) do update set failures = excluded.failures, not_before_ms = excluded.not_before_ms,"
        " code = excluded.code, why = excluded.why",
        (name, gate.failures, gate.not_before_ms, gate.code, gate.why),
    )
