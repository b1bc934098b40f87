"""Everything about one event, and the quarantine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from relay.journal.sqlite.readers import snapshot
from relay.journal.sqlite.reading import CALL_COLUMNS, EVENT_COLUMNS, to_call, to_event
from relay.journal.sqlite.rows import LAST_ID, id_list
from relay.journal.sqlite.standing import fetched
from relay.model import Attempt, Call, Event, EventId, Outcome, OutcomeKind, Quarantined, QuarantineId, Timeline

WIDEST_ATTEMPT = 5_000
"""More calls of one lane and partition than any request spans: the largest batch of a vendor is 2,500."""

ATTEMPTS_OF_A_CALL = """
    from attempts
    where lane = :lane and partition = :partition and last_call >= :call
      and first_call <= :call and first_call >= coalesce((
        select id from calls where lane = :lane and partition = :partition and id <= :call
        order by id desc limit 1 offset :widest), 0)
"""
_ATTEMPT = (
    "select id, destination, started_at_ms, duration_ms, status, verdict, code, calls, first_call, last_call, answer,"
    " request"
)
ATTEMPTS = f"{_ATTEMPT} {ATTEMPTS_OF_A_CALL}"
_OUTCOMES = """
    select id, event_id, call_id, destination, message_id, kind, code, detail, attempt_id, at_ms
    from outcomes where event_id = ? order by id
"""
_QUARANTINED = "select id, source, headers, body, code, detail, received_at_ms, verifier from quarantine"
_QUARANTINE_BYTES = 1 << 20


def timeline(database: sqlite3.Connection, event_id: EventId) -> Timeline | None:
    if event_id > LAST_ID:
        return None
    with snapshot(database):
        return _timeline(database, event_id)


def _timeline(database: sqlite3.Connection, event_id: EventId) -> Timeline | None:
    row = database.execute(f"select {EVENT_COLUMNS}, body from events where id = ?", (event_id,)).fetchone()  # noqa: S608
    if row is None:
        return None
    event = to_event(row)
    keys = database.execute("select key from event_keys where event_id = ? order by key", (event_id,))
    calls = database.execute(f"select {CALL_COLUMNS}, text from calls where event_id = ? order by id", (event_id,))  # noqa: S608
    found = [to_call(call) for call in calls]
    outcomes = database.execute(_OUTCOMES, (event_id,))
    replays = database.execute("select id from events where replay_of = ? order by id", (event_id,))
    return Timeline(
        event=event,
        keys=[key for (key,) in keys],
        fetched=fetched(database, event_id),
        calls=found,
        attempts=_attempts(database, str(event.lane), event.partition, found),
        outcomes=[
            Outcome(id_, event, call, destination, message, OutcomeKind(kind), code, detail, attempt, at_ms)
            for id_, event, call, destination, message, kind, code, detail, attempt, at_ms in outcomes
        ],
        replays=[replay for (replay,) in replays],
    )


def _attempts(database: sqlite3.Connection, lane: str, partition: int, calls: Sequence[Call]) -> list[Attempt]:
    found: dict[int, Attempt] = {}
    for call in calls:
        names = {
            "lane": lane,
            "partition": partition,
            "call": call.id,
            "widest": WIDEST_ATTEMPT,
        }
        found |= {row[0]: Attempt(*row) for row in database.execute(ATTEMPTS, names)}
    return [found[attempt_id] for attempt_id in sorted(found)]


def last_attempt(database: sqlite3.Connection, destination: str) -> Attempt | None:
    statement = f"{_ATTEMPT} from attempts where destination = ? order by id desc limit 1"
    row = database.execute(statement, (destination,)).fetchone()
    return Attempt(*row) if row else None


def events(database: sqlite3.Connection, event_ids: Sequence[EventId]) -> list[Event]:
    rows = database.execute(
        f"select {EVENT_COLUMNS}, body from events where id in (select value from json_each(?)) order by id",  # noqa: S608
        (id_list(event_ids),),
    )
    return [to_event(row) for row in rows]


def quarantined(database: sqlite3.Connection, source: str | None, limit: int) -> list[Quarantined]:
    if source is None:
        rows = database.execute(f"{_QUARANTINED} order by id desc limit ?", (limit,))
    else:
        rows = database.execute(f"{_QUARANTINED} where source = ? order by id desc limit ?", (source, limit))
    return [Quarantined(*row) for row in rows]


def read_quarantine(
    database: sqlite3.Connection, source: str | None, after: QuarantineId, limit: int
) -> list[Quarantined]:
    """A page ends with the item that makes it large."""
    condition, values = ("source = ? and ", [source]) if source is not None else ("", [])
    rows = database.execute(f"{_QUARANTINED} where {condition}id > ? order by id limit ?", (*values, after, limit))
    found: list[Quarantined] = []
    size = 0
    for row in rows:
        found.append(Quarantined(*row))
        size += len(found[-1].body)
        if size > _QUARANTINE_BYTES:
            break
    rows.close()
    return found


def quarantined_one(database: sqlite3.Connection, quarantine_id: QuarantineId) -> Quarantined | None:
    if quarantine_id > LAST_ID:
        return None
    row = database.execute(f"{_QUARANTINED} where id = ?", (quarantine_id,)).fetchone()
    return Quarantined(*row) if row else None
