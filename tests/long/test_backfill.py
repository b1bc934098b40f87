"""A backfill of many orders beside live webhooks, killed in the middle and run again: each order once."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import orjson
import pytest

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.long.orders import HEADERS, order_webhook
from tests.long.processes import WRITE_KEY, RelayProcess, drained, environment, free_port

pytestmark = pytest.mark.long
ORDERS = int(os.environ.get("RELAY_TEST_BACKFILL", "20000"))
RATE = int(os.environ.get("RELAY_TEST_BACKFILL_RATE", "1000"))
LIVE_PAUSE_S = 0.05


def write(path: Path) -> None:
    with path.open("wb") as file:
        for number in range(ORDERS):
            body = orjson.loads(order_webhook(f"past-{number}", 0))
            file.write(orjson.dumps(body["payload"]) + b"\n")


class Live:
    """Posts one order after the other, and keeps how long each took to be answered and to be delivered."""

    def __init__(self, url: str, receiver: SegmentLookalike) -> None:
        self._url = f"{url}/webhooks/elasticpath"
        self._receiver = receiver
        self.posted = 0

    async def run(self, number: int) -> list[float]:
        """Milliseconds from posting to delivery, of so many orders."""
        taken = []
        async with httpx.AsyncClient(timeout=30) as client:
            for _ in range(number):
                self.posted += 1
                order = f"live-{self.posted}"
                started_s = time.monotonic()
                answer = await client.post(self._url, content=order_webhook(order, 0), headers=HEADERS)
                assert answer.status_code == 200
                await self._delivered(order)
                taken.append((time.monotonic() - started_s) * 1000)
                await asyncio.sleep(LIVE_PAUSE_S)
        return taken

    async def _delivered(self, order: str) -> None:
        async with asyncio.timeout(60):
            seen = 0
            while True:
                stored = self._receiver.stored
                if any(call["properties"]["order_id"] == order for call in stored[seen:]):
                    return
                seen = len(stored)
                await asyncio.sleep(0.001)


async def backfill(file: Path, environ: dict[str, str], *, rate: int) -> asyncio.subprocess.Process:
    arguments = ("backfill", str(file), "--source", "elasticpath", "--tracked-event", "checkout_started")
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *arguments, "--rate", str(rate), "--run", "--json",
        env=environ, cwd=file.parent, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_each_order_of_the_past_arrives_once_and_live_traffic_goes_first(tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    port = free_port()
    file = tmp_path / "orders.ndjson"
    write(file)
    async with serve(receiver) as segment_url:
        environ = environment(tmp_path, port, {"segment": segment_url})
        relay = RelayProcess(tmp_path, environ, port)
        await relay.start()
        live = Live(relay.url, receiver)
        await live.run(20)
        alone = await live.run(100)

        first = await backfill(file, environ, rate=RATE)
        beside = await live.run(60)
        first.kill()
        await first.wait()
        await relay.kill()
        await relay.start()

        second = await backfill(file, environ, rate=RATE)
        beside += await live.run(60)
        out, _ = await second.communicate()
        told = orjson.loads(out)
        assert told["rows"] == ORDERS == told["appended"] + told["known"]
        assert told["known"] > 0, "the first run was killed before it stored anything"
        await drained(relay.url, timeout_s=60 + ORDERS / 200)
        assert await relay.stop() == 0

    p95 = [statistics.quantiles(taken, n=20)[18] for taken in (alone, beside)]
    print(f"{told['known']} known; webhook to delivery p95: {p95[0]:.0f} ms alone, {p95[1]:.0f} ms beside the backfill")
    counted = Counter(call["properties"]["order_id"] for call in receiver.stored)
    assert set(counted) == {f"past-{n}" for n in range(ORDERS)} | {f"live-{n + 1}" for n in range(live.posted)}
    assert set(counted.values()) == {1}
