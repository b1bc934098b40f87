"""Who works a partition: whoever holds its advisory lock, for one batch at a time.

All locks of a node are held by one connection, so that they end with it. The server ends a connection
that is silent for `_SILENT_S`; a node that runs says something more often. So a node that hangs loses
its claims within seconds, and it knows: from `_SURE_S` on it is not sure of them any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.keys import Keys
from relay.journal.postgres.link import Link
from relay.journal.postgres.pools import row
from relay.journal.protocol import JournalUnavailable

_SILENT_S = 6
_SURE_S = 5.0
_SPEAK_EVERY_S = 1.5


class Claim:
    """Implements `relay.journal.protocol.Claim`."""

    def __init__(self, claims: Claims, connection: Connection | None) -> None:
        self._claims = claims
        self._connection = connection

    @property
    def held(self) -> bool:
        return self._connection is not None and self._claims.sure_of(self._connection)


class Claims:
    def __init__(self, where: str, settings: str, keys: Keys) -> None:
        self._link = Link(where, settings, (f"set idle_session_timeout = '{_SILENT_S}s'",))
        self._keys = keys
        self._current: Connection | None = None
        self._heard_s = 0.0
        self._declined = False
        self._task = asyncio.create_task(self._speak(), name="journal-claims")

    def sure_of(self, connection: Connection) -> bool:
        alive = connection is self._current and not connection.closed
        return alive and time.monotonic() - self._heard_s < _SURE_S

    def was_declined(self) -> bool:
        """Whether a claim was held elsewhere since this was last asked: it may be free by now."""
        declined, self._declined = self._declined, False
        return declined

    @asynccontextmanager
    async def claim(self, stage: str, partition: int) -> AsyncIterator[Claim]:
        key = self._keys.claim(stage, partition)
        connection = await self._ask("select pg_try_advisory_lock(%s)", key)
        if connection is None:
            self._declined = True
            yield Claim(self, None)
            return
        try:
            yield Claim(self, connection)
        finally:
            with suppress(JournalUnavailable):  # Then the connection is closed, and the lock with it.
                if connection is self._current:
                    await asyncio.shield(self._ask("select pg_advisory_unlock(%s)", key))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._link.close()

    async def _ask(self, statement: str, key: int) -> Connection | None:
        """The connection, when the answer is yes."""
        async with self._link.use() as connection:
            asked_s = time.monotonic()
            found = await row(connection, statement, (key,))
            self._current, self._heard_s = connection, asked_s
            return connection if found is not None and found[0] else None

    async def _speak(self) -> None:
        while True:
            await asyncio.sleep(_SPEAK_EVERY_S)
            if self._current is None or self._current.closed:
                continue
            with suppress(JournalUnavailable):  # The next claim meets the same trouble and says so.
                await self._ask("select %s > 0", 1)
