"""`relay demo`: the story is told, it is true, and it can be interrupted."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from relay.demo import story
from relay.demo.samples import Sample

DEADLINE_S = 30.0
PROMISES = 7


async def demo(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "demo", *arguments),
        cwd=folder,
        env=kept | {"COLUMNS": "160", "RELAY_SERVER__HOST": "nowhere.invalid"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_once_tells_the_story_and_ends(tmp_path: Path) -> None:
    process = await demo(tmp_path, "--once")
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()

    told = out.decode()
    assert (process.returncode, err) == (0, b"")
    assert told.count("✔") == PROMISES
    assert "✘" not in told
    for words in ("Order Completed", "Order Refunded", "signature_mismatch", "body_not_json", "2× Wool Scarf", "103.2"):
        assert words in told
    assert list(tmp_path.iterdir()) == []


async def test_all_tells_of_every_vendor() -> None:
    console = Console(file=io.StringIO(), width=160)
    async with asyncio.timeout(DEADLINE_S):
        assert await story.tell(console, once=True, port=0, everybody=True)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert told.count("✔") == PROMISES + 4
    for words in ("CHECKOUT purchase", "POST invoice", "103.20, reversed", "cancelled"):
        assert words in told


@pytest.mark.long
async def test_without_once_it_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    process = await demo(tmp_path)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while "Still running" not in (await process.stdout.readline()).decode():
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


class Interrupting(Console):
    """Presses Ctrl-C at the first line."""

    def print(self, *objects: object, **options: object) -> None:
        if self.file.tell() == 0:  # type: ignore[attr-defined, unused-ignore]
            os.kill(os.getpid(), signal.SIGINT)
        super().print(*objects, **options)  # type: ignore[arg-type]


async def test_ctrl_c_in_the_middle_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    post = story._post

    async def post_slowly(url: str) -> list[tuple[Sample, int, dict[str, str]]]:
        # The relay has stopped listening by then.
        await asyncio.sleep(0.3)
        return await post(url)

    monkeypatch.setattr(story, "_post", post_slowly)
    async with asyncio.timeout(DEADLINE_S):
        assert not await story.tell(Interrupting(file=io.StringIO()), once=False, port=0)


@pytest.mark.long
async def test_a_promise_that_is_not_kept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "EXPECTED_CALLS", 8)
    console = Console(file=io.StringIO(), width=160)
    async with asyncio.timeout(DEADLINE_S):
        assert not await story.tell(console, once=True, port=0)
    assert console.file.getvalue().count("✘") == 1  # type: ignore[attr-defined]
