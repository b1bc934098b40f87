"""Telling other nodes what was written (``notify``), and hearing it from them (``listen``).

Notices only save time. They are sent apart, after the commit, since transactions that notify commit one
after the other; one that is lost is made good by looking, every `_LOOK_S`, whether the logs or
the gates changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

import orjson
import psycopg

from relay.journal.postgres.connecting import ANSWER_S, Connection, connect, deadline, is_trouble
from relay.journal.postgres.horizon import Horizon
from relay.journal.postgres.pools import Pool
from relay.journal.protocol import JournalUnavailable, Waking

GATES = "select name, failures, not_before_ms, code, why from gates order by name"

_LOOK_S = 2.0
_AGAIN_S = 1.0
_PACE_S = 0.02
_MOST_BYTES = 7_900
"""PostgreSQL takes 8,000."""


class Notices:
    def __init__(self, settings: str, identity: str, pool: Pool, horizon: Horizon, waking: Waking | None) -> None:
        self._settings = settings
        self._channel = f"relay_{identity}"
        self._node = token_hex(8)
        self._pool = pool
        self._horizon = horizon
        self._waking = waking
        self._changed = False
        self._looked_s = time.monotonic()
        self._seen: Sequence[Any] = ()
        self._events: set[tuple[str, int]] = set()
        self._calls: set[int] = set()
        self._gates = False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Raises `psycopg.Error`."""
        connection = await self._connect()
        self._seen = await self._look()
        self._tasks = [
            asyncio.create_task(self._listen(connection), name="journal-listener"),
            asyncio.create_task(self._send(), name="journal-notices"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._news.is_set():
            await self._send_now()

    # -- telling

    def tell_events(self, lines: Iterable[tuple[str, int]]) -> None:
        """New events are there: of this source, in this partition."""
        self._events.update(lines)
        self._news.set()

    def tell_calls(self, partition: int) -> None:
        self._calls.add(partition)
        self._news.set()

    def tell_gate(self) -> None:
        self._gates = True
        self._news.set()

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            await self._send_now()
            await asyncio.sleep(_PACE_S)

    async def _send_now(self) -> None:
        self._news.clear()
        payload = self._payload()
        with suppress(JournalUnavailable):  # The others look for themselves, every now and then.
            await self._pool.rows("select pg_notify(%s, %s)", (self._channel, payload))

    def _payload(self) -> str:
        news = {
            "node": self._node,
            "events": sorted(self._events),
            "calls": sorted(self._calls),
            "gates": self._gates,
        }
        self._events, self._calls, self._gates = set(), set(), False
        payload = orjson.dumps(news)
        return (payload if len(payload) <= _MOST_BYTES else orjson.dumps({"node": self._node})).decode()

    # -- hearing

    async def changed(self) -> bool:
        """Whether others wrote since the last call, or perhaps did."""
        if time.monotonic() - self._looked_s > _LOOK_S:
            self._looked_s = time.monotonic()
            before, self._seen = self._seen, await self._look()
            self._changed |= before != self._seen
        changed, self._changed = self._changed, False
        return changed

    async def _look(self) -> Sequence[Any]:
        bounds = await self._horizon.bounds()
        return bounds.events, bounds.calls, await self._pool.rows(GATES)

    def again(self) -> None:
        """Something waits that could not be read yet."""
        self._changed = True

    async def _connect(self) -> Connection:
        connection = await connect(self._settings)
        with deadline(connection, ANSWER_S):
            await connection.execute(f"listen {self._channel}".encode())
        return connection

    async def _listen(self, connection: Connection) -> None:
        while True:
            try:
                async with connection:
                    async for notice in connection.notifies():
                        self._heard(notice.payload)
            except psycopg.Error as error:
                if not is_trouble(error):
                    raise
            connection = await self._connected_again()
            # What was told meanwhile was missed.
            self._wake_all()

    async def _connected_again(self) -> Connection:
        while True:
            await asyncio.sleep(_AGAIN_S)
            # Whoever reads or writes meets the same trouble and says so.
            with suppress(psycopg.Error, OSError):
                return await self._connect()

    def _heard(self, payload: str) -> None:
        news = orjson.loads(payload)
        if news["node"] == self._node:
            return
        if "events" not in news:
            self._wake_all()
            return
        # Gates are not woken, they look when something changed.
        self._changed |= news["gates"] or self._waking is None
        if self._waking is None:
            return
        for source, partition in news["events"]:
            self._waking.wake(f"render:{source}", partition)
        for partition in news["calls"]:
            self._waking.wake_delivery(partition)

    def _wake_all(self) -> None:
        self._changed = True
        if self._waking is not None:
            self._waking.wake_all()
