"""Whether a source has gone quiet against its own normal. Pure.

A silence is as surprising as it is unlikely that so many hours pass without a webhook, if in each of them one comes as
often as in that hour of that day in the weeks before. Hours in which nothing usually comes, nights and Sundays say, do
not count, and with few orders much time has to pass. Hours are UTC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from relay.model import HOUR_MS, Arrivals

WINDOW_MS = 28 * 24 * HOUR_MS
"""The weeks before the last webhook: what is normal."""
LEARNT_H = 7 * 24
"""Before a week is known of a source, nothing is normal."""
SURPRISING = -math.log(1e-5)
MORE_THAN_USUAL = 1.5
_WEEK_H = 7 * 24


@dataclass(frozen=True, slots=True)
class Silence:
    """``usual_ms`` is the longest silence of the weeks before but one, so that one outage makes no new normal.

    It is None while nothing is known to be normal.
    """

    is_quiet: bool
    usual_ms: int | None


def silence(arrivals: Arrivals, now_ms: int) -> Silence:
    """Quiet is what is both unlikely, less than 1 to 100,000, and far more so than the usual silences were."""
    hours = arrivals.hours
    if len(hours) < 2 or hours[-1] - hours[0] < LEARNT_H:
        return Silence(False, None)
    normal = _Normal(hours)
    gaps = list(pairwise(hours))
    usual_h = sorted(after - before for before, after in gaps)[-2:][0]
    usual = sorted(normal.surprise(range(before + 1, after)) for before, after in gaps)[-2:][0]
    now = normal.surprise(range(hours[-1] + 1, now_ms // HOUR_MS))
    return Silence(now > max(SURPRISING, MORE_THAN_USUAL * usual), usual_h * HOUR_MS)


class _Normal:
    """How often each hour of the week, and each hour of a working day or of a weekend, had a webhook."""

    def __init__(self, hours: Sequence[int]) -> None:
        known = range(hours[0], hours[-1] + 1)
        slots, active_slots = Counter(hour % _WEEK_H for hour in known), Counter(hour % _WEEK_H for hour in hours)
        kinds, active_kinds = Counter(map(_kind, known)), Counter(map(_kind, hours))
        self._chances = []
        for slot in range(_WEEK_H):
            week_by_week = active_slots[slot] / slots[slot]
            day_by_day = active_kinds[_kind(slot)] / (kinds[_kind(slot)] + 1)
            # Of few weeks nothing is certain, unless the days between say the same.
            few_weeks = active_slots[slot] / (slots[slot] + 1)
            self._chances.append(max(few_weeks, min(week_by_week, day_by_day)))

    def surprise(self, silent: Iterable[int]) -> float:
        """Minus the logarithm of the chance that all these hours are silent."""
        return sum(-math.log1p(-self._chances[hour % _WEEK_H]) for hour in silent)


def _kind(hour: int) -> tuple[bool, int]:
    """Whether it is of a weekend, and the hour of the day. 1970 began on a Thursday."""
    return (hour // 24 + 3) % 7 >= 5, hour % 24
