"""Writers that commit late: what they wrote is never passed by, neither by a stage nor by a later cursor."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from relay.journal.postgres import PostgresJournal
from relay.journal.postgres.appending import append_deliveries
from relay.journal.postgres.connecting import Connection, connect, settings_of
from relay.journal.postgres.horizon import Bounds, Horizon
from relay.journal.postgres.keys import Keys
from relay.journal.postgres.schema import prepare
from relay.journal.postgres.settling import settle_events
from relay.model import EventId, NewEvent, Stage
from tests.journal.making import DELIVER, RENDER, call, event
from tests.postgres import emptied_schema


@pytest.fixture
def url() -> str:
    return emptied_schema(partitions=1)


@pytest.fixture
async def journal(url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.open(url)
    await journal.open_stage(RENDER.name, "beginning")
    await journal.open_stage(DELIVER.name, "beginning")
    yield journal
    await journal.close()


@asynccontextmanager
async def node(url: str) -> AsyncIterator[tuple[Connection, Keys]]:
    """Another node's connection, for a transaction that the test ends when it likes."""
    identity = (await prepare("here", settings_of(url), 1)).identity
    async with await connect(settings_of(url)) as connection:
        yield connection, Keys(identity)


async def work_all(journal: PostgresJournal, stage: Stage = RENDER) -> list[EventId]:
    """Everything that can be read now, settled."""
    done: list[EventId] = []
    while (batch := await journal.read_events(stage, 100)).events:
        await journal.settle_events(
            stage, position=batch.position, moved_to=batch.events[-1].id, calls=[], outcomes=[], keys=[]
        )
        done += [one.id for one in batch.events]
    return done


async def late_and_early(journal: PostgresJournal, url: str) -> tuple[list[EventId], list[EventId]]:
    """Work after the second writer's commit and again after the first one's; what was worked each time."""
    async with node(url) as (connection, keys):
        async with connection.transaction():
            (late,) = await append_deliveries(connection, keys, [event("late")])
            early = await journal.append(event("early"))
            assert late.event_id < early.event_id
            before = await work_all(journal)
        return before, await work_all(journal)


async def test_an_event_that_commits_late_holds_back_those_behind_it(journal: PostgresJournal, url: str) -> None:
    assert await late_and_early(journal, url) == ([], [EventId(1), EventId(2)])


async def test_without_the_guard_it_would_be_lost(
    journal: PostgresJournal, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the test above cannot pass by accident."""

    async def no_guard(self: Horizon) -> Bounds:
        return Bounds(2**40, 2**40)

    monkeypatch.setattr(Horizon, "bounds", no_guard)
    assert await late_and_early(journal, url) == ([EventId(2)], [])


async def test_what_was_rolled_back_holds_up_nobody(journal: PostgresJournal, url: str) -> None:
    async with node(url) as (connection, keys):
        await connection.execute("begin")
        await append_deliveries(connection, keys, [event("gone")])
        kept = await journal.append(event("kept"))
        assert await work_all(journal) == []
        assert await journal.changed(), "it has to be looked at again, and nobody will tell when"
        await connection.execute("rollback")

        assert await work_all(journal) == [kept.event_id]


async def test_reading_waits_a_moment_for_a_transaction_that_is_about_to_commit(
    journal: PostgresJournal, url: str
) -> None:
    async with node(url) as (connection, keys), asyncio.TaskGroup() as group:
        await connection.execute("begin")
        await append_deliveries(connection, keys, [event("first")])
        await journal.append(event("second"))
        reading = group.create_task(journal.read_events(RENDER, 10))
        await asyncio.sleep(0.03)
        await connection.execute("commit")
        assert [one.delivery_key for one in (await reading).events] == ["first", "second"]


async def test_calls_that_commit_late_are_not_passed_by(journal: PostgresJournal, url: str) -> None:
    await journal.open_stage("render:other", "beginning")
    first = await journal.append(event("a"))
    second = await journal.append(event("b", source="other"))
    async with node(url) as (connection, keys), connection.transaction():
        late = [call(first.event_id, "late")]
        await settle_events(connection, keys, RENDER, 0, first.event_id, late, [], [])
        await journal.settle_events(
            Stage("render:other", RENDER.lane, 0),
            position=0,
            moved_to=second.event_id,
            calls=[call(second.event_id, "early")],
            outcomes=[],
            keys=[],
        )
        assert (await journal.read_calls(DELIVER, 10)).calls == []
    assert [one.message_id for one in (await journal.read_calls(DELIVER, 10)).calls] == ["late", "early"]


async def test_transactions_of_others_in_the_same_database_hold_up_nothing(journal: PostgresJournal, url: str) -> None:
    async with await connect(settings_of(url)) as stranger:
        await stranger.execute("begin")
        await stranger.execute("create table of_somebody_else (a int)")
        await stranger.execute("select pg_advisory_xact_lock(1), pg_advisory_xact_lock_shared(2, 3)")
        appended = await journal.append(event("a"))

        assert await work_all(journal) == [appended.event_id]
        await stranger.execute("rollback")


async def test_many_writers_that_commit_whenever_they_like(journal: PostgresJournal, url: str) -> None:
    chance = random.Random(7)
    committed: list[EventId] = []
    worked: list[EventId] = []

    async def write(name: str, connection: Connection, keys: Keys) -> None:
        for number in range(15):
            async with connection.transaction(force_rollback=chance.random() < 0.2) as transaction:
                new: Sequence[NewEvent] = [event(f"{name} {number} {part}") for part in range(chance.randint(1, 3))]
                appended = await append_deliveries(connection, keys, new)
                await asyncio.sleep(chance.uniform(0, 0.01))
            if not transaction.force_rollback:
                committed.extend(answer.event_id for answer in appended)

    async def work() -> None:
        while len(worked) < len(committed) or not writing.done():
            worked.extend(await work_all(journal))
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack, asyncio.timeout(60), asyncio.TaskGroup() as group:
        nodes = [await stack.enter_async_context(node(url)) for _ in range(5)]

        async def write_all() -> None:
            await asyncio.gather(*(write(str(number), *one) for number, one in enumerate(nodes)))

        writing = group.create_task(write_all())
        group.create_task(work())

    assert worked == sorted(worked), "in order of their ids"
    assert worked == sorted(committed)
