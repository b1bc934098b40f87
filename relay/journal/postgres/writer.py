"""Appending what comes in. Whatever waits shares one statement, one transaction, and so one fsync."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from relay.journal.postgres.appending import append_deliveries, append_events
from relay.journal.postgres.keys import Keys
from relay.journal.postgres.link import Link
from relay.journal.protocol import JournalUnavailable
from relay.model import Appended, NewEvent

_MOST_EVENTS = 500
_MOST_BYTES = 8 << 20
_ANSWER_S = 8.0
"""A platform waits no longer for its 503."""


@dataclass(frozen=True, slots=True)
class _Append:
    future: asyncio.Future[list[Appended]]
    events: Sequence[NewEvent]


class Writer:
    """Answers are given when the transaction is on disk, never before.

    ``observe_commit`` is told the seconds each took; ``appended`` the new events, when they are stored.
    """

    def __init__(
        self,
        where: str,
        settings: str,
        keys: Keys,
        observe_commit: Callable[[float], None] | None,
        appended: Callable[[Sequence[NewEvent]], None],
    ) -> None:
        self._where = where
        self._keys = keys
        self._link = Link(where, settings, answer_s=_ANSWER_S)
        self._observe_commit = observe_commit
        self._appended = appended
        self._queue: asyncio.Queue[_Append | None] = asyncio.Queue()
        self._held: _Append | None = None
        self._closed = False
        self._task = asyncio.create_task(self._work(), name="journal-writer")

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        if self._closed:
            raise JournalUnavailable(f"The journal {self._where} is closed.")
        if not events:
            return []
        future: asyncio.Future[list[Appended]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Append(future, events))
        return await future

    async def close(self, timeout_s: float) -> None:
        """Finish what waits."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)
        await asyncio.wait({self._task}, timeout=timeout_s)
        self._task.cancel()
        await self._link.close()

    async def _work(self) -> None:
        while (first := self._held or await self._queue.get()) is not None:
            self._held = None
            group = [first]
            more = self._fill(group)
            await self._serve(group)
            if not more:
                return

    def _fill(self, group: list[_Append]) -> bool:
        """Add what waits, up to a size; False at the end of all."""
        events = len(group[0].events)
        size = _size(group[0])
        while not self._queue.empty():
            append = self._queue.get_nowait()
            if append is None:
                return False
            events, size = events + len(append.events), size + _size(append)
            if events > _MOST_EVENTS or size > _MOST_BYTES:
                self._held = append
                return True
            group.append(append)
        return True

    async def _serve(self, group: Sequence[_Append]) -> None:
        try:
            await self._together(group)
        except JournalUnavailable as error:
            _refuse(group, error)
        except Exception as error:  # It goes to whoever is at fault.
            if len(group) == 1:
                _refuse(group, error)
                return
            for append in group:
                await self._serve([append])

    async def _together(self, group: Sequence[_Append]) -> None:
        events = [event for append in group for event in append.events]
        started = time.perf_counter()
        appended = await self._store(events)
        if self._observe_commit:
            self._observe_commit(time.perf_counter() - started)
        self._appended([event for event, answer in zip(events, appended, strict=True) if not answer.duplicate])
        answers = iter(appended)
        for append in group:
            found = list(islice(answers, len(append.events)))
            if not append.future.done():  # Its task may have been cancelled while it waited.
                append.future.set_result(found)

    async def _store(self, events: Sequence[NewEvent]) -> list[Appended]:
        async with self._link.use() as connection:
            if all(event.replay_of is None for event in events):
                return await append_deliveries(connection, self._keys, events)
            async with connection.transaction():
                return await append_events(connection, self._keys, events)


def _size(append: _Append) -> int:
    return sum(len(event.body) for event in append.events)


def _refuse(group: Sequence[_Append], error: Exception) -> None:
    for append in group:
        if not append.future.done():
            append.future.set_exception(error)
