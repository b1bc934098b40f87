"""What the design says of the SQLite driver: shared commits, indexes for every read, a file that shrinks."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from relay.journal.sqlite import (
    SqliteJournal,
    appending,
    arrivals,
    finding,
    forgetting,
    reading,
    retention,
    settling,
    showing,
    standing,
)
from relay.journal.sqlite.connecting import open_writer
from relay.journal.sqlite.schema import migrations, prepare, statements
from relay.model import Audit, Call, CallId, EventId, Gate, Lane, OutcomeKind, PrivacyKind, QuarantineId, Selection
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, attempt, call, ended, event, quarantined


async def test_waiting_appends_share_a_commit(tmp_path: Path) -> None:
    commits: list[float] = []
    journal = await SqliteJournal.open(tmp_path / "relay.db", observe_commit=commits.append)
    await asyncio.gather(*(journal.append(event(str(number))) for number in range(500)))
    await journal.changed()
    await journal.close()

    assert 1 <= len(commits) <= 5
    assert all(0 < seconds < 10 for seconds in commits)


async def test_commits_are_synchronous(tmp_path: Path) -> None:
    prepare(tmp_path / "relay.db", 1)
    with closing(open_writer(tmp_path / "relay.db")) as database:
        assert database.execute("pragma synchronous").fetchone() == (2,)
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)
        assert database.execute("pragma auto_vacuum").fetchone() == (2,)


async def test_the_file_shrinks_when_most_of_it_was_dropped(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    journal = await SqliteJournal.open(path)
    line = Line(journal)
    await line.run(*(event(str(number), body=b"x" * 3000) for number in range(500)))
    before = await _pages(journal, path)
    limits = {"events_before_ms": NOW_MS + 1, "dead_before_ms": NOW_MS + 1, "quarantine_before_ms": 0}
    steps = 1
    while (await journal.drop_expired(**limits, stages=["deliver:segment"], limit=100)).more:
        steps += 1

    assert await journal.count(Selection()) == 0
    assert await _pages(journal, path) < before / 2
    assert steps < before / 50
    await journal.close()


async def test_what_was_forgotten_is_in_no_file_any_more(tmp_path: Path) -> None:
    """Bodies in the row, and such as overflow it; keys in the middle of an index; what lies between is kept."""
    path = tmp_path / "relay.db"
    journal = await SqliteJournal.open(path)
    line = Line(journal)
    marker, kept = b"forget-me", b"keep-me"

    def personal(number: int) -> bytes:
        return b'{"email":"%s-%d@shop.example"}' % (marker if number % 3 else kept, number) * (1 + number * 17 % 60)

    events = [event(str(n), body=personal(n), entity=personal(n)[:40].decode()) for n in range(600)]
    ids = await line.append(*events)
    await line.render_all(text=f"{marker.decode()} in a call")
    await line.deliver_all(detail=marker.decode())
    for number in range(20):
        await journal.quarantine(quarantined(number, body=personal(number + 1)))
    assert _count_in_files(path, marker) > 1000

    await journal.forget([event_id for number, event_id in enumerate(ids) if number % 3], at_ms=NOW_MS)
    await journal.forget_quarantined([item.id for item in await journal.quarantined(None, limit=100)])
    assert await journal.scrub()
    assert _count_in_files(path, b"forget-me-") == 0
    assert (await journal.events([ids[3]]))[0].body == personal(3)
    await journal.close()


async def test_scrubbing_waits_for_no_reader(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    journal = await SqliteJournal.open(path)
    (gone,) = [answer.event_id for answer in await journal.append_many([event("a", body=b"forget-me")])]
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from events").fetchone()
        await journal.forget([gone], at_ms=NOW_MS)
        assert not await journal.scrub()
        reader.execute("commit")
    assert await journal.scrub()
    assert _count_in_files(path, b"forget-me") == 0
    await journal.append(event("b"))
    await journal.close()


def _count_in_files(path: Path, text: bytes) -> int:
    return sum(file.read_bytes().count(text) for file in path.parent.iterdir())


async def _pages(journal: SqliteJournal, path: Path) -> int:
    await journal.check()
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("pragma page_count").fetchone()[0])


def test_a_migration_is_cut_into_its_statements() -> None:
    script = "-- one; two\ncreate table a (b);\ncreate trigger t after insert on a begin select 1; select 2; end;\n"

    assert [statement[:14] for statement in statements(script)] == ["-- one; two\ncr", "create trigger"]
    with closing(sqlite3.connect(":memory:")) as whole, closing(sqlite3.connect(":memory:")) as cut:
        for step in migrations():
            whole.executescript(step)
            for statement in statements(step):
                cut.execute(statement)
        schema = "select type, name, sql from sqlite_schema order by name"
        assert cut.execute(schema).fetchall() == whole.execute(schema).fetchall()


# -- query plans


CALL = Call(CallId(1), EventId(1), "order_completed", "m", "{}", "v1", NOW_MS)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    prepare(tmp_path / "relay.db", 2)
    with closing(open_writer(tmp_path / "relay.db")) as database:
        settling.open_stage(database, "render:shop", "beginning", 2)
        settling.open_stage(database, "deliver:segment", "now", 2)
        yield database


def _intake(database: sqlite3.Connection) -> None:
    appending.append_events(database, [event("a"), event("b")])
    appending.append_events(database, [event("a"), event("b", replay_of=1)])
    appending.quarantine(database, quarantined(), 1, 1)
    appending.quarantine(database, quarantined(body=b"x" * 100_000), 1, 1)
    appending.store_fetched(database, EventId(1), {"order": {}})


def _forgetting(database: sqlite3.Connection) -> None:
    event_id = EventId(1)
    forgetting.candidates(database, "shop", ["k"], EventId(0))
    forgetting.candidates(database, "shop", None, EventId(0))
    forgetting.forget(database, [event_id], NOW_MS)
    forgetting.forget(database, [event_id], NOW_MS)
    forgetting.record_audit(database, Audit(NOW_MS, "shop", PrivacyKind.DATA_REQUEST, None, 0, 0, 0))
    forgetting.audits(database, 10)
    forgetting.rendered_forgotten(database, 0, 10, [], [], [])
    forgetting.delivered_forgotten(database, DELIVER, 0, 10, [])
    forgetting.attempt_forgotten(database, attempt(reading.read_calls(database, DELIVER, 10).calls or [CALL]))
    appending.append_events(database, [event("late", replay_of=1)])
    item = showing.read_quarantine(database, "shop", QuarantineId(0), 10)[0]
    showing.read_quarantine(database, None, QuarantineId(0), 10)
    appending.release(database, [(item.id, event("released"))])
    forgetting.forget_quarantined(database, [item.id])


def _rendering(database: sqlite3.Connection) -> None:
    events = reading.read_events(database, RENDER, 10).events
    settling.settle_events(
        database, RENDER, 0, events[0].id, [call(events[0].id, "m")] * 2, [ended(events[0])], [(events[0].id, "k")]
    )


def _delivering(database: sqlite3.Connection) -> None:
    calls = reading.read_calls(database, DELIVER, 10).calls
    reading.delivered(database, "segment", ["m"])
    settling.settle_calls(database, DELIVER, 0, calls[-1].id, [ended(one) for one in calls], attempt(calls))


def _standing(database: sqlite3.Connection) -> None:
    standing.gate(database, "segment")
    settling.set_gate(database, "segment", Gate(1))
    standing.backlogs(database, ["render:shop", "deliver:segment"])
    standing.stage_sources(database)
    arrivals.arrivals(database, "shop", 1_000)
    arrivals.count_arrivals(database, "shop", 1)
    arrivals.refusals(database, "shop")


def _showing(database: sqlite3.Connection) -> None:
    showing.timeline(database, EventId(1))
    showing.events(database, [EventId(1)])
    showing.last_attempt(database, "segment")
    showing.quarantined(database, "shop", 10)
    showing.quarantined_one(database, QuarantineId(1))


def _finding(database: sqlite3.Connection) -> None:
    for selection in (
        Selection(event_ids=[EventId(1)]),
        Selection(key="k"),
        Selection(key="k", outcome=OutcomeKind.DELIVERED),
        Selection(outcome=OutcomeKind.DEAD, source="shop"),
        Selection(outcome=OutcomeKind.DEAD, destination="segment", since_ms=1),
    ):
        finding.find(database, selection, 10, EventId(9))
        finding.count(database, selection)


def _retention(database: sqlite3.Connection) -> None:
    retention.find_expired(
        database,
        retention.Sweep(),
        events_before_ms=NOW_MS + 1,
        dead_before_ms=NOW_MS + 1,
        stages=["deliver:segment"],
        limit=10,
    )
    retention._find_bodies(database, 0, NOW_MS + 1, NOW_MS + 1, ["deliver:segment"], 10)
    retention._empty_events("[1,2]", database)
    retention._drop_events("[1,2]", database)
    retention._drop_attempts("[1]", database)
    retention._drop_quarantined(database, NOW_MS * 2, 10)


HARMLESS = re.compile(
    r"SCAN (\d+ )?CONSTANT ROWS?$"
    r"|SCAN \(subquery"
    r"|SCAN \w+ VIRTUAL TABLE"  # json_each
    r"|SCAN seen$"  # a row for each source
    r"|SCAN found$"  # a row for each hour
    r"|SCAN chain$"  # an event and what it replays
    r"|SCAN waiting$"  # a batch
    r"|SCAN audit$"  # from its newest row to the limit
)


def test_every_statement_uses_an_index(database: sqlite3.Connection) -> None:
    seen: list[str] = []
    steps: list[Callable[[sqlite3.Connection], Any]] = [
        _intake,
        _rendering,
        _delivering,
        _standing,
        _showing,
        _finding,
        _forgetting,
        _retention,
    ]
    database.set_trace_callback(seen.append)
    for step in steps:
        step(database)
    database.set_trace_callback(None)

    asked = [
        text for text in seen if text.lstrip().split(maxsplit=1)[0] in ("select", "with", "insert", "update", "delete")
    ]
    assert len(asked) > 50
    for statement in asked:
        for *_, plan in database.execute(f"explain query plan {statement}"):
            assert not plan.startswith("SCAN") or HARMLESS.match(plan), (plan, statement)
            assert "TEMP B-TREE" not in plan, (plan, statement)


def test_what_the_stages_read_with_is_compiled_once(database: sqlite3.Connection) -> None:
    compiled = 0

    def count(*_: Any) -> int:
        nonlocal compiled
        compiled += 1
        return sqlite3.SQLITE_OK

    def read() -> None:
        for lane in Lane:
            reading.read_events(database, RENDER._replace(lane=lane), 10)
            reading.read_calls(database, DELIVER._replace(lane=lane), 10)

    database.set_authorizer(count)
    read()
    first = compiled
    read()

    assert first
    assert compiled == first


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(source="shop"), Selection(topic="order.paid", until_ms=1, code="timeout")]
)
def test_lists_walk_the_brief_index_from_the_newest(database: sqlite3.Connection, selection: Selection) -> None:
    seen: list[str] = []
    database.set_trace_callback(seen.append)
    finding.find(database, selection, 10, None)
    database.set_trace_callback(None)

    (walk,) = [text for text in seen if text.startswith("select e.id")]
    first, *_ = [plan for *_, plan in database.execute(f"explain query plan {walk}")]
    assert first == "SCAN e USING COVERING INDEX events_in_brief"
