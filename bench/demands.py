"""What the design asks (its section 9), and what a run found."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.scenario import RATE, Figures
from bench.scenarios import BARE, INTAKE_ONLY, NODE_RED, RELAY

Runs: TypeAlias = Mapping[str, Mapping[str, Sequence[Figures]]]
"""By scenario and contender, one a round."""


@dataclass(frozen=True)
class Spread:
    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Demand:
    name: str
    asked: float
    unit: str
    at_least: bool
    found: Callable[[Runs], Sequence[float]]
    """One value a round; empty when it was not measured."""

    def met(self, median: float) -> bool:
        return median >= self.asked if self.at_least else median <= self.asked

    def times_better(self, median: float) -> float:
        """1 is what was asked."""
        return median / self.asked if self.at_least else self.asked / median


def values(runs: Runs, scenario: str, contender: str, figure: str) -> list[float]:
    return [run[figure] for run in runs.get(scenario, {}).get(contender, ())]


def ratios(runs: Runs, scenario: str, contender: str, base: str, figure: str = RATE) -> list[float]:
    """Of each round, so that a machine that is slower for a while is so for both."""
    mine, others = (values(runs, scenario, name, figure) for name in (contender, base))
    return [one / other for one, other in zip(mine, others, strict=False)]


def memory(runs: Runs) -> list[float]:
    """The most that the relay took in each round of any scenario."""
    relays = [
        [run["pss_mib"] for run in found]
        for contenders in runs.values()
        for name, found in contenders.items()
        if name in (RELAY, "10,000 waiting", "1,000,000 waiting", "one", "five", "fast alone", "fast beside slow")
    ]
    return [max(peaks) for peaks in relays if peaks]


DEMANDS: Sequence[Demand] = (
    Demand("intake against the bare route", 0.5, "×", True, lambda runs: ratios(runs, "intake", INTAKE_ONLY, BARE)),
    Demand("whole way", 5_000, "events/s", True, lambda runs: values(runs, "whole-way", RELAY, RATE)),
    Demand("whole way against Node-RED", 6, "×", True, lambda runs: ratios(runs, "whole-way", RELAY, NODE_RED)),
    Demand(
        "drain with 1,000,000 waiting against 10,000", 0.9, "×", True,
        lambda runs: ratios(runs, "drain", "1,000,000 waiting", "10,000 waiting"),
    ),
    Demand("memory over all scenarios", 150, "MiB", False, memory),
    Demand(
        "p99 of the answer at 1,000/s", 20, "ms", False, lambda runs: values(runs, "latency-1000", RELAY, "p99_ms")
    ),
    Demand(
        "p95 to delivered at 200/s", 100, "ms", False,
        lambda runs: values(runs, "latency-200", RELAY, "delivered_p95_ms"),
    ),
    Demand("start to ready", 1_000, "ms", False, lambda runs: values(runs, "start", RELAY, "ready_ms")),
)  # fmt: skip
