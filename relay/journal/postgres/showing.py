"""Everything about one event, and the quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from relay.journal.postgres.arrays import Bigints
from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.pools import row, rows
from relay.journal.postgres.reading import CALL_COLUMNS, EVENT_COLUMNS, LAST_ID, to_call, to_event
from relay.journal.postgres.standing import fetched
from relay.model import Attempt, Event, EventId, Outcome, OutcomeKind, Quarantined, QuarantineId, Timeline

WIDEST_ATTEMPT = 5_000
"""More calls of one lane and partition than any request spans: the largest batch of a vendor is 2,500."""
_QUARANTINE_BYTES = 1 << 20

ATTEMPTS_OF_CALLS = """
    select a.* from calls c join attempts a on a.lane = c.lane and a.partition = c.partition
        and a.last_call >= c.id and a.first_call <= c.id and a.first_call >= coalesce((
            select w.id from calls w where w.lane = c.lane and w.partition = c.partition and w.id <= c.id
            order by w.id desc limit 1 offset %(widest)s), 0)
    where c.event_id = any(%(chosen)s::bigint[])
"""
EVENTS = f"select {EVENT_COLUMNS} from events e where e.id = any(%s::bigint[]) order by e.id"  # noqa: S608
KEYS = "select key from event_keys where event_id = %s order by key"
CALLS = f"""
    select {CALL_COLUMNS} from calls c left join events e on e.id = c.event_id where c.event_id = %s order by c.id
"""  # noqa: S608
_ATTEMPT = (
    "id, destination, started_at_ms, duration_ms, status, verdict, code, calls, first_call, last_call, answer, request"
)
ATTEMPTS = f"select distinct {_ATTEMPT} from ({ATTEMPTS_OF_CALLS}) a order by id"  # noqa: S608
# Compared and sorted by as a row, so that no index but the one by destination will do.
LAST_ATTEMPT = f"""
    select {_ATTEMPT} from attempts
    where (destination, id) >= (%(destination)s, 0) and (destination, id) <= (%(destination)s, {LAST_ID})
    order by destination desc, id desc limit 1
"""  # noqa: S608
OUTCOMES = """
    select id, event_id, call_id, destination, message_id, kind, code, detail, attempt_id, at_ms
    from outcomes where event_id = %s order by id
"""
REPLAYS = "select id from events where replay_of = %s order by id"
QUARANTINED = "select id, source, headers, body, code, detail, received_at_ms, verifier from quarantine"
PAGE = """
    select id, source, headers, body, code, detail, received_at_ms, verifier from (
        select *, sum(octet_length(body)) over (order by id) - octet_length(body) as before
        from (select * from quarantine where {condition}id > %s order by id limit %s) waiting
    ) page where before <= %s order by id
"""


def known_ids(ids: Iterable[int]) -> Bigints:
    return Bigints(one for one in ids if one <= LAST_ID)


async def timeline(connection: Connection, event_id: EventId) -> Timeline | None:
    """Within a transaction that sees one moment."""
    found = await events(connection, [event_id])
    if not found:
        return None
    names = {"chosen": Bigints([event_id]), "widest": WIDEST_ATTEMPT}
    outcomes = await rows(connection, OUTCOMES, (event_id,))
    return Timeline(
        event=found[0],
        keys=[key for (key,) in await rows(connection, KEYS, (event_id,))],
        fetched=await fetched(connection, event_id),
        calls=[to_call(call) for call in await rows(connection, CALLS, (event_id,))],
        attempts=[Attempt(*attempt) for attempt in await rows(connection, ATTEMPTS, names)],
        outcomes=[
            Outcome(id_, event, call, destination, message, OutcomeKind(kind), code, detail, attempt, at_ms)
            for id_, event, call, destination, message, kind, code, detail, attempt, at_ms in outcomes
        ],
        replays=[EventId(replay) for (replay,) in await rows(connection, REPLAYS, (event_id,))],
    )


async def last_attempt(connection: Connection, destination: str) -> Attempt | None:
    found = await row(connection, LAST_ATTEMPT, {"destination": destination})
    return Attempt(*found) if found else None


async def events(connection: Connection, event_ids: Sequence[EventId]) -> list[Event]:
    return [to_event(found) for found in await rows(connection, EVENTS, (known_ids(event_ids),))]


async def quarantined(connection: Connection, source: str | None, limit: int) -> list[Quarantined]:
    condition, values = _of(source)
    statement = f"{QUARANTINED} where {condition}true order by id desc limit %s"
    return [Quarantined(*found) for found in await rows(connection, statement, (*values, limit))]


async def read_quarantine(
    connection: Connection, source: str | None, after: QuarantineId, limit: int
) -> list[Quarantined]:
    """A page ends with the item that makes it large."""
    condition, values = _of(source)
    found = await rows(connection, PAGE.format(condition=condition), (*values, after, limit, _QUARANTINE_BYTES))
    return [Quarantined(*item) for item in found]


async def quarantined_one(connection: Connection, quarantine_id: QuarantineId) -> Quarantined | None:
    if quarantine_id > LAST_ID:
        return None
    found = await row(connection, f"{QUARANTINED} where id = %s", (quarantine_id,))
    return Quarantined(*found) if found else None


def _of(source: str | None) -> tuple[str, list[Any]]:
    return ("", []) if source is None else ("source = %s and ", [source])
