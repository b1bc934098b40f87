"""A pooler between node and server that behaves as PgBouncer does (its manual, `pool_mode`).

It answers the start-up itself, with a process number of its own. In session mode each client has a session of
the server; in transaction mode all clients share one, which is free again after each transaction.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_NO_ENCRYPTION = {80877103, 80877104}
"""Codes of SSLRequest and GSSENCRequest (PostgreSQL's manual, message formats)."""


class Upstream:
    """One session of the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting = b""
        self.free = asyncio.Lock()

    @classmethod
    async def open(cls, socket_path: str, startup: bytes) -> Upstream:
        upstream = cls(*await asyncio.open_unix_connection(socket_path))
        try:
            upstream.writer.write(startup)
            while True:
                kind, body = await message(upstream.reader)
                if kind == b"Z":
                    return upstream
                if kind != b"K":
                    upstream.greeting += packed(kind, body)
        except BaseException:
            upstream.writer.close()
            raise


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


def packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class Pooler:
    def __init__(self, socket_path: str, *, by_transaction: bool) -> None:
        self._socket_path = socket_path
        self._by_transaction = by_transaction
        self._shared: Upstream | None = None
        self._clients = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Gives the port."""
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.close()
            if self._shared is not None:
                self._shared.writer.close()

    def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At once, so that one which comes at the very end is closed too.
        self._writers.append(writer)
        task = asyncio.create_task(self._served(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Either end may go away at any time.
        with suppress(asyncio.IncompleteReadError, OSError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await self._startup(reader, writer)
        if self._by_transaction:
            self._shared = self._shared or await Upstream.open(self._socket_path, startup)
            upstream = self._shared
        else:
            upstream = await Upstream.open(self._socket_path, startup)
        self._clients += 1
        key = packed(b"K", struct.pack("!ii", 1_000_000 + self._clients, 7))
        writer.write(upstream.greeting + key + packed(b"Z", b"I"))
        try:
            while True:
                first = await message(reader)
                if first[0] == b"X":
                    return
                async with upstream.free:
                    await self._transaction(first, upstream, reader, writer)
        finally:
            if not self._by_transaction:
                upstream.writer.close()

    async def _startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code not in _NO_ENCRYPTION:
                return head + await reader.readexactly(length - 8)
            writer.write(b"N")

    async def _transaction(
        self, first: tuple[bytes, bytes], upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry messages both ways until the server is at rest and out of any transaction."""
        asked = 0

        def ask(kind: bytes, body: bytes) -> None:
            nonlocal asked
            asked += kind in (b"S", b"Q")
            upstream.writer.write(packed(kind, body))

        async def forward() -> None:
            while True:
                ask(*await message(reader))

        ask(*first)
        forwarding = asyncio.create_task(forward())
        try:
            while True:
                kind, body = await message(upstream.reader)
                writer.write(packed(kind, body))
                asked -= kind == b"Z"
                if kind == b"Z" and body == b"I" and not asked:
                    return
        finally:
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)
