from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.backoff import delay_s

FAILURES = st.integers(1, 10**9) | st.integers(1, 80)
CHANCE = st.floats(0, 1)
SECONDS = st.floats(1e-6, 1e6)


@given(FAILURES, SECONDS, SECONDS, CHANCE)
def test_stays_between_half_and_the_whole_of_a_bound_under_the_cap(
    failures: int, base_s: float, cap_s: float, chance: float
) -> None:
    delay = delay_s(failures, base_s=base_s, cap_s=cap_s, random=lambda: chance)

    assert math.isfinite(delay)
    assert min(base_s, cap_s) / 2 <= delay <= cap_s


@given(FAILURES, CHANCE)
def test_the_bound_never_falls_as_failures_mount(failures: int, chance: float) -> None:
    assert delay_s(failures, random=lambda: chance) <= delay_s(failures + 1, random=lambda: chance)


@given(FAILURES)
def test_chance_spreads_over_half_of_the_bound(failures: int) -> None:
    assert delay_s(failures, random=lambda: 0.0) * 2 == delay_s(failures, random=lambda: 1.0)


def test_doubles_from_the_base_to_the_cap() -> None:
    bounds = [delay_s(failures, random=lambda: 1.0) for failures in range(1, 10)]

    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_billion_failures_wait_no_longer_than_the_cap() -> None:
    assert delay_s(10**9, random=lambda: 1.0) == 60.0


def test_without_failures_there_is_no_wait() -> None:
    assert delay_s(0, random=lambda: 1.0) == 0.0
