"""The backups that docs/operations.md tells to make, and that they can be restored."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from relay.journal.postgres import PostgresJournal
from relay.journal.protocol import Journal
from relay.journal.sqlite import SqliteJournal
from relay.model import Selection
from tests.journal.making import DELIVER, RENDER, Line, event
from tests.postgres import new_database, server_programs


async def make(journal: Journal) -> Line:
    line = Line(journal)
    await line.run(*(event(str(number), body=bytes([number])) for number in range(5)))
    await line.append(event("waits"))
    return line


async def same(journal: Journal, restored: Journal) -> None:
    summaries = await journal.find(Selection(), limit=100)
    assert await restored.find(Selection(), limit=100) == summaries
    assert [await restored.timeline(one.id) for one in summaries] == [
        await journal.timeline(one.id) for one in summaries
    ]
    names = [RENDER.name, DELIVER.name]
    assert await restored.backlogs(names) == await journal.backlogs(names)


async def goes_on(restored: Journal) -> None:
    """What waited is worked, what was delivered is known, and new ids are new."""
    line = Line(restored)
    again = await restored.append(event("0"))
    new = await restored.append(event("new"))
    assert again.duplicate
    assert not new.duplicate
    assert [one.delivery_key for one in await line.render_all()] == ["waits", "new"]
    assert len(await line.deliver_all()) == 2
    assert await restored.delivered("segment", ["m0", "mnew"]) == {"m0", "mnew"}


async def test_sqlite(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "relay.db")
    await make(journal)
    with (
        closing(sqlite3.connect(tmp_path / "relay.db")) as file,
        closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
    ):
        file.backup(copy)
    await journal.append(event("after the backup"))
    restored = await SqliteJournal.open(tmp_path / "copy.db")

    assert await restored.count(Selection()) == 6
    await goes_on(restored)
    await restored.close()
    await journal.close()


@pytest.fixture
def databases() -> tuple[str, str]:
    return new_database(), new_database()


async def test_postgresql(tmp_path: Path, databases: tuple[str, str]) -> None:
    url, restored_url = databases
    dump, restore = server_programs("pg_dump", "pg_restore")
    journal = await PostgresJournal.open(url)
    await make(journal)
    subprocess.run([dump, "--format=custom", f"--file={tmp_path / 'copy.dump'}", url], check=True)
    subprocess.run([restore, "--exit-on-error", f"--dbname={restored_url}", tmp_path / "copy.dump"], check=True)
    restored = await PostgresJournal.open(restored_url)

    await same(journal, restored)
    await goes_on(restored)
    await restored.close()
    await journal.close()
