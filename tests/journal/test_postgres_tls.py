"""PostgreSQL behind TLS, as managed servers are: what the URL says of it is done."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from relay.journal.postgres import PostgresJournal
from relay.journal.protocol import JournalUnavailable
from tests.journal.making import event
from tests.journal.pooler import Pooler
from tests.long.database import socket_of
from tests.postgres import emptied_schema, in_schema, server_url

SSL_REQUEST = 80877103


@pytest.fixture
def schema() -> str:
    """Its name."""
    return emptied_schema(partitions=2).rpartition("%3D")[2]


@asynccontextmanager
async def behind_tls(file: Path) -> AsyncIterator[int]:
    """The tests' server, whose own build may lack TLS, behind one that speaks it; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    socket_path = socket_of(server_url())
    pipes: set[asyncio.Task[None]] = set()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # Either end may go away at any time.
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while struct.unpack("!ii", await reader.readexactly(8))[1] != SSL_REQUEST:
                writer.write(b"N")  # another kind of encryption is asked for first
            writer.write(b"S")
            await writer.start_tls(context)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()  # The certificate was not trusted.
            return
        there = await asyncio.open_unix_connection(socket_path)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            pipes.add(asyncio.create_task(carry(source, sink)))

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


def url(port: int, schema: str, **parameters: str) -> str:
    more = "&".join(f"{name}={value}" for name, value in parameters.items())
    return in_schema(f"postgresql://postgres@localhost:{port}/postgres?{more}", schema)


async def test_a_certificate_that_is_verified(certificate: Path, schema: str) -> None:
    async with behind_tls(certificate) as port:
        journal = await PostgresJournal.open(url(port, schema, sslmode="verify-full", sslrootcert=str(certificate)))
        assert not (await journal.append(event("a"))).duplicate
        await journal.close()


async def test_a_certificate_of_no_known_authority_is_refused(certificate: Path, schema: str) -> None:
    async with behind_tls(certificate) as port:
        with pytest.raises(JournalUnavailable) as refused:
            await PostgresJournal.open(url(port, schema, sslmode="verify-full", sslrootcert="system"))

    assert "certificate" in str(refused.value)


async def test_a_server_without_tls_is_refused_where_it_is_asked_for(schema: str) -> None:
    async with Pooler(socket_of(server_url()), by_transaction=False).listening() as port:
        with pytest.raises(JournalUnavailable) as refused:
            await PostgresJournal.open(url(port, schema, sslmode="require"))

    assert "SSL" in str(refused.value)
