"""Making the file, and bringing an older one up to date: numbered migrations, forward only."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from relay.codes import RelayError
from relay.journal.sqlite import connecting
from relay.journal.sqlite.connecting import open_reader, open_writer, unavailable


def migrations() -> list[str]:
    """The SQL of each step; the file's ``user_version`` is how many were taken."""
    folder = files("relay.journal.sqlite").joinpath("migrations")
    steps = sorted((step for step in folder.iterdir() if step.name.endswith(".sql")), key=lambda step: step.name)
    return [step.read_text(encoding="utf-8") for step in steps]


def prepare(path: Path, partitions: int) -> int:
    """Create or migrate the file; returns its number of partitions, fixed when it was made.

    Raises `RelayError` ``journal_newer``, and `JournalUnavailable`.
    """
    try:
        # It holds personal data; SQLite gives its side files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = open_writer(path)
        try:
            return _migrate(database, path, partitions)
        finally:
            database.close()
    except (OSError, sqlite3.Error) as error:
        raise unavailable(path, error) from error


def pending(path: Path) -> list[str]:
    """The migrations that `prepare` would carry out, in a line each; the file is not touched.

    Raises `RelayError` ``journal_newer``, and `JournalUnavailable`.
    """
    try:
        done = 0
        if path.exists():
            with closing(open_reader(path)) as database:
                done = _known_version(database, path)
        first_lines = [step.partition("\n")[0].removeprefix("--").strip() for step in migrations()]
        return [f"{number:04} {line}" for number, line in enumerate(first_lines, start=1) if number > done]
    except (OSError, sqlite3.Error) as error:
        raise unavailable(path, error) from error


def _migrate(database: sqlite3.Connection, path: Path, partitions: int) -> int:
    steps = migrations()
    _known_version(database, path)
    database.execute("pragma auto_vacuum = incremental")
    # Also for a file that is up to date: one restored from `vacuum into` has lost this mode.
    if _journal_mode(database) != "wal":
        raise sqlite3.OperationalError("its file system has no shared memory, which the write-ahead log needs")
    if _version(database) == len(steps):
        return _partitions(database)
    database.execute("begin immediate")
    for number, step in enumerate(steps[_version(database) :], start=_version(database) + 1):
        for statement in statements(step):
            database.execute(statement)
        database.execute(f"pragma user_version = {number}")
    database.execute("insert into meta values ('partitions', ?), ('checks', 0) on conflict do nothing", (partitions,))
    database.execute("commit")
    return _partitions(database)


def _journal_mode(database: sqlite3.Connection) -> str:
    """SQLite waits for no lock here, so that it must be tried again while another relay makes the same file."""
    deadline_s = time.monotonic() + connecting.BUSY_S
    while True:
        try:
            return str(database.execute("pragma journal_mode = wal").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)


def _partitions(database: sqlite3.Connection) -> int:
    return int(database.execute("select value from meta where name = 'partitions'").fetchone()[0])


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])


def _known_version(database: sqlite3.Connection, path: Path) -> int:
    version, known = _version(database), len(migrations())
    if version > known:
        raise RelayError("journal_newer", f"The journal {path} has schema {version}; this relay knows {known}.")
    return version


def statements(script: str) -> list[str]:
    """The single statements of a script; ``executescript`` would commit before it begins."""
    found, start = [], 0
    for end, character in enumerate(script, start=1):
        if character == ";" and sqlite3.complete_statement(script[start:end]):
            found.append(script[start:end].strip())
            start = end
    return found
