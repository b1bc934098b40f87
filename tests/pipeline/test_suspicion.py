"""When a call is to blame for its failures, and when the other side or the way to it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.destinations.contract import Answer, Decision
from relay.model import Call, CallId, EventId, VerdictKind
from relay.pipeline.suspicion import DEAD_AFTER, DEAD_AFTER_SILENCE, SUSPECT_AFTER, Doubt, Suspicion


def calls(*numbers: int) -> list[Call]:
    return [Call(CallId(number), EventId(1), "order_completed", "0f", "{}", "v", 0) for number in numbers]


def failing(rounds: list[tuple[int, int]]) -> Suspicion:
    """Of a call that failed before each round and at the end; a round is how many others passed and failed in it."""
    found, passed, failed = Suspicion(), 0, 0
    found.note(calls(1), passed=passed, failed=failed)
    for others_passed, others_failed in rounds:
        passed += others_passed
        failed += others_failed + 1
        found.note(calls(1), passed=passed, failed=failed)
    return found


@pytest.mark.parametrize(("answered", "needed"), [(True, DEAD_AFTER), (False, DEAD_AFTER_SILENCE)])
def test_a_call_that_fails_alone_while_others_pass_is_to_blame(answered: bool, needed: int) -> None:
    assert failing([(1, 0)] * needed).blames(answered=answered)
    assert not failing([(1, 0)] * (needed - 1)).blames(answered=answered)


@given(st.lists(st.integers(0, 50), max_size=100), st.booleans())
def test_when_nobody_gets_through_no_call_is_to_blame(failed: list[int], answered: bool) -> None:
    assert not failing([(0, number) for number in failed]).blames(answered=answered)


@given(st.lists(st.integers(1, 50), min_size=DEAD_AFTER_SILENCE, max_size=100))
def test_without_an_answer_no_call_is_to_blame_while_others_fail_as_well(rounds: list[int]) -> None:
    assert not failing([(number, number) for number in rounds]).blames(answered=False)


def test_a_success_clears_the_suspicion() -> None:
    found = failing([(1, 0)] * DEAD_AFTER_SILENCE)
    found.cleared()
    assert not found.blames(answered=True)
    assert found.most_calls(100) == 100


def test_a_call_is_blamed_for_its_own_failures_alone() -> None:
    suspicion = Suspicion()
    for passed in range(50):
        suspicion.note(calls(1, 2, 3), passed=passed, failed=passed)
    assert suspicion.beside_others == 0
    for passed in range(50, 50 + DEAD_AFTER):
        suspicion.note(calls(1), passed=passed, failed=passed)
    assert suspicion.beside_others == DEAD_AFTER - 1
    suspicion.note(calls(2), passed=100, failed=100)
    assert suspicion.beside_others == 0


def test_requests_get_smaller_down_to_one_call_and_whole_again_after_a_success() -> None:
    suspicion = Suspicion()
    sizes = []
    for _ in range(SUSPECT_AFTER + 8):
        sizes.append(suspicion.most_calls(100))
        suspicion.note(calls(1, 2), passed=0, failed=0)
    assert sizes == [100] * SUSPECT_AFTER + [50, 25, 12, 6, 3, 1, 1, 1]
    suspicion.cleared()
    assert suspicion.most_calls(100) == 100


class TestDoubt:
    """What an answer means for a call that an earlier attempt may have delivered unheard."""

    twice = Decision(VerdictKind.DELIVERED, "accepted_maybe_twice", "")
    fine = Decision(VerdictKind.DELIVERED, "accepted", "", if_doubtful=twice)
    retry = Decision(VerdictKind.RETRY, "server_error", "")

    @pytest.mark.parametrize(
        ("before", "code"),
        [
            (Answer(0, {}, b"", "timeout"), "accepted_maybe_twice"),
            (Answer(0, {}, b"", "connection_failed", reached=False), "accepted"),
            (Answer(500, {}, b""), "accepted_maybe_twice"),
            (Answer(503, {}, b""), "accepted"),
            (Answer(429, {}, b""), "accepted"),
        ],
    )
    def test_only_what_may_have_arrived_is_in_doubt(self, before: Answer, code: str) -> None:
        doubt = Doubt()
        assert doubt.settled(calls(1, 2), before, self.retry) is self.retry
        assert doubt.settled(calls(2), Answer(200, {}, b""), self.fine).code == code
        assert doubt.settled(calls(3), Answer(200, {}, b""), self.fine).code == "accepted"
        # The first is in doubt still, however often it is refused for other reasons meanwhile.
        assert doubt.settled(calls(1), Answer(429, {}, b""), self.retry) is self.retry
        assert doubt.settled(calls(1), Answer(200, {}, b""), self.fine).code == code
        assert doubt.calls == set()
