"""`relay destinations`, beside a relay that runs."""

from __future__ import annotations

import asyncio

from relay.demo.serving import serve
from tests.cli.running import Configured, Relay
from tests.posting import post, until, webhook
from tests.receiving import Receiver, answering, take_all
from tests.running import drained, running


async def test_a_pause_keeps_what_waits_over_a_restart_and_resume_sends_it(
    relay: Relay, configured: Configured
) -> None:
    receiver = Receiver()
    async with serve(receiver) as host:
        environ = configured(host)
        async with running(environ) as first:
            paused = await asyncio.to_thread(relay, "destinations", "pause", "segment")
            assert "segment is paused" in paused.out
            gate = first.deliveries["segment"].gate
            await until(lambda: gate.paused)
            await post(first, [webhook("order.paid", "1")])
            _, state = await first.standing.readiness()
            assert state["lines"]["deliver:segment"]["state"] == "paused"
        async with running(environ) as second:
            (shown,) = (await asyncio.to_thread(relay, "destinations", "--json")).json
            assert (shown["state"], shown["waiting"], shown["code"]) == ("paused", 1, "paused")
            assert receiver.requests == []
            await asyncio.to_thread(relay, "destinations", "resume", "segment")
            await drained(second)
        assert receiver.orders == ["1"]
        (shown,) = (await asyncio.to_thread(relay, "destinations", "--json")).json
        assert (shown["state"], shown["waiting"], shown["latest_attempt"]["code"]) == ("open", 0, "accepted")


async def test_resume_ends_the_rest_after_a_bad_key_at_once(relay: Relay, configured: Configured) -> None:
    receiver = Receiver(answering(401))
    async with serve(receiver) as host:
        environ = configured(host)
        async with running(environ, first_wait_s=200) as served:
            await post(served, [webhook("order.paid", "1")])
            gate = served.deliveries["segment"].gate
            await until(lambda: gate.state.failures > 0)
            told = await asyncio.to_thread(relay, "destinations")
            assert "waiting" in told.out
            assert "Mend the key in the configuration" in told.out
            receiver.rule = take_all
            await asyncio.to_thread(relay, "destinations", "resume", "segment")
            await drained(served)
        assert receiver.orders == ["1"]


async def test_the_connection_is_tried_and_a_marked_record_sent_on_request(
    relay: Relay, configured: Configured
) -> None:
    receiver = Receiver()
    async with serve(receiver) as host:
        configured(host)
        (sent,) = (await asyncio.to_thread(relay, "destinations", "test", "segment", "--send", "--json")).json
        assert sent["verdict"] == "delivered"
    (call,) = receiver.stored
    assert call["userId"] == "relay-test"
    assert call["context"]["relay"] == {"test": True}


def test_what_cannot_be_done_is_said(relay: Relay, configured: Configured) -> None:
    configured("http://127.0.0.1:9")
    for arguments, told in (
        (("stop", "segment"), "'stop' is not one of pause, resume, test"),
        (("pause", "segmnt"), "No destination 'segmnt' is configured."),
        (("pause",), "No destination '' is configured."),
        (("pause", "segment", "--send"), "--send belongs to"),
    ):
        ran = relay("destinations", *arguments)
        assert ran.code == 2
        assert told in ran.err
    assert "There is no journal" in relay("destinations").err
