"""Through PgBouncer in session mode; in transaction mode it is told, and nothing is begun."""

from __future__ import annotations

import asyncio

import pytest

from relay.codes import CODES, RelayError
from relay.journal.postgres import PostgresJournal
from tests.journal.making import Line, event
from tests.journal.pooler import Pooler
from tests.long.database import over, socket_of
from tests.postgres import emptied_schema, in_schema, server_url


@pytest.fixture
def schema() -> str:
    """Its name."""
    return emptied_schema(partitions=2).rpartition("%3D")[2]


@pytest.fixture
def socket_path() -> str:
    url = server_url()
    if "host=/" not in url:
        pytest.skip("NOT TESTED: poolers need a server that listens on a socket of this machine")
    return socket_of(url)


async def test_session_mode(schema: str, socket_path: str) -> None:
    async with Pooler(socket_path, by_transaction=False).listening() as port:
        journal = await PostgresJournal.open(in_schema(over("", port), schema))
        line = Line(journal)
        await asyncio.gather(*(line.append(event(str(number))) for number in range(20)))
        await line.render_all()
        assert len(await line.deliver_all()) == 20
        async with journal.claim("render:shop", 0) as claim:
            assert claim.held
        await journal.close()


async def test_transaction_mode(schema: str, socket_path: str) -> None:
    async with Pooler(socket_path, by_transaction=True).listening() as port:
        with pytest.raises(RelayError) as refused:
            await PostgresJournal.open(in_schema(over("", port), schema))

    assert refused.value.code == "journal_pooled"
    assert "session mode" in CODES["journal_pooled"].remedy
