"""What is a silence worth telling. Hours are counted from a Monday's first."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import HOUR_MS, Arrivals
from relay.pipeline.silence import LEARNT_H, silence

MONDAY = (4 + 7 * 2_900) * 24
"""Hours from 1970, which began on a Thursday, to a Monday in 2025."""
WEEK_H = 7 * 24
Sends = Callable[[int], bool]


def always(hour: int) -> bool:
    return True


def by_day(hour: int) -> bool:
    return hour % 24 >= 8


def in_the_week(hour: int) -> bool:
    return hour % WEEK_H < 5 * 24 and 8 <= hour % 24 < 18


def closed_on_mondays(hour: int) -> bool:
    return hour % WEEK_H >= 24 and by_day(hour)


def once_a_week(hour: int) -> bool:
    return hour % WEEK_H == 50


def in_bursts(hour: int) -> bool:
    return hour // 24 % 13 < 3


def arrived(hours: list[int]) -> Arrivals:
    return Arrivals((MONDAY + hours[-1]) * HOUR_MS + 1, [MONDAY + hour for hour in hours])


def alarms_after(sends: Sends, last: int) -> int:
    """Hours until the alarm when nothing comes any more after the hour ``last``, four weeks being known before."""
    hours = [hour for hour in range(last - 4 * WEEK_H, last + 1) if sends(hour)]
    return next(
        hour - last
        for hour in range(last, last + 60 * 24)
        if silence(arrived(hours), (MONDAY + hour) * HOUR_MS).is_quiet
    )


@pytest.mark.parametrize(
    ("sends", "last", "least", "most"),
    [
        (always, 5 * WEEK_H + 50, 3, 6),
        (by_day, 5 * WEEK_H + 33, 3, 6),  # Tuesday morning
        (by_day, 5 * WEEK_H + 47, 8 + 3, 8 + 6),  # Tuesday at midnight: the night does not count
        (in_the_week, 5 * WEEK_H + 4 * 24 + 17, 63 + 3, 63 + 6),  # Friday evening: until Monday noon
        (closed_on_mondays, 5 * WEEK_H + 6 * 24 + 23, 32 + 3, 32 + 9),  # Sunday: until Tuesday noon
        (once_a_week, 5 * WEEK_H + 50, 2 * WEEK_H, 60 * 24),
        (in_bursts, 39 * 24 + 71, 11 * 24, 30 * 24),  # it is used to ten days
    ],
)
def test_it_is_told_as_soon_as_it_is_not_normal(sends: Sends, last: int, least: int, most: int) -> None:
    assert least <= alarms_after(sends, last) <= most


@pytest.mark.parametrize("sends", [always, by_day, in_the_week, closed_on_mondays, once_a_week, in_bursts])
def test_what_goes_on_as_ever_is_never_quiet(sends: Sends) -> None:
    hours = [hour for hour in range(10 * WEEK_H) if sends(hour)]
    for before, after in pairwise(hours):
        if before >= 4 * WEEK_H and after > before + 1:
            known = arrived([hour for hour in hours if before - 4 * WEEK_H <= hour <= before])
            assert not silence(known, (MONDAY + after) * HOUR_MS).is_quiet


@pytest.mark.parametrize("orders_a_day", [0.15, 0.5, 1, 3, 10])
def test_a_shop_with_few_orders_gives_no_false_alarm(orders_a_day: float) -> None:
    chance = random.Random(7)
    hours = [hour for hour in range(40 * WEEK_H) if chance.random() < orders_a_day / 24]
    for at, (before, after) in enumerate(pairwise(hours)):
        if before >= 4 * WEEK_H and after > before + 4:
            known = arrived([hour for hour in hours[: at + 1] if before - 4 * WEEK_H <= hour])
            assert not silence(known, (MONDAY + after) * HOUR_MS).is_quiet


def test_one_outage_makes_no_new_normal() -> None:
    hours = [hour for hour in range(4 * WEEK_H) if by_day(hour) and not 300 <= hour < 372]
    found = silence(arrived(hours), (MONDAY + hours[-1]) * HOUR_MS)

    assert found.usual_ms == 9 * HOUR_MS
    assert silence(arrived(hours), (MONDAY + hours[-1] + 8 + 12) * HOUR_MS).is_quiet


def test_nothing_is_normal_in_the_first_week() -> None:
    week = list(range(LEARNT_H))
    assert not silence(arrived(week), (MONDAY + 10_000) * HOUR_MS).is_quiet
    assert silence(arrived(week), (MONDAY + 10_000) * HOUR_MS).usual_ms is None
    assert silence(arrived([*week, LEARNT_H]), (MONDAY + 10_000) * HOUR_MS).is_quiet
    assert not silence(Arrivals(None, ()), 10**13).is_quiet


@given(st.sets(st.integers(0, 4 * WEEK_H), min_size=1, max_size=80), st.integers(0, 2_000), st.integers(0, 2_000))
def test_a_silence_that_goes_on_stays_told(hours: set[int], first: int, further: int) -> None:
    known = arrived(sorted(hours))
    start = MONDAY + max(hours)
    if silence(known, (start + first) * HOUR_MS).is_quiet:
        assert silence(known, (start + first + further) * HOUR_MS).is_quiet
