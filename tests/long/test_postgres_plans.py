"""With a million rows in every log, no hot query walks a table, and each costs what it does and not what waits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from relay.journal.postgres import PostgresJournal
from relay.journal.postgres.schema import prepare
from relay.model import EventId, Gate, Lane, OutcomeKind, Selection, Stage
from tests.journal.making import NOW_MS, attempt, call, ended, event, quarantined
from tests.postgres import new_schema

pytestmark = pytest.mark.long
ROWS = int(os.environ.get("RELAY_TEST_ROWS", "1000000"))
TIMES = 12
"""After a few executions the server may take another plan, one for all values."""
RENDER, DELIVER = Stage("render:shop1", Lane.LIVE, 1), Stage("deliver:segment", Lane.LIVE, 1)

FILL = f"""
insert into events (lane, partition, source, topic, delivery_key, entity, received_at_ms, headers, body)
  select 'live', n % 8, 'shop' || n % 3, 'order.paid', 'k' || n, 'order:' || n, {NOW_MS} + n * 100, '{{}}',
    convert_to(repeat('x', 300), 'UTF8') from generate_series(1, {ROWS}) n;
insert into calls (lane, partition, event_id, tracked_event, message_id, template_version, text)
  select 'live', n % 8, n, case when n % 1000 = 0 then 'order_refunded' else 'order_completed' end, 'm' || n, 'v1',
    repeat('x', 300) from generate_series(1, {ROWS}) n;
insert into outcomes (event_id, call_id, attempt_id, destination, message_id, kind, code, detail, at_ms)
  select n, n, n / 100, 'ometria', 'm' || n, case when n % 5000 = 0 then 'dead' else 'delivered' end, 'accepted', '',
    {NOW_MS} from generate_series(1, {ROWS}) n;
insert into delivered select 'ometria', 'm' || n, n from generate_series(1, {ROWS}) n;
insert into event_keys select 'order:' || n, n from generate_series(1, {ROWS}) n;
insert into attempts (destination, lane, partition, started_at_ms, duration_ms, status, verdict, code, calls,
    first_call, last_call, answer, request)
  select 'ometria', 'live', n % 8, {NOW_MS}, 9, 200, 'delivered', 'accepted', 100, n * 100, n * 100 + 99, '', ''
  from generate_series(1, {ROWS} / 100) n;
insert into quarantine (source, code, detail, received_at_ms, headers, body)
  select 'shop' || n % 3, 'body_not_json', '', {NOW_MS} + n, '{{}}', 'x' from generate_series(1, {ROWS} / 100) n;
analyze
"""
LOGS = ("events", "calls", "outcomes", "delivered", "event_keys", "attempts")
USE = f"""
    select relname, seq_tup_read, coalesce(idx_tup_fetch, 0) + n_tup_ins
    from pg_stat_user_tables where schemaname = current_schema() and relname in {LOGS}
"""


@pytest.fixture(scope="module")
def url() -> str:
    url = new_schema()
    asyncio.run(prepare("here", url, 8))
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement.encode())
    return url


def used(url: str) -> dict[str, tuple[int, int]]:
    """Rows read by walking, and rows read by an index or written, of every log so far."""
    with psycopg.connect(url) as connection:
        return {name: (walked, found) for name, walked, found in connection.execute(USE.encode()).fetchall()}


@asynccontextmanager
async def counted(url: str, most: int) -> AsyncIterator[PostgresJournal]:
    """Nothing may be walked, and of each log at most so many rows read."""
    before = used(url)
    journal = await PostgresJournal.open(url)
    try:
        yield journal
    finally:
        await journal.close()  # sessions report what they read when they end
    after = used(url)
    walked = {name: after[name][0] - before[name][0] for name in LOGS}
    assert not any(walked.values()), f"walked: {walked}"
    read = {name: after[name][1] - before[name][1] for name in LOGS}
    assert max(read.values()) <= most, f"read: {read}"


async def _intake(journal: PostgresJournal) -> None:
    for number in range(TIMES):
        await journal.append_many([event(f"new {number}", source="shop1"), event("k1", source="shop1")])
        (item,) = [await journal.quarantine(quarantined(number))]
        await journal.release([(item, event(f"released {number}", source="shop1"))])
        await journal.append_many([event(f"replay {number}", replay_of=EventId(7), lane=Lane.REPLAY)])
        await journal.store_fetched(EventId(5), {"order": {}})


async def _render(journal: PostgresJournal) -> None:
    await journal.open_stage(RENDER.name, "beginning")
    for _ in range(TIMES):
        batch = await journal.read_events(RENDER, 100)
        assert len(batch.events) == 100
        await journal.settle_events(
            RENDER,
            position=batch.position,
            moved_to=batch.events[-1].id,
            calls=[call(one.id, f"new {one.id}") for one in batch.events],
            outcomes=[],
            keys=[(one.id, f"key {one.id}") for one in batch.events],
        )
        await journal.fetched(batch.events[0].id)


async def _deliver(journal: PostgresJournal) -> None:
    await journal.open_stage(DELIVER.name, "beginning")
    await journal.open_stage("deliver:late", "now")
    for _ in range(TIMES):
        batch = await journal.read_calls(DELIVER, 100)
        assert len(batch.calls) == 100
        await journal.delivered("segment", [one.message_id for one in batch.calls])
        await journal.settle_calls(
            DELIVER,
            position=batch.position,
            moved_to=batch.calls[-1].id,
            outcomes=[ended(one) for one in batch.calls],
            attempt=attempt(batch.calls, partition=1),
        )
        await journal.record_attempt(attempt(batch.calls, partition=1, status=503))
        await journal.set_gate("deliver:segment", Gate(1))
        assert (await journal.read_calls(Stage("deliver:late", Lane.LIVE, 2), 100)).calls == []
        await journal.last_attempt("ometria")
        await journal.last_attempt("nowhere")
        await journal.record_refused([ended(batch.calls[0], OutcomeKind.DEAD)])


async def _look_up(journal: PostgresJournal) -> None:
    rare = [
        Selection(event_ids=[EventId(1)]),
        Selection(key="order:17"),
        Selection(key="order:17", outcome=OutcomeKind.DELIVERED),
        Selection(outcome=OutcomeKind.DEAD, source="shop1"),
        Selection(outcome=OutcomeKind.DEAD, destination="segment", since_ms=1),
    ]
    for number in range(TIMES):
        for selection in rare:
            await journal.find(selection, limit=10, before=EventId(ROWS))
            await journal.count(selection)
        for selection in (Selection(), Selection(source="shop1"), Selection(topic="order.paid")):
            assert len(await journal.find(selection, limit=10)) == 10
        await journal.timeline(EventId(1000 + number))
        await journal.events([EventId(1000 + number)])
        await journal.quarantined("shop1", limit=10)
        await journal.stage_sources()
        await journal.arrivals("shop1", window_ms=3_600_000)
        await journal.count_arrivals("shop1", since_ms=NOW_MS + ROWS * 100 - 1000)
        await journal.refusals("shop1")
        await journal.changed()


async def _keep_house(journal: PostgresJournal) -> None:
    limits = {"dead_before_ms": NOW_MS, "stages": ["deliver:segment"], "limit": 100}
    for number in range(TIMES):
        await journal.drop_expired(events_before_ms=NOW_MS, quarantine_before_ms=NOW_MS, **limits)  # type: ignore[arg-type]
        await journal.drop_bodies(before_ms=NOW_MS + 100_000, **limits)  # type: ignore[arg-type]
        await journal.forget([EventId(2000 + number)], at_ms=NOW_MS)


# The latter two look for attempts among the 5,000 calls before one (`WIDEST_ATTEMPT`).
@pytest.mark.parametrize(
    ("work", "most"),
    [(_intake, 1_000), (_render, 4_000), (_deliver, 6_000), (_look_up, 80_000), (_keep_house, 80_000)],
)
async def test_no_hot_query_walks(url: str, work: Callable[[PostgresJournal], Awaitable[None]], most: int) -> None:
    async with counted(url, most) as journal:
        await work(journal)


async def test_retention_does_not_hold_up_intake(url: str) -> None:
    journal = await PostgresJournal.open(url)
    for name in ("render:shop0", "render:shop1", "render:shop2"):
        await journal.open_stage(name, "beginning")
    with psycopg.connect(url) as connection:
        connection.execute("update cursors set position = %s where stage like 'render:%%'", (ROWS * 10,))
    waits_s: list[float] = []
    dropped = 0

    async def drop() -> None:
        nonlocal dropped
        while dropped < 10_000:
            step = await journal.drop_expired(
                events_before_ms=NOW_MS * 2, dead_before_ms=NOW_MS * 2, quarantine_before_ms=0, stages=[], limit=1_000
            )
            dropped += step.events

    async with asyncio.TaskGroup() as group:
        dropping = group.create_task(drop())
        while not dropping.done():
            began_s = time.perf_counter()
            await journal.append(event(f"beside {len(waits_s)}"))
            waits_s.append(time.perf_counter() - began_s)
    await journal.close()
    print(f"{len(waits_s)} appends beside {dropped} drops, the longest took {max(waits_s) * 1000:.0f} ms")
    assert max(waits_s) < 1
