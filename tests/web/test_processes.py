"""Webhooks taken in one process, rendered and delivered in another."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from relay.app import Relay
from relay.codes import RelayError
from relay.demo.serving import serve
from tests.logbook import Logbook
from tests.posting import plain_client, post, until, webhook
from tests.receiving import Receiver, answering, take_all
from tests.running import DEADLINE_S, configuration, drained, running

TWO = {"SERVER__PROCESSES": "2"}


def worker_pid(relay: Relay) -> int:
    assert relay.worker is not None
    assert relay.worker.pid is not None
    return relay.worker.pid


async def metrics(relay: Relay) -> str:
    async with plain_client(timeout=DEADLINE_S) as client:
        return (await client.get(f"{relay.url}/metrics")).text


async def test_what_one_takes_the_other_delivers_and_one_tells_of_both(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host}, **TWO)) as relay:
        await post(relay, [webhook("order.paid", "a"), webhook("order.shipped", "a")])
        await drained(relay)
        assert receiver.orders == ["a"]
        counted = 'relay_attempts_total{code="accepted",destination="segment",verdict="delivered"} 1.0'
        while counted not in await metrics(relay):  # observations come ten times a second
            await asyncio.sleep(0.02)
        told = await metrics(relay)
        assert 'relay_webhooks_total{result="accepted",source="elasticpath"} 2.0' in told
        assert "no_tracked_event" in told
        receiver.rule = answering(401)
        await post(relay, [webhook("order.paid", "b")])
        await until(lambda: relay.gates and any(gate.state.failures for gate in relay.gates))
        _, state = await relay.standing.readiness()
        assert state["lines"]["deliver:segment"]["code"] == "key_refused"
        pid = worker_pid(relay)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_that_is_killed_comes_back_and_intake_does_not_notice(tmp_path: Path, logbook: Logbook) -> None:
    receiver = Receiver(answering(503))
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host}, **TWO)) as relay:
        first = worker_pid(relay)
        os.kill(first, signal.SIGKILL)
        await post(relay, [webhook("order.paid", str(n)) for n in range(20)])
        receiver.rule = take_all
        await drained(relay)
        assert worker_pid(relay) != first
        assert logbook.having("worker_ended", returncode=-signal.SIGKILL)
    assert sorted(receiver.orders, key=int) == [str(n) for n in range(20)]


async def test_a_worker_that_cannot_start_is_an_error_of_the_relay(tmp_path: Path) -> None:
    environ = configuration(tmp_path, {"segment": "http://127.0.0.1:9"})
    async with running(environ):
        with pytest.raises(RelayError) as caught:
            async with running(environ | {"RELAY_SERVER__PROCESSES": "2"}):
                pass
    assert caught.value.code == "journal_in_use"
