"""Several processes on one file, and one that is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from relay.journal.sqlite import SqliteJournal
from relay.model import Selection
from tests.journal.making import event

ROOT = Path(__file__).parents[2]

WRITER = """
import asyncio, sys
from relay.journal.sqlite import SqliteJournal
from tests.journal.making import event

async def write(path, name, number):
    journal = await SqliteJournal.open(path)

    async def append(key):
        answer = await journal.append(event(key))
        print(key, answer.event_id, flush=True)

    await asyncio.gather(*(append(f"{name} {n}") for n in range(int(number))))
    await journal.close()

asyncio.run(write(*sys.argv[1:]))
"""


def writer(path: Path, name: str, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, name, str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


async def test_two_processes_write_beside_each_other(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "relay.db")
    with writer(tmp_path / "relay.db", "theirs", 300) as process:
        mine = [await journal.append(event(f"mine {number}")) for number in range(300)]
        output, _ = await asyncio.to_thread(process.communicate)
    theirs = [int(line.split()[2]) for line in output.splitlines()]

    assert process.returncode == 0
    assert len({*theirs, *(answer.event_id for answer in mine)}) == 600
    assert await journal.count(Selection()) == 600
    assert await journal.changed()
    await journal.close()


async def test_what_a_killed_process_acked_is_there(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    with writer(path, "doomed", 20_000) as process:
        assert process.stdout is not None
        acked = [process.stdout.readline() for _ in range(500)]
        process.kill()
        acked += process.stdout.readlines()

    acked = [line for line in acked if line.endswith("\n")]
    assert 500 <= len(acked) < 20_000
    journal = await SqliteJournal.open(path)
    for line in acked[::50]:
        key, event_id = line.rsplit(" ", 1)
        answer = await journal.append(event(key))
        assert (answer.duplicate, answer.event_id) == (True, int(event_id))
    stored = {summary.id for summary in await journal.find(Selection(), limit=20_000)}
    assert {int(line.rsplit(" ", 1)[1]) for line in acked} <= stored
    await journal.close()
