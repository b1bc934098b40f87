"""A few threads that read, each with its own connection, so that reading never waits for a commit."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from relay.journal.protocol import JournalUnavailable
from relay.journal.sqlite.answers import Answer, hand_back
from relay.journal.sqlite.connecting import is_file_trouble, open_reader, unavailable

T = TypeVar("T")


class Readers:
    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[asyncio.Future[Any], Callable[[sqlite3.Connection], Any]] | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"journal-reader-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work``. Several statements see one moment only within `snapshot`."""
        if self._closed:
            raise JournalUnavailable(f"The journal {self._path} is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((future, work))
        return await future

    async def close(self, timeout_s: float) -> None:
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, timeout_s)

    # -- from here on in the threads

    def _work(self) -> None:
        database: sqlite3.Connection | None = None
        while (task := self._queue.get()) is not None:
            future, work = task
            try:
                database = database or open_reader(self._path)
                answer = Answer(future, work(database))
            except Exception as error:  # It goes to the one who waits.
                answer = Answer(future, error=unavailable(self._path, error) if is_file_trouble(error) else error)
                _close(database)
                database = None
            hand_back(self._loop, [answer], lambda: None)
        _close(database)


@contextmanager
def snapshot(database: sqlite3.Connection) -> Iterator[None]:
    """All statements within see the journal as it is now. An error ends the connection, and so this."""
    database.execute("begin")
    yield
    database.execute("commit")


def _close(database: sqlite3.Connection | None) -> None:
    if database is not None:
        with suppress(sqlite3.Error):  # Nothing was written, so nothing can be lost.
            database.close()
