"""Writing what comes in."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from relay.journal.sqlite.forgetting import forget_quarantined, replays_forgotten
from relay.journal.sqlite.rows import Insert, Row, id_list, look_up
from relay.model import Appended, EventId, NewEvent, NewQuarantined, QuarantineId

_EVENTS = Insert(
    "events",
    "lane, partition, source, topic, delivery_key, entity, occurred_at_ms, received_at_ms, replay_of, headers, body",
    conflict="on conflict (source, delivery_key) where replay_of is null do nothing",
)
_OPTIONS = Insert("event_options", "event, options")
_SAME_DELIVERY = "(select id from events where source = column1 and delivery_key = column2 and replay_of is null)"


def append_events(database: sqlite3.Connection, events: Sequence[NewEvent]) -> list[Appended]:
    """Store all that are new; answers in the order of ``events``."""
    answers = _append(database, events)
    optioned = [
        (answer.event_id, event.options)
        for event, answer in zip(events, answers, strict=True)
        if event.options and not answer.duplicate
    ]
    if optioned:
        _OPTIONS.run(database, optioned)
    return answers


def _append(database: sqlite3.Connection, events: Sequence[NewEvent]) -> list[Appended]:
    replays = [event for event in events if event.replay_of is not None]
    if not replays:
        return _append_deliveries(database, events)
    deliveries = iter(_append_deliveries(database, [event for event in events if event.replay_of is None]))
    appended = _all_new(*_EVENTS.run(database, [_row(event) for event in replays]))
    replays_forgotten(database, [answer.event_id for answer in appended], replays[0].received_at_ms)
    fresh = iter(appended)
    return [next(deliveries if event.replay_of is None else fresh) for event in events]


def _append_deliveries(database: sqlite3.Connection, events: Sequence[NewEvent]) -> list[Appended]:
    inserted, last_id = _EVENTS.run(database, [_row(event) for event in events])
    if inserted == len(events):
        return _all_new(inserted, last_id)
    ids = look_up(database, _SAME_DELIVERY, [(event.source, event.delivery_key) for event in events])
    # Ids only grow, so the inserted ones are the largest; of equal deliveries the first was inserted.
    new = set(heapq.nlargest(inserted, set(ids)))
    answers = []
    for event_id in ids:
        answers.append(Appended(EventId(event_id), duplicate=event_id not in new))
        new.discard(event_id)
    return answers


def _all_new(inserted: int, last_id: int) -> list[Appended]:
    return [Appended(EventId(event_id), duplicate=False) for event_id in range(last_id - inserted + 1, last_id + 1)]


def _row(event: NewEvent) -> Row:
    return (
        str(event.lane),
        event.partition,
        event.source,
        event.topic,
        event.delivery_key,
        event.entity,
        event.occurred_at_ms,
        event.received_at_ms,
        event.replay_of,
        event.headers,
        event.body,
    )


LARGE_BODY_BYTES = 65_536


def quarantine(database: sqlite3.Connection, item: NewQuarantined, most: int, most_bytes: int) -> QuarantineId:
    """Keep the request; of each source about ``most`` are kept, and the oldest go first.

    Large bodies are kept up to ``most_bytes`` together with what is as new as they.
    """
    cursor = database.execute(
        "insert into quarantine (source, code, detail, received_at_ms, headers, body, verifier)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        (item.source, item.code, item.detail, item.received_at_ms, item.headers, item.body, item.verifier),
    )
    new_id = cursor.lastrowid or 0
    # Counting costs as much as there are rows, so it is done for one in a hundredth of the bound.
    if new_id % max(1, most // 100) == 0:
        database.execute(
            "delete from quarantine where source = ?1 and id <="
            " (select id from quarantine where source = ?1 order by id desc limit 1 offset ?2)",
            (item.source, most),
        )
    if len(item.body) > LARGE_BODY_BYTES:
        database.execute(
            "delete from quarantine where source = ?1 and id <= (select max(id) from (select id,"
            " sum(length(body)) over (order by id desc) as total from quarantine where source = ?1)"
            " where total > ?2 and id < ?3)",
            (item.source, most_bytes, new_id),
        )
    return QuarantineId(new_id)


def release(database: sqlite3.Connection, items: Sequence[tuple[QuarantineId, NewEvent]]) -> list[Appended | None]:
    asked = id_list(quarantine_id for quarantine_id, _ in items)
    rows = database.execute("select id from quarantine where id in (select value from json_each(?))", (asked,))
    there = {quarantine_id for (quarantine_id,) in rows}
    appended = iter(append_events(database, [event for quarantine_id, event in items if quarantine_id in there]))
    forget_quarantined(database, [quarantine_id for quarantine_id, _ in items])
    return [next(appended) if quarantine_id in there else None for quarantine_id, _ in items]


def store_fetched(database: sqlite3.Connection, event_id: EventId, documents: Mapping[str, Any]) -> None:
    for name, document in documents.items():
        database.execute(
            "insert into fetched (event_id, name, document)"
            " select ?1, ?2, ?3 where not exists (select 1 from forgotten where event_id = ?1)"
            " on conflict (event_id, name) do update set document = excluded.document",
            (event_id, name, json.dumps(document)),
        )
