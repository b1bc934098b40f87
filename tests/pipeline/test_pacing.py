from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.pacing import Pace


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@given(st.floats(0.5, 500), st.lists(st.floats(0, 2), min_size=1, max_size=60))
async def test_never_more_turns_than_the_rate_and_the_burst_allow(rate: float, pauses: list[float]) -> None:
    time = FakeTime()
    pace = Pace(rate, clock=time, sleep=time.sleep, burst=5)
    turns: list[float] = []

    for pause in pauses:
        time.now_s += pause
        await pace.turn()
        turns.append(time.now_s)

    for first in range(len(turns)):
        for last in range(first, len(turns)):
            allowed = 5 + rate * (turns[last] - turns[first]) + 1e-6
            assert last - first + 1 <= allowed


async def test_a_burst_after_rest_does_not_wait() -> None:
    time = FakeTime()
    pace = Pace(1, clock=time, sleep=time.sleep, burst=5)

    for _ in range(5):
        await pace.turn()

    assert time.now_s == 1000.0
    await pace.turn()
    assert time.now_s == 1001.0


async def test_held_nobody_has_a_turn_before() -> None:
    time = FakeTime()
    pace = Pace(100, clock=time, sleep=time.sleep, burst=5)
    await pace.turn()
    pace.hold(30)
    pace.hold(10)
    await pace.turn()
    assert time.now_s >= 1030
