"""Three nodes on one PostgreSQL, all in trouble at random: what was acked arrives, once, in order."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.long.database import Cable, Database, over, socket_of
from tests.long.ledger import check_ledger
from tests.long.orders import Shop
from tests.long.processes import WRITE_KEY, RelayProcess, drained, environment, free_port

pytestmark = pytest.mark.long
TROUBLE_S = float(os.environ.get("RELAY_TEST_TROUBLE_S", "180"))
ORDERS = 12
TAKEN_OVER_S = 30.0
"""It takes 1 s after SIGKILL and 6 or 8 s after SIGSTOP (printed); more where the machine is busy with other things."""


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database()
    yield database
    database.remove()


def nodes(folder: Path, url: str, receiver_url: str, *names: str) -> list[RelayProcess]:
    made = []
    for name in names:
        own, port = folder / name, free_port()
        own.mkdir()
        made.append(RelayProcess(own, environment(own, port, {"segment": receiver_url}, JOURNAL__URL=url), port))
    return made


async def test_nodes_and_database_in_trouble(tmp_path: Path, database: Database) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}, {TROUBLE_S} s")
    receiver = SegmentLookalike([WRITE_KEY])
    troubles: dict[str, int] = {}
    async with serve(receiver) as receiver_url:
        relays = nodes(tmp_path, database.url, receiver_url, "one", "two", "three")
        await asyncio.gather(*(relay.start() for relay in relays))
        shop = Shop(*(relay.url for relay in relays))
        until_s = time.monotonic() + TROUBLE_S
        async with asyncio.TaskGroup() as group:
            group.create_task(shop.run(ORDERS, lambda: time.monotonic() < until_s))
            while time.monotonic() < until_s:
                await asyncio.sleep(chance.uniform(0.2, 2.0))
                trouble = chance.choice(["kill node", "kill node", "stop node", "kill database", "stop database"])
                troubles[trouble] = troubles.get(trouble, 0) + 1
                await make(trouble, chance, relays, database)
        await asyncio.gather(*(drained(relay.url, 300) for relay in relays))
        assert [await relay.stop() for relay in relays] == [0] * 3

    duplicates = [drop for drop in receiver.dropped if drop["reason"] == "duplicate"]
    print(f"{troubles}; {len(shop.acked)} acked, {len(duplicates)} sent again under their ids, answers {shop.answers}")
    assert len(shop.acked) > TROUBLE_S
    assert not any("Traceback" in relay.log for relay in relays), "a defect, see the log"
    check_ledger(receiver, shop.acked)


async def make(trouble: str, chance: random.Random, relays: list[RelayProcess], database: Database) -> None:
    relay = chance.choice(relays)
    if trouble == "kill node":
        await relay.kill()
        await asyncio.sleep(chance.uniform(0, 1))
        await relay.start()
    elif trouble == "stop node":
        relay.send(signal.SIGSTOP)
        await asyncio.sleep(chance.choice([0.5, 3, 9]))
        relay.send(signal.SIGCONT)
    elif trouble == "kill database":
        await database.kill()
        await asyncio.sleep(chance.uniform(0, 2))
        await database.start()
    else:
        database.send(signal.SIGSTOP)
        await asyncio.sleep(chance.choice([0.5, 3, 20]))
        database.send(signal.SIGCONT)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_nodes_partitions_move_within_seconds(
    tmp_path: Path, database: Database, end: signal.Signals
) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    async with serve(receiver) as receiver_url:
        doomed, other = relays = nodes(tmp_path, database.url, receiver_url, "doomed", "other")
        await asyncio.gather(*(relay.start() for relay in relays))
        both, going = Shop(doomed.url, other.url), True
        async with asyncio.TaskGroup() as group:
            group.create_task(both.run(ORDERS, lambda: going))
            await asyncio.sleep(2)
            going = False
        shop = Shop(other.url)
        going = True
        async with asyncio.TaskGroup() as group:
            group.create_task(shop.run(ORDERS, lambda: going, name="later"))
            doomed.send(end)
            died_s = time.monotonic()
            await asyncio.sleep(1)
            going = False
        await drained(other.url, TAKEN_OVER_S)
        print(f"drained {time.monotonic() - died_s:.1f} s after {end.name}")
        await doomed.kill()
        assert await other.stop() == 0
    check_ledger(receiver, [*both.acked, *shop.acked])


async def test_a_cut_network_is_told_and_mends_by_itself(tmp_path: Path, database: Database) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    cable = Cable(socket_of(database.url))
    async with serve(receiver) as receiver_url, cable.laid() as port:
        (cut_off,) = nodes(tmp_path, over(database.url, port), receiver_url, "cut off")
        (other,) = nodes(tmp_path, database.url, receiver_url, "other")
        await asyncio.gather(cut_off.start(), other.start())
        here, there, going = Shop(cut_off.url), Shop(other.url), True
        async with asyncio.TaskGroup() as group:
            group.create_task(here.run(ORDERS, lambda: going, name="here"))
            group.create_task(there.run(ORDERS, lambda: going, name="there"))
            await asyncio.sleep(2)
            cable.cut()
            async with asyncio.timeout(60):
                while here.answers.get(503, 0) < ORDERS:
                    await asyncio.sleep(0.1)
            acked_apart, acked_beside = len(here.acked), len(there.acked)
            await asyncio.sleep(3)
            assert len(here.acked) == acked_apart, "nothing is acked that is not stored"
            assert len(there.acked) > acked_beside, "the other node goes on"
            cable.mend()
            async with asyncio.timeout(60):
                while len(here.acked) < acked_apart + ORDERS:
                    await asyncio.sleep(0.1)
            going = False
        await drained(cut_off.url)
        await drained(other.url)
        assert [await relay.stop() for relay in (cut_off, other)] == [0, 0]
    print(f"{len(here.acked)} and {len(there.acked)} acked, answers {here.answers}, {there.answers}")
    assert set(there.answers) == {200}
    check_ledger(receiver, [*here.acked, *there.acked])
