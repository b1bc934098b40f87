"""What the design says of the PostgreSQL driver: shared commits, claims, migrations, poolers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from relay.codes import RelayError
from relay.journal.postgres import PostgresJournal, claims, connecting, is_made, pending, schema
from relay.journal.postgres.connecting import connect, settings_of, shown
from relay.journal.protocol import JournalUnavailable
from relay.journal.sqlite.schema import prepare as prepare_file
from relay.model import EventId, Gate, OutcomeKind, Selection
from tests.journal.making import DELIVER, RENDER, Line, call, event
from tests.postgres import emptied_schema, new_schema


@pytest.fixture
def url() -> str:
    return emptied_schema(partitions=2)


@pytest.fixture
def empty_url() -> str:
    return new_schema()


@pytest.fixture
async def journal(url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.open(url)
    yield journal
    await journal.close()


async def asked(url: str, statement: str) -> list[Any]:
    async with await connect(settings_of(url)) as connection:
        return await (await connection.execute(statement.encode())).fetchall()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


# -- intake


async def test_waiting_appends_share_a_commit(url: str) -> None:
    commits: list[float] = []
    journal = await PostgresJournal.open(url, observe_commit=commits.append)
    await asyncio.gather(*(journal.append(event(str(number))) for number in range(1000)))
    await journal.close()

    assert 1 <= len(commits) <= 5
    assert all(0 < seconds < 10 for seconds in commits)


async def test_large_groups_are_stored_in_parts(journal: PostgresJournal) -> None:
    body = b"x" * (3 << 20)
    answers = await asyncio.gather(*(journal.append(event(str(number), body=body)) for number in range(7)))

    assert len({answer.event_id for answer in answers}) == 7


async def test_nodes_that_store_the_same_in_another_order_do_not_lose_any(url: str) -> None:
    one, two = await PostgresJournal.open(url), await PostgresJournal.open(url)
    for start in range(0, 6000, 300):
        new = [event(str(number)) for number in range(start, start + 300)]
        first, second = await asyncio.gather(one.append_many(new), two.append_many(new[::-1]))
        assert [answer.event_id for answer in first] == [answer.event_id for answer in second[::-1]]
        assert all(a.duplicate is not b.duplicate for a, b in zip(first, second[::-1], strict=True))
    await one.close()
    await two.close()


async def test_commits_are_synchronous_whatever_the_default(url: str) -> None:
    lax = psycopg.conninfo.make_conninfo(settings_of(url))
    async with await connect(lax) as connection:
        found = await (await connection.execute("show synchronous_commit")).fetchone()
    assert found == ("on",)


async def test_keys_of_any_length_are_told_apart(journal: PostgresJournal) -> None:
    long = [f"{'k' * 100_000}{number}" for number in range(2)]
    ids = [(await journal.append(event(key))).event_id for key in long]
    await Line(journal).render_all()

    assert len(set(ids)) == 2
    assert (await journal.append(event(long[1]))).event_id == ids[1]
    assert [stored.delivery_key for stored in await journal.events(ids)] == long
    assert [one.id for one in await journal.find(Selection(key=f"ORDER:{long[0]}"), limit=9)] == ids[:1]


# -- claims


async def test_of_all_nodes_one_works_a_partition(url: str) -> None:
    one, two = await PostgresJournal.open(url), await PostgresJournal.open(url)
    async with one.claim("render:shop", 0) as mine:
        assert mine.held
        async with two.claim("render:shop", 0) as theirs, two.claim("render:shop", 1) as other:
            assert (theirs.held, other.held) == (False, True)
        assert await two.changed(), "it has to be asked for again"
    assert not mine.held or await asked(url, "select 1")
    async with two.claim("render:shop", 0) as theirs:
        assert theirs.held
    await one.close()
    await two.close()


async def test_a_node_whose_connection_breaks_has_no_claims_and_knows_it(url: str) -> None:
    one, two = await PostgresJournal.open(url), await PostgresJournal.open(url)
    async with one.claim("render:shop", 0) as mine:
        (pid,) = (await asked(url, "select pid from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"))[
            0
        ]
        await asked(url, f"select pg_terminate_backend({pid})")

        async def taken_over() -> bool:
            async with two.claim("render:shop", 0) as theirs:
                return theirs.held

        await until(taken_over)
        await until(lambda: _not_held(mine))
    async with one.claim("render:shop", 0) as again:
        assert again.held
    await one.close()
    await two.close()


async def _not_held(claim: Any) -> bool:
    return not claim.held


async def test_a_node_that_hangs_is_not_sure_of_its_claims(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journal.claim("render:shop", 0) as mine:
        assert mine.held
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 6)
        assert not mine.held


async def test_the_server_ends_a_silent_nodes_claims(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_SILENT_S", 1)
    monkeypatch.setattr(claims, "_SPEAK_EVERY_S", 3600)
    one = await PostgresJournal.open(url)
    two = await PostgresJournal.open(url)

    async def taken_over() -> bool:
        async with two.claim("render:shop", 0) as theirs:
            return theirs.held

    async with one.claim("render:shop", 0):
        assert not await taken_over()
        await until(taken_over)
    await one.close()
    await two.close()


# -- notices


class Woken:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def wake(self, stage: str, partition: int) -> None:
        self.calls.append((stage, partition))

    def wake_delivery(self, partition: int) -> None:
        self.calls.append((partition,))

    def wake_all(self) -> None:
        self.calls.append(())


async def test_other_nodes_are_woken_for_what_was_written(url: str) -> None:
    woken = Woken()
    one, two = await PostgresJournal.open(url, waking=woken), await PostgresJournal.open(url)
    line = Line(two)
    await one.append(event("mine"))
    await line.append(event("theirs", partition=1))
    await line.render_all()

    async def heard() -> bool:
        return {("render:shop", 1), (0,)} <= set(woken.calls)

    await until(heard)
    assert ("render:shop", 0) not in woken.calls, "what it wrote itself"
    await two.set_gate("deliver:segment", Gate(1))
    await until(one.changed)
    await one.close()
    await two.close()


async def test_what_a_process_wrote_just_before_it_ended_is_heard(url: str) -> None:
    woken = Woken()
    one, two = await PostgresJournal.open(url, waking=woken), await PostgresJournal.open(url)
    await two.append(event("theirs", partition=1))
    await two.close()

    async def heard() -> bool:
        return ("render:shop", 1) in woken.calls

    await until(heard)
    await one.close()


# -- the schema


def test_both_journals_have_the_same_tables(empty_url: str, tmp_path: Any) -> None:
    """But for what each needs for itself."""
    import sqlite3
    from contextlib import closing

    prepare_file(tmp_path / "relay.db", 1)
    asyncio.run(schema.prepare("here", settings_of(empty_url), 1))
    with closing(sqlite3.connect(tmp_path / "relay.db")) as file:
        tables = [name for (name,) in file.execute("select name from sqlite_schema where type = 'table'")]
        here = {(name, row[1]) for name in tables for row in file.execute(f"pragma table_info({name})")}
    with psycopg.connect(empty_url) as database:
        statement = (
            "select table_name, column_name from information_schema.columns where table_schema = current_schema()"
        )
        there = set(database.execute(statement).fetchall())

    assert here - there == {("event_options", "event"), ("event_options", "options")} | {
        (name, column) for name, column in here if name == "sqlite_sequence"
    }
    assert there - here == {("events", "options"), ("events", "long_key")}


async def test_nodes_that_start_together_make_the_tables_once(empty_url: str) -> None:
    assert not await is_made(empty_url)
    assert len(await pending(empty_url)) == len(schema.migrations())
    journals = await asyncio.gather(*(PostgresJournal.open(empty_url, 3 + number) for number in range(4)))

    assert len({journal.partitions for journal in journals}) == 1
    assert await is_made(empty_url)
    assert await pending(empty_url) == []
    await asyncio.gather(*(journal.close() for journal in journals))


async def test_an_older_journal_is_brought_up_to_date_beside_a_node_that_works(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        steps = schema.migrations()
        before.setattr(schema, "migrations", lambda: steps[:1])
        old = await PostgresJournal.open(empty_url, 2)
    (first,) = await Line(old).run(event("a"))
    assert len(await pending(empty_url)) == len(steps) - 1

    new = await PostgresJournal.open(empty_url)
    assert await pending(empty_url) == []
    (second,) = await Line(old).run(event("b"))
    assert [one.id for one in await new.find(Selection(), limit=9)] == [second, first]
    await old.close()
    await new.close()


async def test_a_journal_of_a_newer_relay_is_refused(empty_url: str) -> None:
    await schema.prepare("here", settings_of(empty_url), 1)
    await asked_and_done(empty_url, "update meta set value = '99' where name = 'version'")
    with pytest.raises(RelayError) as refused:
        await PostgresJournal.open(empty_url)

    assert refused.value.code == "journal_newer"
    assert "99" in str(refused.value)


async def asked_and_done(url: str, statement: str) -> None:
    async with await connect(settings_of(url)) as connection:
        await connection.execute(statement.encode())


async def test_a_server_that_is_not_there(url: str) -> None:
    with pytest.raises(JournalUnavailable) as refused:
        await PostgresJournal.open("postgresql://relay:hidden-password@127.0.0.1:1/shop")

    assert "postgresql://127.0.0.1:1/shop" in str(refused.value)
    assert "hidden-password" not in str(refused.value)


def test_the_url_without_its_password() -> None:
    assert (
        shown("postgresql://relay:pa55@db.example:5433/shop?sslmode=verify-full") == "postgresql://db.example:5433/shop"
    )
    settings = psycopg.conninfo.conninfo_to_dict(
        settings_of("postgresql://u@h/d?sslmode=verify-full&connect_timeout=9")
    )
    assert (settings["sslmode"], settings["connect_timeout"]) == ("verify-full", "9")


async def test_what_was_forgotten_is_in_no_row_any_more(
    journal: PostgresJournal, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(journal)
    (gone,) = await line.append(event("a", body=b"forget-me", headers='{"a":"forget-me"}', entity="forget-me"))
    await line.render_all(text="forget-me")
    await line.deliver_all(OutcomeKind.DEAD, detail="forget-me")
    await journal.forget([EventId(gone)], at_ms=1)

    assert await journal.scrub()
    assert await journal.scrub(rewrite=True)
    async with await connect(settings_of(url)) as reader:
        await reader.execute("begin")
        await reader.execute("select 1 from events")
        with monkeypatch.context() as patient:
            patient.setattr(connecting, "_SESSION", ("set lock_timeout = '50ms'",))
            assert not await journal.scrub(rewrite=True), "somebody reads"
        await reader.execute("rollback")
    for table in ("events", "calls", "outcomes", "attempts", "event_keys", "fetched"):
        assert await asked(url, f"select 1 from {table} t where t::text like '%forget-me%'") == []
    assert (RENDER.partition, DELIVER.partition) == (0, 0)


async def test_whoever_is_forgotten_while_another_node_writes_stays_so(url: str) -> None:
    one, two = await PostgresJournal.open(url), await PostgresJournal.open(url)
    await Line(one).open()
    for number in range(40):
        (gone,) = await Line(one).append(event(str(number), body=b"forget-me", entity="forget-me"))
        batch = await one.read_events(RENDER, 10)
        settling = one.settle_events(
            RENDER,
            position=batch.position,
            moved_to=gone,
            calls=[call(gone, f"m{number}", text="forget-me")],
            outcomes=[],
            keys=[(gone, "forget-me")],
        )
        replaying = one.append_many([event(str(number), body=b"forget-me", replay_of=gone, partition=1)])
        fetching = one.store_fetched(gone, {"order": "forget-me"})
        _, replays, *_ = await asyncio.gather(settling, replaying, fetching, two.forget([gone], at_ms=number))
        for event_id in (gone, replays[0].event_id):
            assert "forget-me" not in repr(await two.timeline(event_id))
    await one.close()
    await two.close()
