"""A whole relay and receivers in trouble: nothing lost, nothing delivered twice, every story in order.

Where a relay can be shared, each trouble is a destination of its own beside the others.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.app import Relay
from relay.demo.faults import CHUNK, Fault
from relay.demo.serving import serve
from relay.model import EventId, OutcomeKind, Selection, Timeline
from relay.pipeline.suspicion import DEAD_AFTER
from tests.destinations.rudder import RudderLookalike
from tests.logbook import Logbook
from tests.long.ledger import check_ledger
from tests.posting import Fact, get, post, post_story, story, until, webhook, worked
from tests.receiving import Calls, Receiver, Rule, answering, names, refusing, take_all
from tests.running import WRITE_KEY, configuration, drained, running

pytestmark = pytest.mark.usefixtures("logbook")
ONE_LINE = {"JOURNAL__PARTITIONS": "1"}
SEVERAL = story(["a", "b", "c", "d", "e", "f"], 3)


@asynccontextmanager
async def relaying(folder: Path, receivers: Mapping[str, ASGIApp], **options: str) -> AsyncIterator[Relay]:
    """A relay with these receivers as destinations."""
    async with AsyncExitStack() as stack:
        hosts = {name: await stack.enter_async_context(serve(receiver)) for name, receiver in receivers.items()}
        yield await stack.enter_async_context(running(configuration(folder, hosts, **options)))


async def timeline(relay: Relay, event: EventId) -> Timeline:
    told = await relay.journal.timeline(event)
    assert told is not None
    return told


async def ends(relay: Relay) -> dict[str, int]:
    """How many events ended how."""
    found: dict[str, int] = {}
    for event in await relay.journal.find(Selection(), limit=10_000):
        for outcome in event.outcomes:
            found[outcome] = found.get(outcome, 0) + 1
    return found


def failing(relay: Relay, destination: str, failures: int = 1) -> bool:
    """Whether the destination failed at least so often in a row."""
    return relay.deliveries[destination].gate.state.failures >= failures


# --- no answer, and answers that waiting may mend --------------------------------------------


async def test_what_failed_is_sent_again_with_the_same_ids(tmp_path: Path) -> None:
    troubles = {
        "fails": (Fault(3, 500), "server_error"),
        "fails_after_taking": (Fault(3, 503, accept=True), "server_error"),
        "is_busy": (Fault(3, 429), "rate_limited"),
        "resets": (Fault(3, cut=True), "connection_failed"),
        "resets_after_taking": (Fault(3, cut=True, accept=True), "connection_failed"),
        "hangs_after_taking": (Fault(2, delay_s=60, accept=True), "timeout"),
    }
    receivers = {name: Receiver() for name in troubles}
    for name, (fault, _) in troubles.items():
        receivers[name].fault = fault
    async with relaying(tmp_path, receivers, DESTINATIONS__HANGS_AFTER_TAKING__TIMEOUT_S="0.5") as relay:
        events = await post_story(relay, SEVERAL)
        await drained(relay)
        stories = [await timeline(relay, event) for event in events]

    for name, (fault, code) in troubles.items():
        check_ledger(receivers[name], SEVERAL)
        assert (len(receivers[name].arrivals) > len(SEVERAL)) == fault.accept, name
        ended = [[o.kind for o in told.outcomes if o.destination == name] for told in stories]
        assert ended == [["delivered"]] * len(SEVERAL)
        tried = [[(a.verdict, a.code) for a in told.attempts if a.destination == name] for told in stories]
        assert {attempts[-1] for attempts in tried} == {("delivered", "accepted")}
        assert {attempt for attempts in tried for attempt in attempts[:-1]} == {("retry", code)}


class Busy(Receiver):
    """Refuses the first request when a second is there, and takes that when told that the gate is closed."""

    def __init__(self, *, as_date: bool) -> None:
        super().__init__(self._busy)
        self.gate_closed = asyncio.Event()
        self.allowed_s = 0.0
        self._as_date = as_date

    async def _busy(self, calls: Calls) -> Response | None:
        number = len(self.requests)
        if number == 1:
            await until(lambda: len(self.requests) == 2)
            moment = datetime.now(UTC) + timedelta(seconds=1)
            if self._as_date:
                moment = moment.replace(microsecond=0) + timedelta(seconds=1)
            self.allowed_s = moment.timestamp()
            asked = format_datetime(moment, usegmt=True) if self._as_date else "1"
            return Response(status_code=429, headers={"Retry-After": asked})
        if number == 2:
            await self.gate_closed.wait()
        return None


async def test_nobody_knocks_before_the_time_asked_for(tmp_path: Path) -> None:
    """Not even after the success of a request that was under way when the first one was refused."""
    receivers = {"seconds": Busy(as_date=False), "date": Busy(as_date=True)}
    # Two at once, so that nobody else is under way.
    options = {f"DESTINATIONS__{name.upper()}__CONCURRENCY": "2" for name in receivers}
    async with relaying(tmp_path, receivers, **options) as relay:
        await post_story(relay, SEVERAL)
        for name, receiver in receivers.items():
            await until(partial(failing, relay, name))
            receiver.gate_closed.set()
        await drained(relay)

    for receiver in receivers.values():
        check_ledger(receiver, SEVERAL)
        # The relay counts whole milliseconds.
        assert receiver.allowed_s - 0.002 <= receiver.times_s[2] < receiver.allowed_s + 1.5


class Talkative:
    """Answers its first request with 200 MB, as far as they are read."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requests = self.sent_bytes = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        self.requests += 1
        try:
            if self.requests == 1:
                writer.write(b"HTTP/1.1 %d Much\r\nConnection: close\r\n\r\n" % self.status)
                for _ in range(0, 200_000_000, len(CHUNK)):
                    writer.write(CHUNK)
                    await writer.drain()
                    self.sent_bytes += len(CHUNK)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        except ConnectionError:
            pass  # The relay has read enough.
        finally:
            writer.close()


async def test_an_answer_of_200_megabytes_is_not_read(tmp_path: Path) -> None:
    receivers = {"takes": Talkative(200), "fails": Talkative(500)}
    async with AsyncExitStack() as stack:
        hosts = {}
        for name, receiver in receivers.items():
            listener = await stack.enter_async_context(await asyncio.start_server(receiver.answer, "127.0.0.1", 0))
            hosts[name] = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        relay = await stack.enter_async_context(running(configuration(tmp_path, hosts, **ONE_LINE)))
        first, _ = await post_story(relay, [("a", 0), ("a", 1)])
        await drained(relay)
        assert await ends(relay) == {f"delivered@{name}": 2 for name in receivers}
        told = await timeline(relay, first)

    for name, receiver in receivers.items():
        # What is not read piles up in the sockets' buffers at most.
        assert 0 < receiver.sent_bytes < 20_000_000
        attempt = next(attempt for attempt in told.attempts if attempt.destination == name)
        assert attempt.status == receiver.status
        assert len(attempt.answer) <= 500


# --- refused calls and requests --------------------------------------------------------------


async def at_most_seven(calls: Calls) -> Response | None:
    return Response("too large", 413) if len(calls) > 7 else None


async def test_a_refused_batch_is_split_until_it_fits_or_the_bad_call_is_alone(tmp_path: Path) -> None:
    statuses = {"bad_request": 400, "too_large": 413, "unprocessable": 422}
    receivers = {name: Receiver(answering(429)) for name in [*statuses, "small"]}
    async with relaying(tmp_path, receivers, **ONE_LINE) as relay:
        facts = story([f"order-{number}" for number in range(50)], 2)
        facts[63] = ("bad", 0)
        events = await post_story(relay, facts)
        for name, status in statuses.items():
            receivers[name].rule = refusing("bad", status, "products: what is this?")
        receivers["small"].rule = at_most_seven
        for receiver in receivers.values():
            receiver.requests.clear()
        await drained(relay)

        told = await timeline(relay, events[63])
        for name, status in statuses.items():
            found = await relay.journal.find(
                Selection(outcome=OutcomeKind.DEAD, destination=name, code="call_refused"), limit=100
            )
            assert [event.id for event in found] == [events[63]]
            (outcome,) = [outcome for outcome in told.outcomes if outcome.destination == name]
            assert outcome.detail == f"{status} products: what is this?"
            check_ledger(receivers[name], facts[:63] + facts[64:])
            # Halving a hundred: the whole, seven smaller ones, and each smaller by half.
            refused = [len(calls) for calls in receivers[name].requests if names(calls, "bad")]
            assert len(refused) <= 8
            assert all(half <= (whole + 1) // 2 for whole, half in pairwise(refused))
    check_ledger(receivers["small"], facts)
    assert receivers["small"].orders == [order for order, _ in facts]


# --- one call that always fails, and others that do not --------------------------------------


async def post_others(relay: Relay, facts: list[Fact]) -> None:
    """Post two more orders at once, which mostly go to other lines."""
    more = [(f"order-{len(facts) + number}", 0) for number in range(2)]
    facts += more
    await asyncio.gather(*(post_story(relay, [fact]) for fact in more))


async def test_a_call_that_fails_again_and_again_while_others_go_through_is_dead(tmp_path: Path) -> None:
    receiver = Receiver(refusing("bad", 500, "panic: nil pointer"))
    async with relaying(tmp_path, {"segment": receiver}) as relay:
        facts: list[Fact] = []
        (bad,) = await post_story(relay, [("bad", 0)])
        async with asyncio.timeout(20):
            while "dead@segment" not in await ends(relay):
                await post_others(relay, facts)
        await drained(relay)

        assert await ends(relay) == {"delivered@segment": len(facts), "dead@segment": 1}
        told = await timeline(relay, bad)
        assert [(outcome.code, outcome.detail) for outcome in told.outcomes] == [
            ("call_failed_repeatedly", "500 panic: nil pointer")
        ]
        assert len(told.attempts) > 10
    check_ledger(receiver, facts)


class Silent(Receiver):
    """Gives no answer to a request that holds a call of the order `bad`: cuts the connection, or does nothing."""

    def __init__(self, *, cuts: bool) -> None:
        super().__init__()
        self._cuts = cuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def silence(calls: Calls) -> None:
            if names(calls, "bad"):
                if self._cuts:
                    Request(scope).state.cut_connection()
                await asyncio.Event().wait()

        self.rule = silence
        await super().__call__(scope, receive, send)


@pytest.mark.long
async def test_a_call_that_is_never_answered_while_others_are_is_dead(tmp_path: Path) -> None:
    receivers = {"cuts": Silent(cuts=True), "hangs": Silent(cuts=False)}
    async with relaying(tmp_path, receivers, DESTINATIONS__HANGS__TIMEOUT_S="0.2") as relay:
        facts: list[Fact] = []
        (bad,) = await post_story(relay, [("bad", 0)])
        async with asyncio.timeout(25):
            while len([end for end in await ends(relay) if end.startswith("dead@")]) < len(receivers):
                await post_others(relay, facts)
        await drained(relay)

        assert await ends(relay) == {
            end: number
            for name in receivers
            for end, number in ((f"delivered@{name}", len(facts)), (f"dead@{name}", 1))
        }
        told = await timeline(relay, bad)
        assert {outcome.code for outcome in told.outcomes} == {"call_failed_repeatedly"}
    for receiver in receivers.values():
        check_ledger(receiver, facts)


def refusals_beside_others(receiver: Receiver) -> int:
    """How often a request was refused after others had gone through."""
    refused = [names(calls, "unlucky") for calls in receiver.requests]
    return sum(now and not before for before, now in pairwise(refused))


async def more_requests(receiver: Receiver, number: int) -> None:
    before = len(receiver.requests)
    await until(lambda: len(receiver.requests) >= before + number)


async def test_no_call_is_to_blame_for_a_rate_limit_a_refused_key_or_an_outage(tmp_path: Path) -> None:
    receivers = {name: Receiver(refusing("unlucky", status)) for name, status in (("busy", 429), ("locked", 401))}
    one_by_one = {"MAX_BATCH_CALLS": "1", "REQUESTS_PER_SECOND": "1000"}
    options = {f"DESTINATIONS__{name.upper()}__{key}": one_by_one[key] for name in receivers for key in one_by_one}
    async with relaying(tmp_path, receivers, **options) as relay:
        facts: list[Fact] = [("unlucky", 0)]
        await post_story(relay, facts)
        for receiver in receivers.values():
            # More often than it takes to blame a call.
            async with asyncio.timeout(10):
                while refusals_beside_others(receiver) < DEAD_AFTER + 3:
                    await post_others(relay, facts)
        down = answering(503)
        for receiver in receivers.values():
            receiver.rule = down
        for receiver in receivers.values():
            await more_requests(receiver, 3)
            receiver.rule = take_all
        await drained(relay)

        assert await ends(relay) == {"delivered@busy": len(facts), "delivered@locked": len(facts)}
    for receiver in receivers.values():
        check_ledger(receiver, facts)


# --- misconfigured: the queue is kept --------------------------------------------------------


async def test_what_only_a_person_can_mend_keeps_the_queue_and_says_so(tmp_path: Path, logbook: Logbook) -> None:
    elsewhere = "https://elsewhere.example/?token=not-to-be-shown"
    rules: dict[str, tuple[Rule, str]] = {
        "moved": (answering(301, location=elsewhere), "redirected"),
        "locked": (answering(401), "key_refused"),
        "forbidden": (answering(403), "key_refused"),
        "lost": (answering(404), "path_unknown"),
        "simple": (answering(501), "not_supported"),
    }
    receivers: dict[str, Receiver] = {name: Receiver(rule) for name, (rule, _) in rules.items()}
    rudder = RudderLookalike(known_keys=set())
    codes = {name: code for name, (_, code) in rules.items()} | {"rudder": "key_refused"}
    async with relaying(tmp_path, {**receivers, "rudder": rudder}) as relay:
        await post_story(relay, SEVERAL)
        for name, code in codes.items():
            await until(partial(failing, relay, name, 6))
            assert logbook.having("waiting", level="error", destination=name, code=code)
            assert WRITE_KEY not in relay.deliveries[name].gate.state.why
        ready = await get(relay, "/readyz")
        lines = {name: ready.json()["lines"][f"deliver:{name}"] for name in codes}
        assert ready.status_code == 200
        assert {name: (line["state"], line["code"]) for name, line in lines.items()} == {
            name: ("waiting", code) for name, code in codes.items()
        }
        assert all(line["remedy"] for line in lines.values())
        assert not any(receiver.stored for receiver in receivers.values())

        for receiver in receivers.values():
            receiver.rule = take_all
        rudder.known_keys.add(WRITE_KEY)
        await drained(relay)
        assert await ends(relay) == {f"delivered@{name}": len(SEVERAL) for name in codes}

    for receiver in receivers.values():
        check_ledger(receiver, SEVERAL)
    assert len(rudder.stored) == len({call["messageId"] for call in rudder.stored}) == len(SEVERAL)
    assert "not-to-be-shown" not in logbook.stream.getvalue()


@pytest.mark.long
async def test_an_unknown_host_waits_and_the_next_start_tries_at_once(tmp_path: Path, logbook: Logbook) -> None:
    nowhere = configuration(tmp_path, {"segment": "http://nothing.invalid"})
    async with running(nowhere, first_wait_s=60) as relay:
        await post_story(relay, SEVERAL)
        await until(lambda: logbook.having("waiting", destination="segment", code="host_unknown"))
    receiver = Receiver()
    async with relaying(tmp_path, {"segment": receiver}) as relay:
        started_s = time.monotonic()
        await drained(relay)
        assert time.monotonic() - started_s < 10
    check_ledger(receiver, SEVERAL)


# --- one destination in trouble delays nobody ------------------------------------------------


async def test_destinations_that_hang_or_are_gone_delay_no_other_and_catch_up_in_order(tmp_path: Path) -> None:
    back = asyncio.Event()

    async def hang(calls: Calls) -> None:
        await back.wait()

    first, hanging, gone = Receiver(), Receiver(hang), Receiver()
    async with AsyncExitStack() as stack:
        async with serve(gone) as gone_host:
            pass
        hosts = {"first": await stack.enter_async_context(serve(first)), "gone": gone_host}
        hosts["hanging"] = await stack.enter_async_context(serve(hanging))
        relay = await stack.enter_async_context(running(configuration(tmp_path, hosts)))

        await post_story(relay, SEVERAL)
        # Time-outs are 15 s: who waited for a destination that hangs would wait longer than this.
        async with asyncio.timeout(5):
            await until(lambda: len(first.stored) == len(SEVERAL))
            await worked(relay, "deliver:first")
        await until(partial(failing, relay, "gone"))
        shown = (await get(relay, "/metrics")).text.splitlines()
        assert 'relay_backlog{stage="deliver:first"} 0.0' in shown
        for name in ("hanging", "gone"):
            assert f'relay_backlog{{stage="deliver:{name}"}} {float(len(SEVERAL))}' in shown
            age = f'relay_oldest_waiting_seconds{{stage="deliver:{name}"}} '
            (age_s,) = [float(line.removeprefix(age)) for line in shown if line.startswith(age)]
            assert 0 < age_s < 60
        ready = (await get(relay, "/readyz")).json()
        assert ready["ready"] is True
        assert ready["lines"]["deliver:first"] == {"state": "open"}
        assert ready["lines"]["deliver:gone"]["code"] == "connection_failed"

        back.set()
        await stack.enter_async_context(serve(gone, port=int(gone_host.rpartition(":")[2])))
        await drained(relay)
        assert await ends(relay) == {f"delivered@{name}": len(SEVERAL) for name in hosts}
    for receiver in (first, hanging, gone):
        check_ledger(receiver, SEVERAL)
    assert not set(first.ledger) & set(gone.ledger), "one id at two destinations"


# --- the same thing twice --------------------------------------------------------------------


async def test_the_same_thing_twice_is_delivered_once(tmp_path: Path) -> None:
    receiver = Receiver()
    async with relaying(tmp_path, {"segment": receiver}) as relay:
        paid = [webhook("order.paid", "a", envelope=f"envelope-{number}") for number in range(3)]
        of_one_fact = await post(relay, paid)
        body = webhook("order.paid", "b")
        equal = await asyncio.gather(*(post(relay, [body]) for _ in range(20)))
        await drained(relay)

        assert len(set(of_one_fact)) == 3
        told = [(await timeline(relay, event)).outcomes for event in of_one_fact]
        assert [[outcome.kind for outcome in outcomes] for outcomes in told] == [
            ["delivered"],
            ["duplicate"],
            ["duplicate"],
        ]
        assert {outcome.code for outcome in (*told[1], *told[2])} == {"already_delivered"}
        assert equal == [equal[0]] * 20
        shown = (await get(relay, "/metrics")).text.splitlines()
        assert 'relay_webhooks_total{result="accepted",source="elasticpath"} 4.0' in shown
        assert 'relay_webhooks_total{result="duplicate",source="elasticpath"} 19.0' in shown
    assert sorted(receiver.orders) == ["a", "b"]
    assert len(receiver.arrivals) == 2


# --- anything, at any time -------------------------------------------------------------------

TROUBLES = (
    *(Fault(1, status) for status in (408, 429, 500, 503)),
    *(Fault(1, 503, accept=accept) for accept in (False, True)),
    *(Fault(1, cut=True, accept=accept) for accept in (False, True)),
    *(Fault(1, delay_s=5, accept=accept) for accept in (False, True)),
    *(Fault(1, status) for status in (301, 401, 404)),
)


@pytest.mark.long
async def test_troubles_at_random(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    logging.getLogger("tests").info("seed %d", seed)
    chance = random.Random(seed)
    receivers = {name: Receiver() for name in ("first", "second", "third")}
    options = {f"DESTINATIONS__{name.upper()}__TIMEOUT_S": "0.5" for name in receivers}
    facts = story([f"order-{number}" for number in range(20)], 60)

    async def trouble() -> None:
        while True:
            receiver = chance.choice([*receivers.values()])
            receiver.fault = replace(chance.choice(TROUBLES), count=chance.randint(1, 4))
            await asyncio.sleep(chance.uniform(0, 0.2))

    async with relaying(tmp_path, receivers, **options) as relay:
        troubling = asyncio.create_task(trouble())
        for at in range(0, len(facts), 20):
            await asyncio.gather(*(post_story(relay, [fact]) for fact in facts[at : at + 20]))
        troubling.cancel()
        for receiver in receivers.values():
            receiver.fault = Fault(0)
        await drained(relay)
        assert await ends(relay) == {f"delivered@{name}": len(facts) for name in receivers}
    for receiver in receivers.values():
        check_ledger(receiver, facts)
