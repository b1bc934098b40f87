"""The destination and the door against look-alikes, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate

import pytest
import pytest_asyncio

from relay.demo.faults import Fault
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.destinations.contract import Decision, Record
from relay.destinations.segment import Segment
from relay.http import HttpDoor
from relay.model import Call, JsonObject
from relay.settings.options import OutgoingOptions
from tests.destinations.making import KEY, NOW_MS, make_call, make_segment, order_completed, record_of
from tests.destinations.rudder import RudderLookalike

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_S = 10.0
SOON_S = 0.3


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door() -> AsyncIterator[HttpDoor]:
    async with HttpDoor(OutgoingOptions(allow_private=True)) as door:
        yield door


@pytest.fixture
def lookalike() -> SegmentLookalike:
    return SegmentLookalike({KEY}, now_ms=lambda: NOW_MS + 80)


@pytest_asyncio.fixture(loop_scope="module")
async def segment(lookalike: SegmentLookalike) -> AsyncIterator[Segment]:
    async with serve(lookalike) as url:
        yield make_segment(host=url)


async def deliver(
    segment: Segment, door: HttpDoor, calls: Sequence[Call], *, timeout_s: float = LONG_S, failures: int = 0
) -> Decision:
    records = [record_of(segment, call) for call in calls]
    fit = [record for record in records if isinstance(record, Record)]
    request = segment.request(fit, now_ms=NOW_MS, failures=failures)
    answer = await door.send(request, timeout_s=timeout_s)
    return segment.decide(answer, records=len(fit), now_ms=NOW_MS)


def calls(count: int = 3) -> list[Call]:
    return [make_call(order_completed(f"ORD-{index}"), message_id=f"{index:032x}") for index in range(count)]


def order_ids(stored: Sequence[JsonObject]) -> list[str]:
    return [call["properties"]["order_id"] for call in stored]


@pytest.mark.parametrize("compress", [True, False])
async def test_calls_arrive_once_in_order_at_their_own_time(
    lookalike: SegmentLookalike, door: HttpDoor, compress: bool
) -> None:
    async with serve(lookalike) as url:
        segment = make_segment(host=url, gzip=compress)
        decision = await deliver(segment, door, calls())

    assert (decision.verdict, decision.code, decision.detail) == ("delivered", "accepted", '200 {"success":true}')
    assert order_ids(lookalike.stored) == ["ORD-0", "ORD-1", "ORD-2"]
    assert lookalike.dropped == []
    # The time of the order and the 80 ms on the way; not the time of the attempt.
    assert lookalike.stored[0]["timestamp"] == "2026-03-14T09:26:53.080Z"
    assert lookalike.last_headers.get("content-encoding") == ("gzip" if compress else None)


async def test_the_largest_batch_is_taken(lookalike: SegmentLookalike, door: HttpDoor) -> None:
    async with serve(lookalike) as url:
        segment = make_segment(host=url, max_batch_calls=2_500)
        large = order_completed("x" * 31_700)
        records = [record_of(segment, make_call(large, message_id=f"{index:032x}")) for index in range(14)]
        fit = [record for record in records if isinstance(record, Record)]
        assert len(fit) == 14
        answer = await door.send(segment.request(fit, now_ms=NOW_MS, failures=0), timeout_s=LONG_S)

    assert answer.status == 200
    assert len(lookalike.stored) == 14


@pytest.mark.parametrize(
    ("fault", "verdict", "code", "wait_s"),
    [
        (Fault(1, 429, {"Retry-After": "7", "X-RateLimit-Reset": "9"}), "retry", "rate_limited", 7),
        (Fault(1, 429, {"Retry-After": formatdate(NOW_MS / 1000 + 30, usegmt=True)}), "retry", "rate_limited", 29.88),
        (Fault(1, 429, {"X-RateLimit-Reset": "9"}), "retry", "rate_limited", 9),
        (Fault(1, 429), "retry", "rate_limited", None),
        (Fault(1, 500), "retry", "server_error", None),
        (Fault(1, 503, {"Retry-After": "4"}), "retry", "server_error", 4),
        (Fault(1, 400, body="Bad Request"), "split", "batch_refused", None),
        (Fault(1, 413), "split", "batch_refused", None),
        (Fault(1, 401), "misconfigured", "key_refused", None),
        (Fault(1, 404), "misconfigured", "path_unknown", None),
        (Fault(1, 301, {"Location": "https://app.example.com/x"}), "misconfigured", "redirected", None),
        (Fault(1, cut=True), "retry", "connection_failed", None),
    ],
)
async def test_what_each_failure_means(
    lookalike: SegmentLookalike,
    segment: Segment,
    door: HttpDoor,
    fault: Fault,
    verdict: str,
    code: str,
    wait_s: float | None,
) -> None:
    lookalike.fault = fault
    decision = await deliver(segment, door, calls())

    assert (decision.verdict, decision.code) == (verdict, code)
    assert decision.wait_s == pytest.approx(wait_s)
    assert lookalike.stored == []
    assert (await deliver(segment, door, calls(), failures=1)).code == "accepted"
    assert lookalike.last_headers["x-retry-count"] == "1"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(1, accept=True, cut=True), "connection_failed"),
        (Fault(1, accept=True, delay_s=60), "timeout"),
        (Fault(1, accept=True, status=500), "server_error"),
    ],
    ids=["cut", "late", "500"],
)
async def test_what_was_taken_before_the_failure_is_not_taken_twice(
    lookalike: SegmentLookalike, segment: Segment, door: HttpDoor, fault: Fault, code: str
) -> None:
    lookalike.fault = fault

    failed = await deliver(segment, door, calls(), timeout_s=SOON_S)
    again = await deliver(segment, door, calls(), failures=1)

    assert (failed.verdict, failed.code, again.code) == ("retry", code, "accepted")
    assert order_ids(lookalike.stored) == ["ORD-0", "ORD-1", "ORD-2"]
    assert [dropped["reason"] for dropped in lookalike.dropped] == ["duplicate"] * 3
    assert {len(contents) for contents in lookalike.ledger.values()} == {2}
    assert {len(set(contents)) for contents in lookalike.ledger.values()} == {1}


async def test_a_huge_answer_is_cut(lookalike: SegmentLookalike, segment: Segment, door: HttpDoor) -> None:
    lookalike.fault = Fault(1, 200, body_bytes=200_000_000, accept=True)

    assert (await deliver(segment, door, calls())).detail == "200 " + "x" * 500


async def test_an_answer_that_repeats_the_key_is_shown_without(
    lookalike: SegmentLookalike, segment: Segment, door: HttpDoor
) -> None:
    lookalike.fault = Fault(1, 400, body=f"bad key {KEY}\n")

    assert (await deliver(segment, door, calls())).detail == "400 bad key ***"


async def test_two_destinations_of_one_segment_both_get_the_fact(door: HttpDoor) -> None:
    lookalike = SegmentLookalike({"WK_LIVE", "WK_STAGING"})
    async with serve(lookalike) as url:
        for name, key in (("live", "WK_LIVE"), ("staging", "WK_STAGING")):
            await deliver(make_segment(name=name, host=url, write_key=key), door, calls(1))

    assert order_ids(lookalike.stored) == ["ORD-0", "ORD-0"]
    assert lookalike.dropped == []


async def test_a_host_that_is_not_there(door: HttpDoor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = await deliver(make_segment(host=f"http://127.0.0.1:{taken.getsockname()[1]}"), door, calls())
    unknown = await deliver(make_segment(host="https://api.segment.invalid"), door, calls())
    async with HttpDoor(OutgoingOptions()) as guarded:
        private = await deliver(make_segment(host="http://169.254.169.254"), guarded, calls())

    assert (refused.verdict, refused.code) == ("retry", "connection_failed")
    assert (unknown.verdict, unknown.code) == ("retry", "host_unknown")
    assert (private.verdict, private.code) == ("misconfigured", "address_refused")


class TestRudderStack:
    @pytest.mark.parametrize("compress", [True, False])
    async def test_takes_the_same_request(self, door: HttpDoor, compress: bool) -> None:
        rudder = RudderLookalike({KEY})
        async with serve(rudder) as url:
            decision = await deliver(make_segment(host=url, gzip=compress), door, calls())

        assert (decision.verdict, decision.detail) == ("delivered", "200 OK")
        assert order_ids(rudder.stored) == ["ORD-0", "ORD-1", "ORD-2"]

    async def test_the_culprit_is_found_by_splitting(self, door: HttpDoor) -> None:
        rudder = RudderLookalike({KEY})
        bad = make_call({"type": "track", "event": "Order Completed"}, message_id="b" * 32)
        async with serve(rudder) as url:
            segment = make_segment(host=url)
            together = await deliver(segment, door, [*calls(2), bad])
            good = await deliver(segment, door, calls(2))
            alone = await deliver(segment, door, [bad])

        assert (together.verdict, together.code) == ("split", "batch_refused")
        assert good.verdict == "delivered"
        assert (alone.verdict, alone.code) == ("reject", "call_refused")
        assert alone.detail == "400 request neither has anonymousId nor userId"

    async def test_keys(self, door: HttpDoor) -> None:
        async with serve(RudderLookalike({KEY}, disabled_keys=frozenset({"WK_OFF"}))) as url:
            wrong = await deliver(make_segment(host=url, write_key="WK_WRONG"), door, calls())
            off = await deliver(make_segment(host=url, write_key="WK_OFF"), door, calls())

        assert (wrong.verdict, wrong.code, wrong.detail) == ("misconfigured", "key_refused", "401 invalid write key")
        assert (off.verdict, off.code, off.detail) == ("misconfigured", "path_unknown", "404 source is disabled")

    @pytest.mark.parametrize(
        ("trouble", "verdict", "code"),
        [
            ((413, "request size exceeds max limit"), "split", "batch_refused"),
            ((429, "max requests limit reached"), "retry", "rate_limited"),
            ((500, "failed to read body from request"), "retry", "server_error"),
            ((503, "service unavailable"), "retry", "server_error"),
            ((504, "gateway timeout"), "retry", "server_error"),
        ],
    )
    async def test_trouble(self, door: HttpDoor, trouble: tuple[int, str], verdict: str, code: str) -> None:
        rudder = RudderLookalike({KEY})
        rudder.trouble = trouble
        async with serve(rudder) as url:
            decision = await deliver(make_segment(host=url), door, calls())

        assert (decision.verdict, decision.code, decision.wait_s) == (verdict, code, None)
