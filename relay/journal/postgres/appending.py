"""Writing what comes in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import psycopg

from relay.journal.postgres.arrays import Bigints, Byteas, Texts, in_columns
from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.forgetting import forget_quarantined, hold_memory, replays_forgotten
from relay.journal.postgres.horizon import appending_lock
from relay.journal.postgres.keys import Keys, Kind
from relay.journal.postgres.pools import row, rows
from relay.model import Appended, EventId, NewEvent, NewQuarantined, QuarantineId

LONG_KEY = 500
"""Characters up to which a key is looked up as it is; PostgreSQL's indexes refuse entries over 2.7 KB."""
LARGE_BODY_BYTES = 65_536

_COLUMNS = (
    "lane, partition, source, topic, delivery_key, entity, occurred_at_ms, received_at_ms, replay_of, options,"
    " long_key, headers, body"
)
_TYPES = (Texts, Bigints, Texts, Texts, Texts, Texts, Bigints, Bigints, Bigints, Texts, Texts, Texts, Byteas)
# The lock is joined, so that no row gets its id before it is held. Ids follow the order of the events; rows are
# written in order of their keys, so that nodes that store the same deliveries wait for each other and not in a circle.
APPEND = f"""
    with held as materialized (select {{lock}}),
    numbered as materialized (
        select nextval('events_id') as id, new.* from (
            select {_COLUMNS} from held, unnest(
                %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bytea[]
            ) with ordinality as given ({_COLUMNS}, number)
            order by number
        ) new
    ),
    inserted as (
        insert into events (id, {_COLUMNS})
        select id, {_COLUMNS} from numbered order by source, delivery_key, id
        on conflict (source, delivery_key) where replay_of is null do nothing
        returning id
    )
    select coalesce(array_agg(id order by id), '{{{{}}}}') from inserted
"""  # noqa: S608  only constants
SAME_DELIVERY = """
    select e.id from unnest(%s::text[], %s::text[]) with ordinality as asked (source, delivery_key, number)
    left join events e on e.source = asked.source and e.delivery_key = asked.delivery_key and e.replay_of is null
    order by asked.number
"""
QUARANTINE = """
    insert into quarantine (source, code, detail, received_at_ms, headers, body, verifier)
    values (%s, %s, %s, %s, %s, %s, %s) returning id
"""
# Counting costs as much as there are rows, so it is done for one in a hundredth of the bound.
QUARANTINE_MOST = """
    delete from quarantine where source = %(source)s and id <= (
        select id from quarantine where source = %(source)s order by id desc limit 1 offset %(most)s)
"""
QUARANTINE_MOST_BYTES = """
    delete from quarantine where source = %(source)s and id <= (
        select max(id) from (
            select id, sum(octet_length(body)) over (order by id desc) as total
            from quarantine where source = %(source)s) q
        where total > %(most_bytes)s and id < %(new)s)
"""
STORE_FETCHED = """
    insert into fetched (event_id, name, document)
    select %(event_id)s::bigint, name, document from unnest(%(names)s::text[], %(documents)s::text[]) n (name, document)
    where not exists (select 1 from forgotten where event_id = %(event_id)s)
    on conflict (event_id, name) do update set document = excluded.document
"""


def short(key: str) -> str:
    return key if len(key) <= LONG_KEY else f"sha256:{sha256(key.encode()).hexdigest()}"


async def append_deliveries(connection: Connection, keys: Keys, events: Sequence[NewEvent]) -> list[Appended]:
    """Store all that are new, by one statement; answers in the order of ``events``."""
    ids = await _insert(connection, keys, events)
    if len(ids) == len(events):
        return [Appended(EventId(event_id), duplicate=False) for event_id in ids]
    asked = (Texts(event.source for event in events), Texts(short(event.delivery_key) for event in events))
    stored = [event_id for (event_id,) in await rows(connection, SAME_DELIVERY, asked)]
    if None in stored:
        raise psycopg.OperationalError("a delivery was repeated while retention removed it")
    # Of equal deliveries the first was inserted.
    new = set(ids)
    answers = []
    for event_id in stored:
        answers.append(Appended(EventId(event_id), duplicate=event_id not in new))
        new.discard(event_id)
    return answers


async def append_events(connection: Connection, keys: Keys, events: Sequence[NewEvent]) -> list[Appended]:
    """Deliveries and replays, within a transaction."""
    replays = [event for event in events if event.replay_of is not None]
    if not replays:
        return await append_deliveries(connection, keys, events)
    await hold_memory(connection, keys)
    deliveries = iter(await append_deliveries(connection, keys, [event for event in events if event.replay_of is None]))
    ids = await _insert(connection, keys, replays)
    await replays_forgotten(connection, ids, replays[0].received_at_ms)
    fresh = iter([Appended(EventId(event_id), duplicate=False) for event_id in ids])
    return [next(deliveries if event.replay_of is None else fresh) for event in events]


async def _insert(connection: Connection, keys: Keys, events: Sequence[NewEvent]) -> list[int]:
    if not events:
        return []
    statement = APPEND.format(lock=appending_lock(keys, Kind.EVENTS))
    found = await row(connection, statement, in_columns(map(_row, events), *_TYPES))
    assert found is not None
    ids: list[int] = found[0]
    return ids


def _row(event: NewEvent) -> tuple[Any, ...]:
    key = short(event.delivery_key)
    return (
        str(event.lane),
        event.partition,
        event.source,
        event.topic,
        key,
        event.entity,
        event.occurred_at_ms,
        event.received_at_ms,
        event.replay_of,
        event.options or None,
        None if key == event.delivery_key else event.delivery_key,
        event.headers,
        event.body,
    )


async def quarantine(connection: Connection, item: NewQuarantined, most: int, most_bytes: int) -> QuarantineId:
    """Keep the request; of each source about ``most`` are kept, and the oldest go first.

    Large bodies are kept up to ``most_bytes`` together with what is as new as they.
    """
    values = (item.source, item.code, item.detail, item.received_at_ms, item.headers, item.body, item.verifier)
    found = await row(connection, QUARANTINE, values)
    assert found is not None
    new_id: int = found[0]
    if new_id % max(1, most // 100) == 0:
        await connection.execute(QUARANTINE_MOST, {"source": item.source, "most": most})
    if len(item.body) > LARGE_BODY_BYTES:
        names = {"source": item.source, "most_bytes": most_bytes, "new": new_id}
        await connection.execute(QUARANTINE_MOST_BYTES, names)
    return QuarantineId(new_id)


async def release(
    connection: Connection, keys: Keys, items: Sequence[tuple[QuarantineId, NewEvent]]
) -> list[Appended | None]:
    """Within a transaction: whoever takes an item out first appends it."""
    there = await forget_quarantined(connection, [quarantine_id for quarantine_id, _ in items])
    appended = iter(
        await append_events(connection, keys, [event for quarantine_id, event in items if quarantine_id in there])
    )
    return [next(appended) if quarantine_id in there else None for quarantine_id, _ in items]


async def store_fetched(connection: Connection, keys: Keys, event_id: EventId, documents: Mapping[str, Any]) -> None:
    await hold_memory(connection, keys)
    names = {
        "event_id": event_id,
        "names": Texts(documents),
        "documents": Texts(map(json.dumps, documents.values())),
    }
    await connection.execute(STORE_FETCHED, names)
