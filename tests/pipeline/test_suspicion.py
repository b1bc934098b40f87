"""When a call is to blame for its failures, and when the other side or the way to it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.suspicion import DEAD_AFTER, DEAD_AFTER_SILENCE, Suspicion
from tests.destinations.making import make_call

CALL = make_call()


def suspicion(rounds: list[tuple[int, int]]) -> Suspicion:
    """Of a call that failed before each round and at the end; a round is how many others passed and failed in it."""
    found, passed, failed = Suspicion(), 0, 0
    found.note([CALL], passed=passed, failed=failed)
    for others_passed, others_failed in rounds:
        passed += others_passed
        failed += others_failed + 1
        found.note([CALL], passed=passed, failed=failed)
    return found


@pytest.mark.parametrize(("answered", "needed"), [(True, DEAD_AFTER), (False, DEAD_AFTER_SILENCE)])
def test_a_call_that_fails_alone_while_others_pass_is_to_blame(answered: bool, needed: int) -> None:
    assert suspicion([(1, 0)] * needed).blames(answered=answered)
    assert not suspicion([(1, 0)] * (needed - 1)).blames(answered=answered)


@given(st.lists(st.integers(0, 50), max_size=100), st.booleans())
def test_when_nobody_gets_through_no_call_is_to_blame(failed: list[int], answered: bool) -> None:
    assert not suspicion([(0, number) for number in failed]).blames(answered=answered)


@given(st.lists(st.integers(1, 50), min_size=DEAD_AFTER_SILENCE, max_size=100))
def test_without_an_answer_no_call_is_to_blame_while_others_fail_as_well(rounds: list[int]) -> None:
    assert not suspicion([(number, number) for number in rounds]).blames(answered=False)


def test_a_success_clears_the_suspicion() -> None:
    found = suspicion([(1, 0)] * DEAD_AFTER_SILENCE)
    found.cleared()
    assert not found.blames(answered=True)
    assert found.most_calls(100) == 100
