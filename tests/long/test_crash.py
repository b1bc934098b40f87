"""`kill -9` at random instants: what was acked arrives, once, in order."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.long.ledger import check_ledger
from tests.long.orders import Shop
from tests.long.processes import WRITE_KEY, RelayProcess, drained, environment, free_port

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("RELAY_TEST_KILLS", "200"))
ORDERS = 12


@pytest.mark.parametrize(("processes", "kills"), [(1, KILLS), (2, KILLS // 4)])
async def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path, processes: int, kills: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}, {kills} kills")
    chance = random.Random(seed)
    receiver = SegmentLookalike([WRITE_KEY])
    port = free_port()
    async with serve(receiver) as segment_url:
        relay = RelayProcess(
            tmp_path, environment(tmp_path, port, {"segment": segment_url}, SERVER__PROCESSES=str(processes)), port
        )
        await relay.start()
        shop = Shop(relay.url)
        killing = True
        async with asyncio.TaskGroup() as group:
            group.create_task(shop.run(ORDERS, lambda: killing))
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                await relay.kill()
                await relay.start()
            killing = False
        await drained(relay.url)
        assert await relay.stop() == 0

    print(f"{len(shop.acked)} acked, {len(receiver.arrivals)} arrivals, answers {shop.answers}")
    assert len(shop.acked) > kills
    check_ledger(receiver, shop.acked)
