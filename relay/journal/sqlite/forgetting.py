"""Erasing what is about a person. Rows stay, empty: cursors pass them, and their end can be looked up.

Work may be in hand on what is erased meanwhile. What it then writes is cleaned by the functions
``…_forgotten``, in its own transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import orjson

from relay.journal.erasing import of_rendering, without_details
from relay.journal.protocol import Candidates, Forgotten
from relay.journal.sqlite.rows import LAST_ID, id_list
from relay.journal.sqlite.showing import ATTEMPTS_OF_A_CALL, WIDEST_ATTEMPT
from relay.model import (
    Audit,
    EventId,
    NewAttempt,
    NewCall,
    NewOutcome,
    PrivacyKind,
    QuarantineId,
    Stage,
)

AT_ONCE = 20
_WINDOW = 20_000
_BUSY_MS = 500
_SMALL_BYTES = 64 << 20
"""A file up to this is rewritten within about half a second."""
_CHOSEN = "(select value from json_each(?))"

# An event without keys waits to be rendered, or could not be read.
_CANDIDATES = """
    select e.id from events e indexed by events_in_brief
    where e.id > :after and e.id <= :upto and e.source = :source
      and (:keys is null
        or e.id in (select event_id from event_keys where key in (select value from json_each(:keys)))
        or not exists (select 1 from event_keys k where k.event_id = e.id))
      and not exists (select 1 from forgotten f where f.event_id = e.id)
    order by e.id
"""
_WITH_REPLAYS = f"""
    select id from events
    where (id in {_CHOSEN} or replay_of in {_CHOSEN})
      and not exists (select 1 from forgotten f where f.event_id = id)
"""  # noqa: S608  only constants of this file
_TELL_NO_MORE = f"""
    update outcomes set
      detail = '', code = iif(kind = 'dead', 'forgotten', code), kind = iif(kind = 'dead', 'skipped', kind)
    where event_id in {_CHOSEN}
"""  # noqa: S608  only constants of this file


def candidates(database: sqlite3.Connection, source: str, keys: Sequence[str] | None, after: EventId) -> Candidates:
    (last,) = database.execute("select coalesce(max(id), 0) from events").fetchone()
    upto = min(after + _WINDOW, LAST_ID)
    names = {
        "after": after,
        "upto": upto,
        "source": source,
        "keys": None if keys is None else orjson.dumps([key.lower() for key in keys]).decode(),
    }
    found = [EventId(event_id) for (event_id,) in database.execute(_CANDIDATES, names)]
    return Candidates(found, EventId(upto) if upto < last else None)


def forget(database: sqlite3.Connection, event_ids: Sequence[EventId], at_ms: int) -> Forgotten:
    """These events and the replays of them."""
    asked = id_list(event_ids)
    chosen = id_list(event_id for (event_id,) in database.execute(_WITH_REPLAYS, (asked, asked)).fetchall())
    _empty_attempts(database, chosen)
    calls = database.execute(f"update calls set text = '' where event_id in {_CHOSEN}", (chosen,)).rowcount  # noqa: S608
    for table in ("event_keys", "fetched"):
        database.execute(f"delete from {table} where event_id in {_CHOSEN}", (chosen,))  # noqa: S608
    database.execute(_TELL_NO_MORE, (chosen,))
    events = database.execute(
        f"update events set body = x'', headers = '{{}}', entity = 'forgotten' where id in {_CHOSEN}",  # noqa: S608
        (chosen,),
    ).rowcount
    database.execute("insert into forgotten select value, ? from json_each(?)", (at_ms, chosen))
    return Forgotten(events, calls)


def _empty_attempts(database: sqlite3.Connection, chosen: str) -> None:
    """Requests and answers are about the whole batch, so they go for everyone in it."""
    calls = database.execute(f"select lane, partition, id from calls where event_id in {_CHOSEN}", (chosen,))  # noqa: S608
    for lane, partition, call in calls.fetchall():
        database.execute(
            f"update attempts set answer = '', request = '' where id in (select id {ATTEMPTS_OF_A_CALL})",  # noqa: S608
            {"lane": lane, "partition": partition, "call": call, "widest": WIDEST_ATTEMPT},
        )


def forget_quarantined(database: sqlite3.Connection, ids: Sequence[QuarantineId]) -> int:
    return database.execute(f"delete from quarantine where id in {_CHOSEN}", (id_list(ids),)).rowcount  # noqa: S608


def scrub(database: sqlite3.Connection, rewrite: bool) -> bool:
    """Empty the write-ahead log, which still has the pages as they were; False while somebody reads of them.

    ``secure_delete`` zeroes what is erased. But where SQLite once moved entries of an index from page
    to page, a copy may be left in unused space: only rewriting the file removes that.
    """
    ((wait_ms,), (pages,), (page_bytes,)) = (
        database.execute(f"pragma {name}").fetchone() for name in ("busy_timeout", "page_count", "page_size")
    )
    small = pages * page_bytes <= _SMALL_BYTES
    database.execute(f"pragma busy_timeout = {_BUSY_MS}")
    try:
        if small or rewrite:
            database.execute(f"pragma temp_store = {'memory' if small else 'file'}")
            database.execute("vacuum")
        (busy, *_) = database.execute("pragma wal_checkpoint(truncate)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        busy = 1
    finally:
        database.execute("pragma temp_store = memory")
        database.execute(f"pragma busy_timeout = {wait_ms}")
    return not busy


# -- audit


def record_audit(database: sqlite3.Connection, audit: Audit) -> None:
    database.execute(
        "insert into audit (at_ms, source, kind, event_id, events, calls, quarantined) values (?, ?, ?, ?, ?, ?, ?)",
        (audit.at_ms, audit.source, str(audit.kind), audit.event_id, audit.events, audit.calls, audit.quarantined),
    )


def audits(database: sqlite3.Connection, limit: int) -> list[Audit]:
    rows = database.execute(
        "select at_ms, source, kind, event_id, events, calls, quarantined from audit order by id desc limit ?", (limit,)
    )
    return [Audit(at_ms, source, PrivacyKind(kind), *others) for at_ms, source, kind, *others in rows]


# -- what work in hand writes


def rendered_forgotten(
    database: sqlite3.Connection,
    position: int,
    moved_to: int,
    calls: Sequence[NewCall],
    outcomes: Sequence[NewOutcome],
    keys: Sequence[tuple[EventId, str]],
) -> tuple[Sequence[NewCall], Sequence[NewOutcome], Sequence[tuple[EventId, str]]]:
    """What may be written of a rendering."""
    rows = database.execute(
        "select event_id, at_ms from forgotten where event_id > ? and event_id <= ?", (position, moved_to)
    )
    return of_rendering(dict(rows.fetchall()), calls, outcomes, keys)


def delivered_forgotten(
    database: sqlite3.Connection, stage: Stage, position: int, moved_to: int, outcomes: Sequence[NewOutcome]
) -> Sequence[NewOutcome]:
    forgotten = _calls_forgotten(database, str(stage.lane), stage.partition, position + 1, moved_to)
    return (
        [without_details(outcome) if outcome.call_id in forgotten else outcome for outcome in outcomes]
        if forgotten
        else outcomes
    )


def attempt_forgotten(database: sqlite3.Connection, attempt: NewAttempt) -> NewAttempt:
    if _calls_forgotten(database, str(attempt.lane), attempt.partition, attempt.first_call, attempt.last_call):
        return replace(attempt, answer="", request="")
    return attempt


def replays_forgotten(database: sqlite3.Connection, new_ids: Sequence[EventId], at_ms: int) -> None:
    """Forget the new replays whose originals were forgotten while they were on their way."""
    rows = database.execute(
        f"select id from events where id in {_CHOSEN} and replay_of in (select event_id from forgotten)",  # noqa: S608
        (id_list(new_ids),),
    )
    late = [EventId(event_id) for (event_id,) in rows.fetchall()]
    if late:
        forget(database, late, at_ms)


def _calls_forgotten(database: sqlite3.Connection, lane: str, partition: int, first: int, last: int) -> set[int]:
    rows = database.execute(
        "select c.id from calls c join forgotten f on f.event_id = c.event_id"
        " where c.lane = ? and c.partition = ? and c.text = '' and c.id between ? and ?",
        (lane, partition, first, last),
    )
    return {call_id for (call_id,) in rows}
