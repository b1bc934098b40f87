"""A full disk: 503, no corruption, and on it goes when there is space again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.long.ledger import check_ledger
from tests.long.orders import Shop
from tests.long.processes import WRITE_KEY, RelayProcess, drained, environment, free_port

pytestmark = pytest.mark.long
ENOUGH_REFUSALS = 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk]).returncode:
        pytest.skip("NOT TESTED: a full disk needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


async def test_full_disk(small_disk: Path, tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    port = free_port()
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 4_000_000)
    async with serve(receiver) as segment_url:
        relay = RelayProcess(tmp_path, environment(small_disk, port, {"segment": segment_url}), port)
        await relay.start()
        shop = Shop(relay.url)
        async with asyncio.TaskGroup() as group, asyncio.timeout(120):
            group.create_task(shop.run(4, lambda: shop.answers.get(503, 0) < ENOUGH_REFUSALS or ballast.exists()))
            while shop.answers.get(503, 0) < ENOUGH_REFUSALS:
                await asyncio.sleep(0.05)
            acked_when_full = len(shop.acked)
            ballast.unlink()
        await drained(relay.url)
        assert await relay.stop() == 0

    assert set(shop.answers) == {200, 503}
    assert acked_when_full
    assert len(shop.acked) > acked_when_full
    check_ledger(receiver, shop.acked)
    with sqlite3.connect(small_disk / "relay.db") as journal:
        assert journal.execute("pragma integrity_check").fetchone() == ("ok",)
