"""Erasing what is about a person. Rows stay, empty: cursors pass them, and their end can be looked up.

Work may be in hand on what is erased meanwhile. Whoever writes personal data of stored events holds a
shared lock while it looks into ``forgotten`` and writes (`hold_memory`); forgetting holds it alone. So
either the writer sees that the event is forgotten, or forgetting sees what was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import psycopg

from relay.journal.erasing import without_details
from relay.journal.postgres.arrays import Bigints, Texts
from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.keys import Keys
from relay.journal.postgres.pools import row, rows
from relay.journal.postgres.showing import ATTEMPTS_OF_CALLS, WIDEST_ATTEMPT, known_ids
from relay.journal.protocol import Candidates, Forgotten
from relay.model import Audit, EventId, NewAttempt, NewOutcome, PrivacyKind, QuarantineId, Stage

AT_ONCE = 20
_WINDOW = 20_000
TABLES = ("events", "calls", "outcomes", "attempts", "event_keys", "fetched", "quarantine")

# An event without keys waits to be rendered, or could not be read.
CANDIDATES = """
    select e.id from events e
    where e.id > %(after)s and e.id <= %(upto)s and e.source = %(source)s
      and (%(all)s
        or exists (select 1 from event_keys k where k.event_id = e.id and k.key = any(%(keys)s::text[]))
        or not exists (select 1 from event_keys k where k.event_id = e.id))
      and not exists (select 1 from forgotten f where f.event_id = e.id)
    order by e.id
"""
WITH_REPLAYS = """
    select id from (
        select id from events where id = any(%(chosen)s::bigint[])
        union select id from events where replay_of = any(%(chosen)s::bigint[])) e
    where not exists (select 1 from forgotten f where f.event_id = id)
"""
FORGET = (
    f"update attempts set answer = '', request = '' where id in (select id from ({ATTEMPTS_OF_CALLS}) a)",  # noqa: S608
    "delete from event_keys where event_id = any(%(chosen)s::bigint[])",
    "delete from fetched where event_id = any(%(chosen)s::bigint[])",
    """
    update outcomes set
      detail = '',
      code = case kind when 'dead' then 'forgotten' else code end,
      kind = case kind when 'dead' then 'skipped' else kind end
    where event_id = any(%(chosen)s::bigint[])
    """,
    "insert into forgotten select id, %(at_ms)s from unnest(%(chosen)s::bigint[]) id",
    "update events set body = '', headers = '{}', entity = 'forgotten' where id = any(%(chosen)s::bigint[])",
)
FORGET_CALLS = """
    with emptied as (update calls set text = '' where event_id = any(%(chosen)s::bigint[]) returning 1)
    select count(*) from emptied
"""

FORGOTTEN = "select event_id, at_ms from forgotten where event_id > %s and event_id <= %s"
CALLS_FORGOTTEN = """
    select c.id from calls c join forgotten f on f.event_id = c.event_id
    where c.lane = %s and c.partition = %s and c.text = '' and c.id between %s and %s
"""
REPLAYS_FORGOTTEN = """
    select e.id from events e join forgotten f on f.event_id = e.replay_of where e.id = any(%s::bigint[])
"""
FORGET_QUARANTINED = "delete from quarantine where id = any(%s::bigint[]) returning id"
AUDIT = """
    insert into audit (at_ms, source, kind, event_id, events, calls, quarantined) values (%s, %s, %s, %s, %s, %s, %s)
"""
AUDITS = """
    select at_ms, source, kind, event_id, events, calls, quarantined from audit order by id desc limit %s
"""


async def hold_memory(connection: Connection, keys: Keys) -> None:
    """Nobody is forgotten from here to the end of the transaction. Comes before looking into ``forgotten``."""
    await connection.execute("select pg_advisory_xact_lock_shared(%s)", (keys.forget(),))


async def candidates(connection: Connection, source: str, keys: Sequence[str] | None, after: EventId) -> Candidates:
    found = await row(connection, "select coalesce(max(id), 0) from events")
    assert found is not None
    upto = after + _WINDOW
    names = {
        "after": after,
        "upto": upto,
        "source": source,
        "all": keys is None,
        "keys": Texts(key.lower() for key in keys or ()),
    }
    ids = [EventId(event_id) for (event_id,) in await rows(connection, CANDIDATES, names)]
    return Candidates(ids, EventId(upto) if upto < found[0] else None)


async def forget(connection: Connection, keys: Keys, event_ids: Sequence[EventId], at_ms: int) -> Forgotten:
    """These events and the replays of them, within a transaction."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (keys.forget(),))
    return await _forget(connection, event_ids, at_ms)


async def _forget(connection: Connection, event_ids: Sequence[EventId], at_ms: int) -> Forgotten:
    found = await rows(connection, WITH_REPLAYS, {"chosen": known_ids(event_ids)})
    names = {"chosen": Bigints(event_id for (event_id,) in found), "at_ms": at_ms, "widest": WIDEST_ATTEMPT}
    for statement in FORGET:
        await connection.execute(statement.encode(), names)
    calls = await row(connection, FORGET_CALLS, names)
    assert calls is not None
    return Forgotten(len(found), calls[0])


async def forget_quarantined(connection: Connection, ids: Sequence[QuarantineId]) -> set[int]:
    """Returns those that were there."""
    return {quarantine_id for (quarantine_id,) in await rows(connection, FORGET_QUARANTINED, (known_ids(ids),))}


async def scrub(connection: Connection, rewrite: bool) -> bool:
    """Take what was erased out of the tables' pages; with ``rewrite``, out of their files. False when one is in use.

    The server's write-ahead log and its backups are its own matter, see docs/security.md.
    """
    for table in TABLES:
        try:
            await connection.execute(f"vacuum {'(full)' if rewrite else ''} {table}".encode())
        except psycopg.errors.LockNotAvailable:
            return False
    return True


# -- audit


async def record_audit(connection: Connection, audit: Audit) -> None:
    await connection.execute(
        AUDIT,
        (audit.at_ms, audit.source, str(audit.kind), audit.event_id, audit.events, audit.calls, audit.quarantined),
    )


async def audits(connection: Connection, limit: int) -> list[Audit]:
    found = await rows(connection, AUDITS, (limit,))
    return [Audit(at_ms, source, PrivacyKind(kind), *others) for at_ms, source, kind, *others in found]


# -- what work in hand writes


async def forgotten_between(connection: Connection, position: int, moved_to: int) -> Mapping[EventId, int]:
    """Which events behind ``position`` were forgotten, and when."""
    return {EventId(event_id): at_ms for event_id, at_ms in await rows(connection, FORGOTTEN, (position, moved_to))}


async def delivered_forgotten(
    connection: Connection, stage: Stage, position: int, moved_to: int, outcomes: Sequence[NewOutcome]
) -> Sequence[NewOutcome]:
    forgotten = await _calls_forgotten(connection, str(stage.lane), stage.partition, position + 1, moved_to)
    return (
        [without_details(outcome) if outcome.call_id in forgotten else outcome for outcome in outcomes]
        if forgotten
        else outcomes
    )


async def attempt_forgotten(connection: Connection, attempt: NewAttempt) -> NewAttempt:
    if await _calls_forgotten(connection, str(attempt.lane), attempt.partition, attempt.first_call, attempt.last_call):
        return replace(attempt, answer="", request="")
    return attempt


async def replays_forgotten(connection: Connection, new_ids: Sequence[int], at_ms: int) -> None:
    """Forget the new replays whose originals were forgotten while they were on their way."""
    late = [EventId(event_id) for (event_id,) in await rows(connection, REPLAYS_FORGOTTEN, (Bigints(new_ids),))]
    if late:
        # They are not committed, so nobody else has anything of theirs in hand.
        await _forget(connection, late, at_ms)


async def _calls_forgotten(connection: Connection, lane: str, partition: int, first: int, last: int) -> set[int]:
    return {call_id for (call_id,) in await rows(connection, CALLS_FORGOTTEN, (lane, partition, first, last))}
