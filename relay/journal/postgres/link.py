"""A connection of its own for one purpose, opened again when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from relay.journal.postgres.connecting import ANSWER_S, Connection, connect, deadline, is_trouble, unavailable


class Link:
    """``session`` are statements that prepare each new connection."""

    def __init__(self, where: str, settings: str, session: Sequence[str] = (), *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._where = where
        self._settings = settings
        self._session = session
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """One at a time. What goes wrong ends the connection. Raises `JournalUnavailable`."""
        async with self._turn:
            try:
                connection = await self._connected()
                with deadline(connection, self._answer_s):
                    yield connection
            except BaseException as error:
                await self._drop()
                if isinstance(error, Exception) and is_trouble(error):
                    raise unavailable(self._where, error) from error
                raise

    async def close(self) -> None:
        async with self._turn:
            await self._drop()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._settings)
            with deadline(self._connection, self._answer_s):
                for statement in self._session:
                    await self._connection.execute(statement.encode())
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
