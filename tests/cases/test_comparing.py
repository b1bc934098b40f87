"""Differences of two JSON values: none exactly when they are equal, each at its path."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cases.comparing import Difference, differences
from tests.cases.test_members import VALUES


def told(expected: Any, actual: Any) -> list[str]:
    return [str(difference) for difference in differences(expected, actual, "calls")]


@pytest.mark.parametrize(
    ("expected", "actual", "lines"),
    [
        ([{"total": 103.2}], [{"total": 100}], ["calls[0].total: 103.2 → 100"]),
        ([{"total": 60}], [{"total": 60.0}], []),
        ([True], [1], ["calls[0]: true → 1"]),
        ([None], [], ["calls[0]: null → nothing"]),
        ({"a": {"b": 1}}, {"a": {"c": "x"}}, ["calls.a.b: 1 → nothing", 'calls.a.c: nothing → "x"']),
        ({"a b": 1}, {"a b": 2}, ['calls["a b"]: 1 → 2']),
        ({"a": []}, {"a": {}}, ["calls.a: [] → {}"]),
        ([{"n": 1}, {"n": 2}], [{"n": 0}, {"n": 1}, {"n": 2}], ['calls[0]: nothing → {"n":0}']),
        ([{"n": 1}, {"n": 2.0}, {"n": 3}], [{"n": 1.0}, {"n": 3}], ['calls[1]: {"n":2.0} → nothing']),
        ([1, 2, 3], [1, 9, 3], ["calls[1]: 2 → 9"]),
    ],
)
def test_a_difference_is_told_at_its_path(expected: Any, actual: Any, lines: list[str]) -> None:
    assert told(expected, actual) == lines


def test_a_long_value_is_cut_on_the_screen_and_whole_as_json() -> None:
    (difference,) = differences("x", "y" * 1_000, "a")
    assert len(str(difference)) < 350
    assert difference.as_json() == {"path": "a", "expected": "x", "actual": "y" * 1_000}
    (missing,) = differences({"a": None}, {})
    assert missing.as_json() == {"path": "a", "expected": None}


@given(VALUES)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert told(value, copy.deepcopy(value)) == []
    assert told(value, json.loads(json.dumps(value))) == []


@given(VALUES, VALUES)
def test_equal_is_what_has_no_differences(one: Any, other: Any) -> None:
    assert (told(one, other) == []) == (canonical(one) == canonical(other))


@given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5))
def test_every_difference_has_two_sides_that_differ(one: list[Any], other: list[Any]) -> None:
    found = list(differences(one, other, "calls"))
    assert all(isinstance(difference, Difference) for difference in found)
    for difference in found:
        side = difference.as_json()
        assert {"expected", "actual"} & side.keys()
        assert ("expected" not in side or "actual" not in side) or canonical(side["expected"]) != canonical(
            side["actual"]
        )


def canonical(value: Any) -> str:
    def plain(inner: Any) -> Any:
        if isinstance(inner, float) and inner.is_integer():
            return int(inner)
        if isinstance(inner, list):
            return [plain(item) for item in inner]
        return {name: plain(item) for name, item in inner.items()} if isinstance(inner, dict) else inner

    return json.dumps(plain(value), sort_keys=True)
