"""How a connection to the file is opened, and which of SQLite's errors concern the whole file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from relay.journal.protocol import JournalUnavailable

BUSY_S = 5.0
"""How long a lock held by another process is waited for."""

_EVERY = ("synchronous = full", "temp_store = memory")
_READER = (*_EVERY, "query_only = on", "cache_size = -4000")
_WRITER = (
    *_EVERY,
    "cache_size = -16000",
    # macOS alone: there a plain fsync does not reach the disk.
    "fullfsync = on",
    "checkpoint_fullfsync = on",
    "journal_size_limit = 67108864",
    # What retention removes is overwritten; the default differs from one SQLite build to the next.
    "secure_delete = on",
)


def open_reader(path: Path) -> sqlite3.Connection:
    return _open(path, _READER)


def open_writer(path: Path) -> sqlite3.Connection:
    return _open(path, _WRITER)


def _open(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # mode=rw: a file that was moved away must not come back empty.
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None, cached_statements=256
    )
    try:
        for pragma in pragmas:
            database.execute(f"pragma {pragma}").fetchall()
    except BaseException:
        database.close()
        raise
    return database


def is_file_trouble(error: BaseException) -> bool:
    """Disk full, locked, unreadable: trouble of the file, not of the one statement's data."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError | sqlite3.NotSupportedError
    )


def unavailable(path: Path, error: BaseException) -> JournalUnavailable:
    problem = JournalUnavailable(f"The journal {path} does not answer: {error}.")
    problem.__cause__ = error
    return problem


def identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
