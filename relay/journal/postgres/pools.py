"""Connections that come and go with the work: a pool for the stages, one apart for searches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.abc import Params
from psycopg_pool import AsyncConnectionPool

from relay.journal.postgres.connecting import CONNECT_S, Connection, configure, deadline, is_trouble, unavailable

_RECONNECT_S = 20.0

# One that was stopped while it sent on without waiting is not idle to the server, and so not ended as such. Before
# PostgreSQL 17 there is nothing that ends it.
_SHORT = "select set_config(name, '8s', false) from pg_settings where name = 'transaction_timeout'"


class Pool:
    """Up to ``size`` connections; one that does not answer within ``answer_s`` is cut.

    With ``snapshots`` all statements of a transaction see the journal as it was when that began.
    """

    def __init__(self, where: str, settings: str, *, size: int, answer_s: float, snapshots: bool = False) -> None:
        self._where = where
        self._answer_s = answer_s
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings,
            connection_class=AsyncConnection[tuple[Any, ...]],
            kwargs={"autocommit": True},
            min_size=0,
            max_size=size,
            open=False,
            configure=_prepare_snapshots if snapshots else _prepare_short,
            timeout=CONNECT_S,
            reconnect_timeout=_RECONNECT_S,
            max_idle=60.0,
        )

    async def open(self) -> None:
        await self._pool.open()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Every statement commits by itself. Raises `JournalUnavailable`."""
        try:
            async with self._pool.connection() as connection:
                with deadline(connection, self._answer_s):
                    yield connection
        except Exception as error:
            if is_trouble(error):
                raise unavailable(self._where, error) from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """All statements together, sent on without waiting for the one before (a pipeline)."""
        async with self.connection() as connection, connection.pipeline(), connection.transaction():
            yield connection

    async def rows(self, statement: str, values: Params = ()) -> list[tuple[Any, ...]]:
        async with self.connection() as connection:
            return await rows(connection, statement, values)

    async def close(self, timeout_s: float) -> None:
        await self._pool.close(timeout_s)


async def rows(connection: Connection, statement: str, values: Params = ()) -> list[tuple[Any, ...]]:
    """What the statement returns, carried in the binary format."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement.encode(), values)
        return await cursor.fetchall()


async def row(connection: Connection, statement: str, values: Params = ()) -> tuple[Any, ...] | None:
    found: Sequence[tuple[Any, ...]] = await rows(connection, statement, values)
    return found[0] if found else None


async def _prepare_snapshots(connection: Connection) -> None:
    await configure(connection)
    await connection.execute("set default_transaction_isolation = 'repeatable read'")


async def _prepare_short(connection: Connection) -> None:
    await configure(connection)
    await connection.execute(_SHORT)
