"""Segment's own libraries as clients of a relay process: every call arrives once, as it was sent."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.long.processes import WRITE_KEY, RelayProcess, drained, environment, free_port

pytestmark = pytest.mark.long
CALLS = int(os.environ.get("RELAY_TEST_CALLS", "10000"))
PAGE_CALLS = 200
CALLER_KEY = "long-test-storefront"
CLIENTS = Path(__file__).parent / "libraries"
SOURCE = {"SOURCES__STOREFRONT__PLATFORM": "segment", "SOURCES__STOREFRONT__WRITE_KEY": CALLER_KEY}
DEADLINE_S = 300


@asynccontextmanager
async def relay_and_segment(folder: Path, **more: str) -> AsyncIterator[tuple[RelayProcess, SegmentLookalike]]:
    receiver = SegmentLookalike([WRITE_KEY])
    port = free_port()
    async with serve(receiver) as segment_url:
        relay = RelayProcess(folder, environment(folder, port, {"segment": segment_url}, **SOURCE, **more), port)
        await relay.start()
        yield relay, receiver
        assert await relay.stop() == 0


async def run(*command: str | Path, cwd: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(DEADLINE_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-3000:]


async def send(
    relay: RelayProcess, client: Sequence[str | Path], folder: Path, *more: str, calls: int = CALLS
) -> list[str]:
    """Run a client to its end; the ids that it gave its calls."""
    await run(*client, relay.url, CALLER_KEY, str(calls), folder / "ids", *more, cwd=folder)
    return (folder / "ids").read_text().split("\n")


def check(receiver: SegmentLookalike, sent: list[str]) -> dict[str, list[int]]:
    """Every call arrived once under its own id; the numbers of each user in the order of arrival."""
    assert len(sent) == CALLS
    assert sorted(receiver.arrivals) == sorted(sent)
    assert not receiver.dropped
    assert sorted(call["properties"]["number"] for call in receiver.stored) == [*range(CALLS)]
    assert all(
        call["context"]["library"]["name"].startswith(("analytics-python", "@segment")) for call in receiver.stored
    )
    stories: dict[str, list[int]] = {}
    for call in receiver.stored:
        stories.setdefault(call["userId"], []).append(call["properties"]["number"])
    return stories


async def installed(folder: Path, client: str, *packages: str) -> Path:
    """A folder with the client and packages of npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"NOT TESTED: {packages[0]} needs node and npm")
    folder.mkdir()
    shutil.copy(CLIENTS / client, folder)
    (folder / "package.json").write_text("{}")
    try:
        await run("npm", "install", "--no-audit", "--no-fund", *packages, cwd=folder)
    except AssertionError as failure:
        pytest.skip(f"NOT TESTED: {packages[0]} cannot be installed: {str(failure)[-300:]}")
    return folder


async def test_python(tmp_path: Path) -> None:
    async with relay_and_segment(tmp_path) as (relay, receiver):
        sent = await send(relay, [sys.executable, CLIENTS / "python_client.py"], tmp_path)
        await drained(relay.url)
    stories = check(receiver, sent)
    assert all(story == sorted(story) for story in stories.values())


async def test_python_while_the_relay_is_killed(tmp_path: Path) -> None:
    """The library sends again what it got no answer for: some of it was stored all the same."""
    async with relay_and_segment(tmp_path) as (relay, receiver), asyncio.TaskGroup() as group:
        sending = group.create_task(send(relay, [sys.executable, CLIENTS / "python_client.py"], tmp_path))
        kills = 0
        for _ in range(3):
            arrived = len(receiver.arrivals)
            while len(receiver.arrivals) == arrived and not sending.done():
                await asyncio.sleep(0.01)
            kills += not sending.done()
            await relay.kill()
            await relay.start()
        sent = await sending
        await drained(relay.url)
    assert kills
    assert set(receiver.arrivals) == set(sent)
    assert sorted(call["properties"]["number"] for call in receiver.stored) == [*range(CALLS)]
    assert {drop["reason"] for drop in receiver.dropped} <= {"duplicate"}


async def test_node(tmp_path: Path) -> None:
    folder = await installed(tmp_path / "node", "node_client.mjs", "@segment/analytics-node@3")
    async with relay_and_segment(tmp_path) as (relay, receiver):
        sent = await send(relay, ["node", "node_client.mjs"], folder)
        await drained(relay.url)
    check(receiver, sent)


@pytest.mark.parametrize("strategy", ["standard", "batching"])
async def test_browser(tmp_path: Path, strategy: str) -> None:
    """analytics.js asks the relay for its settings, and the relay's permission before each kind of request."""
    folder = await installed(tmp_path / "node", "browser_client.mjs", "@segment/analytics-next@1", "jsdom@29")
    more = {"SOURCES__STOREFRONT__ALLOWED_ORIGINS": "https://*.shop.example"}
    async with relay_and_segment(tmp_path, **more) as (relay, receiver):
        sent = await send(relay, ["node", "browser_client.mjs"], folder, strategy, calls=PAGE_CALLS)
        await drained(relay.url)
    identified, *tracked = receiver.stored
    assert [call["messageId"] for call in tracked] == sent
    assert [call["properties"]["number"] for call in tracked] == [*range(PAGE_CALLS)]
    assert (identified["type"], identified["traits"]) == ("identify", {"email": "ada@example.com"})
    for call in receiver.stored:
        assert call["context"]["library"]["name"] == "analytics.js"
        assert (call["userId"], call["anonymousId"]) == ("user-17", identified["anonymousId"])
    assert not receiver.dropped
