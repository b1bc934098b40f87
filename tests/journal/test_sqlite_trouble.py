"""What goes wrong with a file: full, locked, gone, foreign, in use, too new."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from relay.codes import RelayError
from relay.journal.protocol import JournalUnavailable
from relay.journal.sqlite import SqliteJournal, connecting
from relay.journal.sqlite.schema import migrations
from relay.model import EventId, Selection
from tests.journal.making import RENDER, event, quarantined

SITTER = """
import sys
from pathlib import Path
from relay.journal.sqlite.locking import FileLock
lock = FileLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(path)
    yield journal
    await journal.close()


@contextmanager
def full_disk(path: Path, more_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond the journal's write-ahead log and a bit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log_bytes = path.with_name(f"{path.name}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_full_disk_refuses_all_or_nothing_and_goes_on_later(journal: SqliteJournal, path: Path) -> None:
    body = b"x" * 10_000
    before = await journal.append(event("before"))
    with full_disk(path, more_bytes=100_000):
        answers = await asyncio.gather(
            *(journal.append(event(str(number), body=body)) for number in range(100)), return_exceptions=True
        )
        with pytest.raises(JournalUnavailable):
            await journal.append_many([event(f"many {number}", body=body) for number in range(100)])
        with pytest.raises(JournalUnavailable) as trouble:
            await journal.quarantine(quarantined(body=b"x" * 1_000_000))
    refused = [answer for answer in answers if isinstance(answer, JournalUnavailable)]
    acked = [answer.event_id for answer in answers if not isinstance(answer, BaseException)]

    assert refused
    assert len(refused) + len(acked) == 100
    assert trouble.value.code == "journal_unavailable"
    assert str(path) in str(trouble.value)
    stored = {summary.id for summary in await journal.find(Selection(), limit=1000)}
    assert stored == {before.event_id, *acked}
    for number in range(100):
        assert (await journal.append(event(str(number), body=body))).duplicate == (
            not isinstance(answers[number], BaseException)
        )
    await journal.check()


async def test_another_process_that_writes_is_waited_for(journal: SqliteJournal, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        waiting = asyncio.create_task(journal.append(event("a")))
        assert await journal.count(Selection()) == 0  # reading waits for nobody
        assert not waiting.done()
        other.execute("commit")
        assert not (await waiting).duplicate


async def test_a_stage_that_is_behind_reads_apart_from_who_writes(journal: SqliteJournal, path: Path) -> None:
    await journal.open_stage(RENDER.name, "beginning")
    await journal.append_many([event("a"), event("b")])
    assert (await journal.read_events(RENDER, 1)).waiting
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        waiting = asyncio.create_task(journal.append(event("c")))
        assert len((await journal.read_events(RENDER, 2)).events) == 2
        assert len((await journal.read_events(RENDER, 3)).events) == 2
        assert not waiting.done()
        other.execute("commit")
        await waiting

    assert len((await journal.read_events(RENDER, 4)).events) == 3


async def test_a_lock_that_is_never_released_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "BUSY_S", 0.05)
    journal = await SqliteJournal.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        results = await asyncio.gather(
            *(journal.append(event(str(number))) for number in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [JournalUnavailable] * 3
        other.execute("insert into gates values ('other', 1, 2, '', '')")
        other.execute("commit")

    assert await journal.changed()
    assert not (await journal.append(event("0"))).duplicate
    await journal.close()


async def test_a_file_that_was_removed_is_noticed_and_not_made_again(journal: SqliteJournal, path: Path) -> None:
    await journal.append(event("a"))
    path.unlink()

    with pytest.raises(JournalUnavailable, match="removed"):
        await journal.append(event("b"))
    with pytest.raises(JournalUnavailable, match="removed"):
        await journal.check()
    with pytest.raises(JournalUnavailable):
        await journal.gate("opens a connection")
    assert not path.exists()


async def test_no_stage_reads_a_file_that_was_put_in_the_place_of_its_own(journal: SqliteJournal, path: Path) -> None:
    other_path = path.with_name("other.db")
    other = await SqliteJournal.open(other_path)
    for each in (journal, other):
        await each.open_stage(RENDER.name, "beginning")
        await each.append(event("a"))
    await other.close()
    for _ in range(2):
        assert len((await journal.read_events(RENDER, 10)).events) == 1
    other_path.replace(path)

    with pytest.raises(JournalUnavailable, match="replaced"):
        await journal.read_events(RENDER, 10)


async def test_what_cannot_be_a_journal(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to show it" * 10)
    with pytest.raises(JournalUnavailable, match=r"text\.db.*not a database"):
        await SqliteJournal.open(tmp_path / "text.db")
    with pytest.raises(JournalUnavailable, match="No such file"):
        await SqliteJournal.open(tmp_path / "nowhere" / "relay.db")
    with pytest.raises(JournalUnavailable, match="No such file"):
        await SqliteJournal.open(tmp_path / "nowhere" / "relay.db", exclusive=True)


async def test_a_newer_schema_is_left_alone(path: Path) -> None:
    await (await SqliteJournal.open(path)).close()
    newer = len(migrations()) + 1
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"pragma user_version = {newer}")
    with pytest.raises(RelayError) as refused:
        await SqliteJournal.open(path, exclusive=True)

    assert refused.value.code == "journal_newer"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("pragma user_version").fetchone() == (newer,)


async def test_several_relays_making_one_file_at_once(path: Path) -> None:
    journals = await asyncio.gather(*(SqliteJournal.open(path, number) for number in range(1, 6)))

    assert len({journal.partitions for journal in journals}) == 1
    answers = await asyncio.gather(*(journal.append(event("a")) for journal in journals))
    assert [answer.duplicate for answer in answers].count(False) == 1
    for journal in journals:
        await journal.close()


async def test_the_file_is_its_owners_alone(journal: SqliteJournal, path: Path) -> None:
    await journal.append(event("a"))

    for name in ("relay.db", "relay.db-wal", "relay.db-shm"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600


async def test_one_relay_at_a_time(path: Path) -> None:
    first = await SqliteJournal.open(path, exclusive=True)
    with pytest.raises(RelayError) as refused:
        await SqliteJournal.open(path, exclusive=True)
    assert refused.value.code == "journal_in_use"
    beside = await SqliteJournal.open(path)
    assert not (await beside.append(event("a"))).duplicate
    await beside.close()
    await first.close()

    await (await SqliteJournal.open(path, exclusive=True)).close()


def sitter(path: Path) -> subprocess.Popen[str]:
    """Holds the lock until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", SITTER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_the_lock_ends_with_its_process(path: Path) -> None:
    with sitter(path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(RelayError, match="journal_in_use"):
            await SqliteJournal.open(path, exclusive=True)
        process.kill()
        process.wait()
        journal = await SqliteJournal.open(path, exclusive=True)
    assert await journal.timeline(EventId(1)) is None
    await journal.close()


async def test_a_reader_that_met_trouble_reads_again(journal: SqliteJournal, path: Path) -> None:
    await journal.append(event("a"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("alter table gates rename to away")
        with pytest.raises(JournalUnavailable):
            await journal.gate("segment")
        with pytest.raises(JournalUnavailable):
            await journal.gate("segment")
        other.execute("alter table away rename to gates")

    assert (await journal.gate("segment")).failures == 0
    assert await journal.count(Selection()) == 1


async def test_a_journal_restored_from_a_compact_copy_gets_its_mode_back(path: Path, tmp_path: Path) -> None:
    first = await SqliteJournal.open(path)
    await first.append(event("a"))
    await first.close()
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("vacuum into ?", (str(copy),))

    restored = await SqliteJournal.open(copy)

    assert await restored.count(Selection()) == 1
    await restored.close()
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)


async def test_a_journal_of_the_first_schema_is_brought_up_to_date(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("pragma journal_mode = wal")
        old.executescript(migrations()[0])
        old.execute("insert into meta values ('partitions', 3), ('checks', 0)")
        old.execute("pragma user_version = 1")
        old.execute(
            "insert into events (lane, partition, source, topic, delivery_key, entity, received_at_ms, headers, body)"
            " values ('live', 0, 'shop', 'order.paid', 'a', 'order:1', 1, '{}', 'body')"
        )
        old.execute(
            "insert into quarantine (source, code, detail, received_at_ms, headers, body)"
            " values ('shop', 'body_not_json', '', 1, '{}', 'x')"
        )

    journal = await SqliteJournal.open(path)
    assert journal.partitions == 3
    assert [item.verifier for item in await journal.quarantined(None, limit=1)] == [""]
    assert (await journal.append(event("a"))).duplicate
    assert (await journal.events([EventId(1)]))[0].forgotten_at_ms is None
    assert (await journal.forget([EventId(1)], at_ms=2)).events == 1
    assert (await journal.events([EventId(1)]))[0].forgotten_at_ms == 2
    await journal.close()
