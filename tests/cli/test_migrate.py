"""A journal of an older version: only `relay migrate` and `relay serve` change it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.journal.sqlite.locking import FileLock
from relay.journal.sqlite.schema import migrations
from tests.cli.running import Relay


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("pragma user_version").fetchone()[0])


@pytest.fixture
def older(folder: Path) -> Path:
    """A journal as the first version made it."""
    path = folder / "relay.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("pragma journal_mode = wal")
        old.executescript(migrations()[0])
        old.execute("insert into meta values ('partitions', 3), ('checks', 0)")
        old.execute("pragma user_version = 1")
    return path


@pytest.mark.parametrize(
    "arguments", [("events",), ("show", "1"), ("dead",), ("quarantine",), ("replay", "1", "--run"), ("audit",)]
)
def test_looking_leaves_an_older_journal_as_it_is(older: Path, relay: Relay, arguments: tuple[str, ...]) -> None:
    ran = relay(*arguments, "--json")
    assert ran.code == 1
    assert ran.error["code"] == "journal_older"
    assert "relay migrate" in ran.error["remedy"]
    assert version(older) == 1


def test_check_tells_what_the_start_will_do_and_does_it_not(older: Path, relay: Relay) -> None:
    ran = relay("check", "--offline", "--json")
    assert ran.code == 0
    (told,) = [finding["text"] for finding in ran.json["findings"] if finding["name"] == "journal"]
    assert "up to date: 0002" in told
    assert version(older) == 1


def test_migrate_plans_waits_for_the_relay_to_stop_and_migrates(older: Path, relay: Relay) -> None:
    assert relay("migrate", "--plan").out.startswith("would do: 0002")
    lock = FileLock(older)
    assert relay("migrate", "--json").error["code"] == "journal_in_use"
    assert version(older) == 1
    lock.release()
    assert relay("migrate").out.startswith("done: 0002")
    assert version(older) == len(migrations())
    assert relay("migrate").out.endswith("is up to date.\n")
    assert relay("events").out == "No such events.\n"
