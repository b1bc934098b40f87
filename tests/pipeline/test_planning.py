"""What goes into the next request: properties that hold for any calls behind a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from relay.destinations.contract import Answer, Decision, Limits, Mapped, Record, Request, Unfit
from relay.model import Call, CallId, EventId, JsonObject, OutcomeKind, VerdictKind
from relay.pipeline.mapping import Ended, MappedCall
from relay.pipeline.planning import plan


class Parcel:
    """A destination whose records are the calls' texts; a call that starts with `!` is unfit."""

    kind = "parcel"
    mapped: Mapped = "never"

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        if call.text.startswith("!"):
            return Unfit("guard_size", "too large")
        return made(call.text)

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        raise AssertionError("planning makes no requests")

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        return Decision(VerdictKind.DELIVERED, "accepted", "")

    def probe(self) -> Request:
        raise AssertionError("planning probes nothing")

    def read_probe(self, answer: Answer) -> Decision:
        raise AssertionError("planning probes nothing")


def made(text: str) -> Sequence[Record]:
    """Parts of a text between slashes; a letter in front of a colon is the part's group."""
    parts = [part.rpartition(":") for part in text.split("/")]
    return [Record(part.encode(), group) for group, _, part in parts]


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    part = st.builds(lambda group, size: f"{group}:{'x' * size}", st.sampled_from("abbbb"), st.integers(1, 30))
    texts = st.one_of(st.lists(part, min_size=1, max_size=4).map("/".join), st.just("!"), st.just(""))
    drawn = draw(st.lists(st.tuples(st.integers(0, 8), texts), min_size=1, max_size=30))
    return [
        Call(CallId(10 + index), EventId(1), "order_paid", f"fact-{fact}", text, "v", 0)
        for index, (fact, text) in enumerate(drawn)
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
    planned = plan("parcel", Parcel(bounds), behind, delivered, {}, at_ms=0, most=most)

    assert [item.call for item in planned.items] == behind[: len(planned.items)]
    assert planned.items, "a cursor that has calls behind it always moves or sends"
    sent = [call.message_id for call in planned.sent]
    assert len(set(sent)) == len(sent)
    assert not set(sent) & delivered
    assert len(sent) <= most
    assert len(planned.requests) <= 1 or len(sent) == 1, "only a single call takes several requests"
    assert [record for request in planned.requests for record in request] == [
        record for call in planned.sent for record in made(call.text)
    ]
    for request in planned.requests:
        assert 1 <= len(request) <= bounds.max_records
        assert bounds.envelope_bytes + sum(len(record.body) + 1 for record in request) - 1 <= bounds.max_request_bytes
        assert len({record.group for record in request}) == 1
    outcomes = planned.outcomes("parcel", OutcomeKind.DELIVERED, "accepted", "", 0)
    assert [outcome.call_id for outcome in outcomes] == [item.call.id for item in planned.items]


@given(st.lists(st.one_of(st.integers(1, 30).map("x".__mul__), st.just("!")), max_size=30))
def test_halves_are_the_whole_in_order(others: list[str]) -> None:
    bounds = Limits(max_records=99, max_request_bytes=10_000, max_record_bytes=30, envelope_bytes=5)
    texts = ["xx", *others, "x"]
    behind = [Call(CallId(n), EventId(1), "order_paid", f"fact-{n}", text, "v", 0) for n, text in enumerate(texts)]
    planned = plan("parcel", Parcel(bounds), behind, set(), {}, at_ms=0, most=99)

    first, second = planned.halves()

    assert [*first.items, *second.items] == list(planned.items)
    assert [*first.requests[0], *second.requests[0]] == list(planned.requests[0])
    assert abs(len(first.sent) - len(second.sent)) <= 1


def test_a_repeated_fact_waits_for_the_end_of_the_first() -> None:
    bounds = Limits(max_records=10, max_request_bytes=1000, max_record_bytes=30, envelope_bytes=5)
    behind = [Call(CallId(n), EventId(n), "order_paid", fact, "x", "v", 0) for n, fact in enumerate("aba", start=1)]

    planned = plan("parcel", Parcel(bounds), behind, set(), {}, at_ms=0, most=99)

    assert [call.message_id for call in planned.sent] == ["a", "b"]
    again = plan("parcel", Parcel(bounds), behind[2:], {"a", "b"}, {}, at_ms=0, most=99)
    assert [item.outcome.kind for item in again.items if item.outcome] == [OutcomeKind.DUPLICATE]


def test_what_a_mapping_made_is_what_is_sent_or_how_the_call_ends() -> None:
    bounds = Limits(max_records=10, max_request_bytes=1000, max_record_bytes=30, envelope_bytes=5)
    behind = [Call(CallId(n), EventId(n), "order_paid", f"f{n}", "x", "v", 0) for n in (1, 2)]
    mapped = {CallId(1): MappedCall(ended=Ended(OutcomeKind.SKIPPED, "no_mapping", "parcel/order_paid"))}

    planned = plan("parcel", Parcel(bounds), behind, set(), mapped, at_ms=7, most=99)

    assert planned.sent == [behind[1]]
    (outcome, _) = planned.outcomes("parcel", OutcomeKind.DELIVERED, "accepted", "", 9)
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.SKIPPED, "no_mapping", "parcel/order_paid")
