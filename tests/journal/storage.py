"""Where the behaviour suite keeps its journals: one class for each driver."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from relay.journal.postgres import PostgresJournal
from relay.journal.protocol import Journal
from relay.journal.sqlite import SqliteJournal
from tests.postgres import emptied_schema, new_schema


class Storage(Protocol):
    """Room for one journal, which can be opened again, and several times at once."""

    async def open(
        self, *, partitions: int = 2, quarantine_limit: int = 10_000, quarantine_max_bytes: int = 256 << 20
    ) -> Journal: ...

    def crash(self) -> Storage:
        """What a relay that was killed at this moment, without `close`, would leave behind."""


class SqliteStorage:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "relay.db"

    async def open(
        self, *, partitions: int = 2, quarantine_limit: int = 10_000, quarantine_max_bytes: int = 256 << 20
    ) -> Journal:
        return await SqliteJournal.open(
            self.path, partitions, quarantine_limit=quarantine_limit, quarantine_max_bytes=quarantine_max_bytes
        )

    def crash(self) -> SqliteStorage:
        left = self._folder / "left"
        left.mkdir()
        for name in ("relay.db", "relay.db-wal"):
            if (self._folder / name).exists():
                shutil.copyfile(self._folder / name, left / name)
        return SqliteStorage(left)


class PostgresStorage:
    """What a killed relay leaves behind is what was committed."""

    def __init__(self, folder: Path) -> None:
        self.url = emptied_schema(partitions=2)
        self._new = True

    async def open(
        self, *, partitions: int = 2, quarantine_limit: int = 10_000, quarantine_max_bytes: int = 256 << 20
    ) -> Journal:
        if self._new and partitions != 2:
            self.url = new_schema()
        self._new = False
        return await PostgresJournal.open(
            self.url, partitions, quarantine_limit=quarantine_limit, quarantine_max_bytes=quarantine_max_bytes
        )

    def crash(self) -> PostgresStorage:
        return self


DRIVERS: dict[str, Callable[[Path], Storage]] = {"sqlite": SqliteStorage, "postgres": PostgresStorage}
