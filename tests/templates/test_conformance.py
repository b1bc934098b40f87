"""The language's own test cases through our interface, on both engines, compared strictly.

What departs is listed in `deviations.toml` with its reason. The lists may only shrink.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.templates.contract import Engine, EngineLimits
from relay.templates.engine import FastEngine
from relay.templates.reference import ReferenceEngine
from tests.templates.language_cases import SUITE, cases_of, outcome

GROUPS = sorted(path.name for path in SUITE.glob("groups/*"))

MOST_DEVIATIONS = {"rendering": 24, "reference": 48}
"""As many as are listed. Lower it with the list; there is no reason to raise it."""

DEVIATIONS = {
    engine: [name for each in listed for name in each["cases"]]
    for engine, listed in tomllib.loads(Path(__file__).with_name("deviations.toml").read_text()).items()
}


def slow_engine(limits: EngineLimits) -> Engine:
    """It has more time where the case names none."""
    given = limits.timeout_ms != EngineLimits().timeout_ms or limits.max_depth != EngineLimits().max_depth
    return ReferenceEngine(limits if given else replace(limits, timeout_ms=60_000))


def check(engine: str, made_with: Callable[[EngineLimits], Engine], group: str) -> None:
    outcomes = {case.name: (case.expected, outcome(case, made_with)) for case in cases_of(SUITE / "groups" / group)}
    departing = {name for name, (expected, found) in outcomes.items() if expected != found}
    listed = set(DEVIATIONS[engine]) & outcomes.keys()
    assert {name: outcomes[name] for name in sorted(departing - listed)} == {}
    assert sorted(listed - departing) == [], "listed in deviations.toml, and pass: take them off the list"


@pytest.mark.parametrize("group", GROUPS)
def test_the_engine_that_renders_speaks_the_language(group: str) -> None:
    check("rendering", FastEngine, group)


@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=[pytest.mark.long] if group == "performance" else []) for group in GROUPS]
)
def test_the_reference_engine_speaks_the_language(group: str) -> None:
    check("reference", slow_engine, group)


def test_the_lists_of_deviations_only_shrink() -> None:
    assert {engine: len(names) for engine, names in DEVIATIONS.items()} == MOST_DEVIATIONS
    assert all(len(set(names)) == len(names) for names in DEVIATIONS.values())


def test_the_cases_are_at_hand_and_hold_every_one_listed() -> None:
    if not GROUPS:
        pytest.skip(
            f"NOT TESTED against the language's own cases: {SUITE} is not there; set RELAY_SHARED to its folder"
        )
    names = {case.name for group in GROUPS for case in cases_of(SUITE / "groups" / group)}
    assert len(names) > 1_000
    assert [name for listed in DEVIATIONS.values() for name in listed if name not in names] == []
