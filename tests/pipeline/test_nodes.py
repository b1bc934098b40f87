"""Several relays on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from relay.app import Relay, Role
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.model import Gate, Selection
from relay.opening import existing_journal, verifier
from relay.pipeline.gates import pause, resume
from relay.settings.loading import load
from tests.long.ledger import check_ledger
from tests.long.orders import order_webhook
from tests.postgres import new_schema
from tests.posting import get, plain_client, post, post_story, story, until
from tests.running import HEADERS, WRITE_KEY, configuration, drained, running

pytestmark = pytest.mark.usefixtures("logbook")


@pytest.fixture
def url() -> str:
    return new_schema()


@asynccontextmanager
async def nodes(
    url: str, folder: Path, receiver: SegmentLookalike, *roles: Role
) -> AsyncIterator[tuple[dict[str, str], list[Relay]]]:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(serve(receiver))
        environ = configuration(folder, {"segment": host}, JOURNAL__URL=url, JOURNAL__PARTITIONS="4")
        yield environ, [await stack.enter_async_context(running(environ, role=role)) for role in roles]


async def test_two_nodes_share_the_work_and_send_nothing_twice(url: str, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    told = story([f"order-{number}" for number in range(12)], 4)
    async with nodes(url, tmp_path, receiver, Role.ALL, Role.ALL) as (_, (one, two)):
        # Each step of an order goes to the other node.
        for step in range(4):
            facts = [fact for fact in told if fact[1] == step]
            await asyncio.gather(post_story(one, facts[step % 2 :: 2]), post_story(two, facts[1 - step % 2 :: 2]))
        again = await post_story(two, told[:5])
        assert again == await post_story(one, told[:5])
        await drained(one)

    assert not receiver.dropped
    check_ledger(receiver, told)


async def test_roles(url: str, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    async with nodes(url, tmp_path, receiver, Role.INTAKE, Role.WORKER) as (_, (intake, worker)):
        await post(intake, [order_webhook("a", 0)])
        await until(lambda: receiver.stored)
        async with plain_client() as client:
            refused = await client.post(f"{worker.url}/webhooks/elasticpath", content=b"{}", headers=HEADERS)
        assert (refused.status_code, refused.json()["code"]) == (503, "worker_only")
        assert "Retry-After" in refused.headers
        assert [(await get(node, "/readyz")).status_code for node in (intake, worker)] == [200, 200]
        await drained(worker)


async def test_what_one_node_or_a_person_says_of_a_destination_counts_for_all(url: str, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    async with nodes(url, tmp_path, receiver, Role.ALL, Role.ALL) as (environ, relays):
        gates = [relay.deliveries["segment"].gate for relay in relays]
        async with existing_journal(load(None, environ)) as beside:
            await pause(beside, "deliver:segment")
        await until(lambda: all(gate.paused for gate in gates))
        await post_story(relays[0], [("a", 0)])
        async with existing_journal(load(None, environ)) as beside:
            await resume(beside, "deliver:segment")
        await until(lambda: receiver.stored)

        token = gates[0]._turn
        await gates[0].closed(token, "rate_limited", "slow down", wait_s=30)
        await until(lambda: gates[1].state.code == "rate_limited")
        await gates[1].opened(gates[1]._turn)
        await until(lambda: gates[0].state == Gate())


async def test_nodes_share_the_key_of_refused_secrets(url: str, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    async with nodes(url, tmp_path, receiver, Role.INTAKE, Role.INTAKE) as (environ, (one, two)):
        async with plain_client() as client:
            wrong = {"X-MOLTIN-SECRET-KEY": "another-secret"}
            await client.post(f"{one.url}/webhooks/elasticpath", content=order_webhook("a", 0), headers=wrong)
        (item,) = await two.journal.quarantined(None, limit=9)
        same = await verifier(load(None, environ), two.journal, lasting=False)
        assert same.was_presented(item)("another-secret")
        assert await two.journal.find(Selection(), limit=1) == []


async def test_a_node_of_two_processes(url: str, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    told = story(["a", "b", "c"], 3)
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, JOURNAL__URL=url, SERVER__PROCESSES="2")
        async with running(environ) as relay:
            await post_story(relay, told)
            await drained(relay)
    assert not receiver.dropped
    check_ledger(receiver, told)
