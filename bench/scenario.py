"""What a scenario is: contenders that are measured in turn, round after round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bench.surroundings import Surroundings

Figures: TypeAlias = dict[str, float]
"""Of one run of one contender, by name; names carry their unit."""
Contender: TypeAlias = Callable[[Surroundings], Figures]

RATE = "events_per_s"


class Skipped(Exception):
    """This contender cannot run here; says why."""


@dataclass(frozen=True)
class Scenario:
    """``figure`` is the one that is compared, with that of ``base`` in the same round."""

    name: str
    title: str
    contenders: Mapping[str, Contender]
    base: str
    figure: str = RATE
    most_rounds: int = 99
