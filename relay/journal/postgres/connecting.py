"""How a connection to the database is opened and cut, and which errors concern the database as a whole."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed, PoolTimeout

from relay.journal.postgres.arrays import adapt
from relay.journal.protocol import JournalUnavailable

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_S = 5
ANSWER_S = 15.0
"""A connection that has not answered a statement by then is cut."""
LOOKUP_S = 120.0
"""The same for a search through the whole log."""

_DEFAULTS = {
    "connect_timeout": str(CONNECT_S),
    "application_name": "relay",
    # A peer that is gone without a word is found out within seconds, also while nothing is asked.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}
_SESSION = (
    "set jit = off",
    "set default_transaction_isolation = 'read committed'",
    # A node that was stopped within a transaction must not hold up the others for long.
    "set idle_in_transaction_session_timeout = '5s'",
    "set lock_timeout = '10s'",
    # Acked means on disk, whatever the server's default is.
    "select set_config('synchronous_commit', 'on', false)"
    " where current_setting('synchronous_commit') in ('off', 'local')",
)


def settings_of(url: str) -> str:
    """The URL as libpq takes it, with our defaults where it says nothing."""
    given: Mapping[str, Any] = conninfo_to_dict(url)
    return make_conninfo(url, **{name: value for name, value in _DEFAULTS.items() if name not in given})


def shown(url: str) -> str:
    """The URL without its password."""
    given: Mapping[str, Any] = conninfo_to_dict(url)
    host = given.get("host") or given.get("hostaddr") or "localhost"
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{host}{port}/{given.get('dbname') or given.get('user') or ''}"


async def connect(settings: str) -> Connection:
    """Raises `psycopg.Error`."""
    connection: Connection = await psycopg.AsyncConnection.connect(settings, autocommit=True)
    try:
        await configure(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def configure(connection: Connection) -> None:
    adapt(connection)
    with deadline(connection, ANSWER_S):
        async with connection.pipeline():
            for statement in _SESSION:
                await connection.execute(statement)


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection when what is asked within takes longer.

    Cancelling would not do: psycopg then waits for the server to confirm, which may be out of reach.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    # It may be closed already.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


_TROUBLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # a server that only follows another
    PoolTimeout,
    PoolClosed,
    OSError,
)


def is_trouble(error: BaseException) -> bool:
    """Trouble of the database or of the way to it, not of the one statement's data."""
    return isinstance(error, _TROUBLE) and not isinstance(error, psycopg.errors.ProgramLimitExceeded)


def unavailable(where: str, error: BaseException) -> JournalUnavailable:
    told = str(error).strip().splitlines()
    problem = JournalUnavailable(f"The journal {where} does not answer: {told[0] if told else type(error).__name__}.")
    problem.__cause__ = error
    return problem
