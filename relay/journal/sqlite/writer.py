"""The one thread that writes. Whatever waits shares a transaction, and so one fsync.

It also reads what it has just written: see `relay.journal.sqlite.batches`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from relay.journal.protocol import CursorMoved, JournalUnavailable
from relay.journal.sqlite.answers import Answer, hand_back
from relay.journal.sqlite.appending import append_events
from relay.journal.sqlite.connecting import identity, is_file_trouble, open_writer, unavailable
from relay.journal.sqlite.turns import Turns
from relay.model import Appended, NewEvent

T = TypeVar("T")
_READING_S = 0.002
"""After that, whoever wants to write goes before whoever wants to read."""


@dataclass(frozen=True, slots=True)
class _Append:
    """Joined with the other appends of its group into as few statements as possible."""

    future: asyncio.Future[list[Appended]]
    events: Sequence[NewEvent]

    def work(self, database: sqlite3.Connection) -> list[Appended]:
        return append_events(database, self.events)


@dataclass(frozen=True, slots=True)
class _Write:
    future: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class _Alone(_Write):
    """Needs no transaction, or cannot be in one."""


@dataclass(frozen=True, slots=True)
class _Read(_Write):
    """Writes nothing, and waits for no commit."""


_Operation: TypeAlias = _Append | _Write


class Writer:
    """Answers are given when the transaction is on disk, never before.

    When the transaction cannot be begun or committed, or the file fails within it, nothing of the
    group is kept and everyone in it gets `JournalUnavailable`.
    """

    def __init__(self, path: Path, observe_commit: Callable[[float], None] | None) -> None:
        self._path = path
        self._file = identity(path)
        self._observe_commit = observe_commit
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Operation | None] = SimpleQueue()
        self._database: sqlite3.Connection | None = None
        self._turns: Turns | None = None
        self._data_version: int | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        future: asyncio.Future[list[Appended]] = self._loop.create_future()
        self._put(_Append(future, events))
        return await future

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a transaction. When it raises, nothing it wrote is kept."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Write(future, work))
        return await future

    async def alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` outside of a transaction."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Alone(future, work))
        return await future

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` by the connection that writes, between two transactions. It has to be short."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Read(future, work))
        return await future

    async def changed(self) -> bool:
        """Whether another connection committed since this was last asked."""
        return await self.alone(self._changed)

    async def close(self, timeout_s: float) -> None:
        """Finish what waits and fold the log into the file."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join, timeout_s)

    def _put(self, operation: _Operation) -> None:
        if self._closed:
            raise JournalUnavailable(f"The journal {self._path} is closed.")
        self._queue.put(operation)

    # -- from here on in the thread

    def _work(self) -> None:
        reads: deque[_Read] = deque()
        more = True
        while more or reads:
            waiting = self._waiting(at_once=bool(reads))
            more = more and None not in waiting
            reads += [operation for operation in waiting if isinstance(operation, _Read)]
            group = [operation for operation in waiting if operation is not None and not isinstance(operation, _Read)]
            if group:
                self._serve(group)
            until_s = time.perf_counter() + _READING_S
            while reads:
                self._answer(reads.popleft())
                if time.perf_counter() > until_s:
                    break
        self._checkpoint()
        self._disconnect()
        if self._turns is not None:
            self._turns.close()

    def _waiting(self, *, at_once: bool) -> list[_Operation | None]:
        """All there is; unless ``at_once``, it is waited for."""
        first = [] if at_once else [self._queue.get()]
        return [*first, *(self._queue.get() for _ in range(self._queue.qsize()))]

    def _answer(self, read: _Read) -> None:
        try:
            self._check_file()
            answer = Answer(read.future, read.work(self._connect()))
        except Exception as error:  # It goes to the one who waits.
            trouble = is_file_trouble(error)
            if trouble:
                self._disconnect()
            answer = Answer(read.future, error=unavailable(self._path, error) if trouble else error)
        hand_back(self._loop, [answer], lambda: None)

    def _serve(self, group: Sequence[_Operation]) -> None:
        duration_s = 0.0
        try:
            self._check_file()
            database = self._connect()
            answers = [Answer(alone.future, alone.work(database)) for alone in group if isinstance(alone, _Alone)]
            writes = [operation for operation in group if not isinstance(operation, _Alone)]
            if writes:
                with self._turn():
                    started = time.perf_counter()
                    answers += self._transact(database, writes)
                    duration_s = time.perf_counter() - started
            # Also after the commit: what went into a file without a name is lost at the next start.
            self._check_file()
        except Exception as error:  # It goes to everyone who waits.
            self._disconnect()
            answers = [Answer(operation.future, error=unavailable(self._path, error)) for operation in group]
        hand_back(self._loop, answers, lambda: self._observe(duration_s))

    def _turn(self) -> AbstractContextManager[None]:
        if self._turns is None:
            self._turns = Turns(self._path)
        return self._turns.mine()

    def _check_file(self) -> None:
        if identity(self._path) != self._file:
            raise sqlite3.OperationalError("it was removed or replaced while the relay ran")

    def _observe(self, duration_s: float) -> None:
        if duration_s and self._observe_commit:
            self._observe_commit(duration_s)

    def _transact(self, database: sqlite3.Connection, group: Sequence[_Operation]) -> list[Answer]:
        """First without savepoints, which cost a copy of each page; with them when one was at fault."""
        try:
            return _commit(database, group, _together)
        except Exception as error:
            if is_file_trouble(error):
                raise
            database.execute("rollback")
            return _commit(database, group, _one_by_one)

    def _changed(self, database: sqlite3.Connection) -> bool:
        version = _data_version(database)
        before, self._data_version = self._data_version, version
        return version != before

    def _connect(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_writer(self._path)
            if self._data_version is None:
                self._data_version = _data_version(self._database)
        return self._database

    def _checkpoint(self) -> None:
        with suppress(sqlite3.Error):  # What is not folded in now is read from the log at the next start.
            self._connect().execute("pragma wal_checkpoint(passive)").fetchall()

    def _disconnect(self) -> None:
        """The next group opens a new connection, so that no failure outlives its cause."""
        self._data_version = 0  # Versions are counted per connection: what comes next is a change.
        if self._database is not None:
            with suppress(sqlite3.Error):  # Closing rolls back, and that it fails changes nothing.
                self._database.close()
            self._database = None


def _commit(
    database: sqlite3.Connection,
    group: Sequence[_Operation],
    run: Callable[[sqlite3.Connection, Sequence[_Operation]], list[Answer]],
) -> list[Answer]:
    database.execute("begin immediate")
    answers = run(database, group)
    database.execute("commit")
    return answers


def _together(database: sqlite3.Connection, group: Sequence[_Operation]) -> list[Answer]:
    appends = [operation for operation in group if isinstance(operation, _Append)]
    appended = iter(append_events(database, [event for append in appends for event in append.events]))
    answers = [Answer(append.future, list(islice(appended, len(append.events)))) for append in appends]
    for operation in group:
        if isinstance(operation, _Write):
            try:
                answers.append(Answer(operation.future, operation.work(database)))
            except CursorMoved as moved:
                answers.append(Answer(operation.future, error=moved))
    return answers


def _one_by_one(database: sqlite3.Connection, group: Sequence[_Operation]) -> list[Answer]:
    answers = []
    for operation in group:
        database.execute("savepoint operation")
        try:
            answers.append(Answer(operation.future, operation.work(database)))
        except Exception as error:
            if is_file_trouble(error):
                raise
            database.execute("rollback to operation")
            answers.append(Answer(operation.future, error=error))
        database.execute("release operation")
    return answers


def _data_version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma data_version").fetchone()[0])
