"""What goes into the next request: properties that hold for any calls behind a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from relay.destinations.contract import Answer, Decision, Limits, Record, Request, Unfit
from relay.model import Call, CallId, EventId, OutcomeKind, VerdictKind
from relay.pipeline.planning import plan


class Parcel:
    """A destination whose records are the calls' texts; a call that starts with `!` is unfit."""

    kind = "parcel"

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def record(self, call: Call) -> Record | Unfit:
        if call.text.startswith("!"):
            return Unfit("guard_size", "too large")
        return Record(call.text.encode())

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        raise AssertionError("planning makes no requests")

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        return Decision(VerdictKind.DELIVERED, "accepted", "")

    def probe(self) -> Request:
        raise AssertionError("planning probes nothing")

    def read_probe(self, answer: Answer) -> Decision:
        raise AssertionError("planning probes nothing")


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    drawn = draw(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 30), st.booleans()), min_size=1, max_size=30))
    return [
        Call(CallId(10 + index), EventId(1), "order_paid", f"fact-{fact}", "!" if unfit else "x" * size, "v", 0)
        for index, (fact, size, unfit) in enumerate(drawn)
    ]


limits = st.builds(
    Limits,
    max_records=st.integers(1, 10),
    max_request_bytes=st.integers(40, 200),
    max_record_bytes=st.just(30),
    envelope_bytes=st.just(5),
)


@given(calls(), limits, st.sets(st.integers(0, 8).map("fact-{}".format)), st.integers(1, 12))
def test_a_plan_covers_a_prefix_and_fits(behind: list[Call], bounds: Limits, delivered: set[str], most: int) -> None:
    planned = plan("parcel", Parcel(bounds), behind, delivered, at_ms=0, most=most)

    assert [item.call for item in planned.items] == behind[: len(planned.items)]
    assert planned.items, "a cursor that has calls behind it always moves or sends"
    sent = [call.message_id for call in planned.sent]
    assert len(set(sent)) == len(sent)
    assert not set(sent) & delivered
    assert len(sent) <= min(most, bounds.max_records)
    weight = bounds.envelope_bytes + sum(len(record.body) + 1 for record in planned.records) - bool(sent)
    assert not sent or weight <= bounds.max_request_bytes
    outcomes = planned.outcomes("parcel", OutcomeKind.DELIVERED, "accepted", "", 0)
    assert [outcome.call_id for outcome in outcomes] == [item.call.id for item in planned.items]


@given(calls(), limits)
def test_halves_are_the_whole_in_order(behind: list[Call], bounds: Limits) -> None:
    planned = plan("parcel", Parcel(bounds), behind, set(), at_ms=0, most=99)
    assume(len(planned.records) >= 2)

    first, second = planned.halves()

    assert [*first.items, *second.items] == list(planned.items)
    assert first.records
    assert second.records
    assert abs(len(first.records) - len(second.records)) <= 1


def test_a_repeated_fact_waits_for_the_end_of_the_first() -> None:
    bounds = Limits(max_records=10, max_request_bytes=1000, max_record_bytes=30, envelope_bytes=5)
    behind = [Call(CallId(n), EventId(n), "order_paid", fact, "x", "v", 0) for n, fact in enumerate("aba", start=1)]

    planned = plan("parcel", Parcel(bounds), behind, set(), at_ms=0, most=99)

    assert [call.message_id for call in planned.sent] == ["a", "b"]
    again = plan("parcel", Parcel(bounds), behind[2:], {"a", "b"}, at_ms=0, most=99)
    assert [item.outcome.kind for item in again.items if item.outcome] == [OutcomeKind.DUPLICATE]
