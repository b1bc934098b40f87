"""Bodies are dropped before their events: what happened can be looked up, and what was said is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.app import Relay, now_ms
from relay.demo.serving import serve
from relay.model import EventId, OutcomeKind, Selection, deliver_stage, render_stage
from relay.pipeline.replay import originals, prospect, replay
from relay.pipeline.retention import DAY_MS, Keep, Retention
from tests.cli.running import runner
from tests.logbook import Logbook
from tests.posting import EMAIL, post, webhook
from tests.receiving import Receiver
from tests.running import configuration, drained, running


async def two_days_later(relay: Relay) -> None:
    stages = [render_stage("elasticpath"), *map(deliver_stage, relay.options.destinations)]
    keep = Keep(events_days=30, dead_days=30, quarantine_days=30, bodies_days=1)
    await Retention(relay.journal, keep, stages, relay.wakeups, lambda: now_ms() + 2 * DAY_MS).round()


async def test_found_shown_and_not_replayed(
    tmp_path: Path, logbook: Logbook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = runner(capsys)
    receiver = Receiver()
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, RETENTION__BODIES_DAYS="1")
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        async with running(environ) as relay:
            assert relay.options.retention.bodies_days == 1
            first, second = await post(relay, [webhook("order.paid", name) for name in ("a", "b")])
            await drained(relay)
            await two_days_later(relay)
            (young,) = await post(relay, [webhook("order.paid", "c")])
            await drained(relay)
            assert [line["bodies"] for line in logbook.having("dropped")] == [2]

            found = await asyncio.to_thread(command, "events", "a", "--json")
            assert [one["outcomes"] for one in found.json] == [["delivered@segment"]]
            shown = await asyncio.to_thread(command, "show", first)
            assert "dropped after retention.bodies_days" in " ".join(shown.out.split())
            assert "delivered" in shown.out
            plain = (await asyncio.to_thread(command, "show", first, "--json")).json
            assert EMAIL in plain.pop("keys")
            assert EMAIL not in str(plain)

            refused = await asyncio.to_thread(command, "replay", first, second, "--run", "--json")
            assert (refused.code, refused.error["code"]) == (1, "body_expired")
            some = await asyncio.to_thread(command, "replay", "--all", "--run", "--json")
            assert (some.json["body_expired"], some.json["appended"]) == (2, 1)
            told = await asyncio.to_thread(command, "replay", "--all")
            assert "2 events left out" in told.err
            assert "1 event would be replayed" in told.out
            await drained(relay)
            assert len(receiver.stored) == 3
            assert await ends(relay, young) == [(OutcomeKind.DELIVERED, "accepted")]


async def test_a_replay_that_has_its_body_yet_is_replayed(tmp_path: Path) -> None:
    environ = configuration(tmp_path, {"segment": "http://127.0.0.1:9"}, DESTINATIONS__SEGMENT__MODE="test")
    async with running(environ) as relay:
        first, second = await post(relay, [webhook("order.paid", name) for name in ("a", "b")])
        await drained(relay)
        in_two_days = now_ms() + 2 * DAY_MS
        assert [done async for done in replay(relay.journal, Selection(event_ids=[first]), in_two_days)] == [1]
        relay.wakeups.wake_all()
        await drained(relay)
        await two_days_later(relay)
        assert [bool(event.body) for event in await relay.journal.events([first, second])] == [False, False]

        chosen = await originals(relay.journal, Selection())
        assert await prospect(relay.journal, chosen) == (1, 1, 0)
        assert [done async for done in replay(relay.journal, Selection(), in_two_days)] == [1]
        relay.wakeups.wake_all()
        await drained(relay)
        (latest, *_) = await relay.journal.find(Selection(), limit=1)
        assert (latest.replay_of, latest.outcomes) == (first, ["skipped@segment"])


async def test_no_case_and_no_comparison_is_made_of_what_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = configuration(tmp_path, {"segment": "http://127.0.0.1:9"}, DESTINATIONS__SEGMENT__MODE="test")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "candidate").mkdir()
    async with running(environ) as relay:
        (gone,) = await post(relay, [webhook("order.paid", "a")])
        await drained(relay)
        await two_days_later(relay)
        await post(relay, [webhook("order.paid", "b")])
        await drained(relay)
        refused = await asyncio.to_thread(runner(capsys), "test", "--new", gone, "--json")
        assert refused.error["code"] == "body_expired"
        compared = await asyncio.to_thread(runner(capsys), "diff", "candidate", "--json")
        assert compared.json["events"] == 1, compared


async def test_a_destination_that_is_new_is_told_why_it_gets_nothing(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {})) as relay:
        (event,) = await post(relay, [webhook("order.paid", "a")])
        await drained(relay)
        await two_days_later(relay)
    receiver = Receiver()
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, DESTINATIONS__SEGMENT__START="beginning")
        async with running(environ) as relay:
            await drained(relay)
            assert await ends(relay, event) == [(OutcomeKind.SKIPPED, "body_expired")]


async def test_forgetting_knows_whom_it_was_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = configuration(tmp_path, {"segment": "http://127.0.0.1:9"}, DESTINATIONS__SEGMENT__MODE="test")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with running(environ) as relay:
        other = {"email": "other@example.com", "name": "Other"}
        bodies = [webhook("order.paid", "a"), webhook("order.paid", "b", relationships={}, customer=other)]
        hers, others = await post(relay, bodies)
        await drained(relay)
        await two_days_later(relay)
        assert not any(event.body for event in await relay.journal.events([hers, others]))

        arguments = ("forget", "--source", "elasticpath", "--email", EMAIL, "--run", "--json")
        done = await asyncio.to_thread(runner(capsys), *arguments)
        assert done.json["events"] == 1
        assert await relay.journal.count(Selection(key=EMAIL)) == 0
        assert await relay.journal.count(Selection(key="other@example.com")) == 1


async def ends(relay: Relay, event_id: EventId) -> list[tuple[OutcomeKind, str]]:
    timeline = await relay.journal.timeline(event_id)
    assert timeline is not None
    return [(outcome.kind, outcome.code) for outcome in timeline.outcomes]
