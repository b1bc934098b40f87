"""Gates and suspicion, on a real journal and a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.journal.sqlite import SqliteJournal
from relay.model import Gate
from relay.pipeline.gates import MISCONFIGURED_CAP_S, LineGate
from relay.pipeline.wakeups import Stopping, Wakeups

NOW_MS = 1_800_000_000_000


class Bench:
    """Makes gates of one name, as starts of the relay do."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.now_ms = NOW_MS
        self.wakeups = Wakeups()
        self._journal = journal

    def gate(self) -> LineGate:
        return LineGate("deliver:segment", self._journal, self.wakeups, lambda: self.now_ms, lambda: 1.0)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    journal = await SqliteJournal.open(tmp_path / "relay.db")
    yield Bench(journal)
    await journal.close()


async def passed(gate: LineGate) -> int:
    async with asyncio.timeout(5), gate.passage() as token:
        return token


async def test_each_failure_doubles_the_wait_and_a_success_opens(bench: Bench) -> None:
    gate = bench.gate()
    waits = []
    for _ in range(9):
        waits.append(await gate.closed(await passed(gate), "server_error", "500"))
        bench.now_ms = gate.state.not_before_ms
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    await gate.opened(await passed(gate))
    assert gate.state == Gate()


async def test_slowly_is_ten_times_as_long(bench: Bench) -> None:
    gate = bench.gate()
    waits = []
    for _ in range(9):
        waits.append(await gate.closed(await passed(gate), "rate_limited", "429", slowly=True))
        bench.now_ms = gate.state.not_before_ms
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]


async def test_attempts_under_way_together_count_as_one_failure(bench: Bench) -> None:
    gate = bench.gate()
    together = [await passed(gate) for _ in range(4)]
    for token in together:
        await gate.closed(token, "server_error", "500")
    assert gate.state.failures == 1


async def test_a_success_from_before_the_gate_closed_does_not_open_it(bench: Bench) -> None:
    gate = bench.gate()
    early, refused, late = [await passed(gate) for _ in range(3)]
    await gate.closed(refused, "rate_limited", "429", wait_s=30)
    await gate.opened(early)
    assert (gate.state.failures, gate.state.not_before_ms) == (1, NOW_MS + 30_000)

    bench.now_ms += 30_000
    probe = await passed(gate)
    await gate.closed(late, "timeout", "")
    bench.now_ms = gate.state.not_before_ms
    await gate.opened(probe)
    assert gate.state == Gate()
    assert gate.successes == 2


async def test_a_longer_wait_is_not_shortened_by_a_later_failure(bench: Bench) -> None:
    gate = bench.gate()
    first, second = await passed(gate), await passed(gate)
    await gate.closed(first, "rate_limited", "429", wait_s=200)
    await gate.closed(second, "server_error", "500")
    assert gate.state.not_before_ms == NOW_MS + 200_000


async def test_one_probes_and_its_success_lets_the_others_pass(bench: Bench) -> None:
    gate = bench.gate()
    await gate.closed(await passed(gate), "server_error", "500")
    bench.now_ms = gate.state.not_before_ms
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, gate.passage() as probe:
        others = [group.create_task(passed(gate)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(other.done() for other in others)
        await gate.opened(probe)
    assert [other.result() for other in others] == [probe] * 3


async def test_a_restart_keeps_the_wait_and_a_clock_set_back_does_not_lengthen_it(bench: Bench) -> None:
    await bench.gate().closed(0, "rate_limited", "429", wait_s=200)
    again = bench.gate()
    await again.load()
    assert again.state == Gate(1, NOW_MS + 200_000, "rate_limited", "429")

    bench.now_ms -= 86_400_000
    again = bench.gate()
    await again.load()
    assert again.state.not_before_ms == bench.now_ms + MISCONFIGURED_CAP_S * 1000


async def test_who_waits_at_a_closed_gate_ends_when_the_relay_stops(bench: Bench) -> None:
    gate = bench.gate()
    await gate.closed(0, "rate_limited", "429", wait_s=200)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:

        async def waits() -> None:
            with pytest.raises(Stopping):
                await passed(gate)

        for _ in range(3):
            group.create_task(waits())
        await asyncio.sleep(0)
        bench.wakeups.stop()
