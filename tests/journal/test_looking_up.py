from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.journal.protocol import Journal
from relay.model import Backlog, EventId, Lane, OutcomeKind, Selection, Stage
from tests.journal.conftest import OpenJournal
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, attempt, call, ended, event


@pytest.fixture
async def shop(line: Line) -> dict[str, EventId]:
    """Five events with different ends."""
    names = ("paid", "refused", "ignored", "waiting", "elsewhere")
    paid, refused, ignored, waiting, elsewhere = await line.append(
        event("paid", received_at_ms=NOW_MS + 1),
        event("refused", received_at_ms=NOW_MS + 2, entity="order:R"),
        event("ignored", received_at_ms=NOW_MS + 3, topic="order.viewed"),
        event("waiting", received_at_ms=NOW_MS + 4),
        event("elsewhere", received_at_ms=NOW_MS + 5, source="other"),
    )
    await line.open()
    batch = await line.journal.read_events(RENDER, 3)
    await line.journal.settle_events(
        RENDER,
        position=0,
        moved_to=ignored,
        calls=[call(paid, "m1"), call(refused, "m2", tracked_event="order_refunded"), call(refused, "m3")],
        outcomes=[ended(batch.events[2], OutcomeKind.IGNORED, code="no_tracked_event")],
        keys=[(paid, "Buyer@Shop.example"), (refused, "buyer@shop.example"), (refused, "1001"), (ignored, "1002")],
    )
    one, two, three = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.journal.settle_calls(
        DELIVER,
        position=0,
        moved_to=three.id,
        outcomes=[ended(one), ended(two, OutcomeKind.DEAD, code="call_refused"), ended(three)],
        attempt=attempt([one, two, three]),
    )
    return dict(zip(names, (paid, refused, ignored, waiting, elsewhere), strict=True))


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({}, "elsewhere waiting ignored refused paid"),
        ({"source": "shop"}, "waiting ignored refused paid"),
        ({"source": "nowhere"}, ""),
        ({"topic": "order.viewed"}, "ignored"),
        ({"key": "BUYER@shop.example"}, "refused paid"),
        ({"key": "1001"}, "refused"),
        ({"key": "100"}, ""),
        ({"tracked_event": "order_refunded"}, "refused"),
        ({"tracked_event": "order_completed"}, "refused paid"),
        ({"outcome": OutcomeKind.DELIVERED}, "refused paid"),
        ({"outcome": OutcomeKind.DEAD}, "refused"),
        ({"outcome": OutcomeKind.IGNORED}, "ignored"),
        ({"outcome": OutcomeKind.SKIPPED}, ""),
        ({"destination": "segment"}, "refused paid"),
        ({"destination": "ometria"}, ""),
        ({"code": "call_refused"}, "refused"),
        ({"code": "no_tracked_event"}, "ignored"),
        ({"outcome": OutcomeKind.DEAD, "destination": "segment", "code": "call_refused"}, "refused"),
        ({"outcome": OutcomeKind.DEAD, "code": "accepted"}, ""),
        ({"outcome": OutcomeKind.DEAD, "tracked_event": "order_refunded"}, "refused"),
        ({"outcome": OutcomeKind.DEAD, "tracked_event": "order_completed"}, ""),
        ({"outcome": OutcomeKind.DELIVERED, "tracked_event": "order_refunded"}, ""),
        ({"since_ms": NOW_MS + 4}, "elsewhere waiting"),
        ({"until_ms": NOW_MS + 3}, "refused paid"),
        ({"since_ms": NOW_MS + 2, "until_ms": NOW_MS + 4, "key": "1002"}, "ignored"),
        ({"source": "shop", "topic": "order.paid", "outcome": OutcomeKind.DELIVERED, "key": "1001"}, "refused"),
    ],
)
async def test_selections(journal: Journal, shop: dict[str, EventId], selection: dict[str, Any], names: str) -> None:
    chosen = Selection(**selection)
    found = await journal.find(chosen, limit=10)

    wanted = [shop[name] for name in names.split()]
    assert [summary.id for summary in found] == wanted
    assert await journal.count(chosen) == len(wanted)
    assert [summary.id for summary in await journal.find(chosen, limit=1)] == wanted[:1]
    if wanted:
        rest = await journal.find(chosen, limit=10, before=wanted[0])
        assert [summary.id for summary in rest] == wanted[1:]


async def test_selection_by_ids(journal: Journal, shop: dict[str, EventId]) -> None:
    ids = [shop["paid"], EventId(999), shop["waiting"], EventId(2**70)]
    found = await journal.find(Selection(event_ids=ids), limit=10)

    assert [summary.id for summary in found] == [shop["waiting"], shop["paid"]]
    assert await journal.count(Selection(event_ids=ids, topic="order.viewed")) == 0


async def test_a_line_of_the_list(journal: Journal, shop: dict[str, EventId]) -> None:
    by_id = {summary.id: summary for summary in await journal.find(Selection(), limit=10)}

    refused = by_id[shop["refused"]]
    assert refused.outcomes == ["dead@segment", "delivered@segment"]
    assert (refused.source, refused.topic, refused.entity) == ("shop", "order.paid", "order:R")
    assert (refused.received_at_ms, refused.lane, refused.replay_of) == (NOW_MS + 2, Lane.LIVE, None)
    assert by_id[shop["ignored"]].outcomes == ["ignored"]
    assert by_id[shop["waiting"]].outcomes == []


async def test_events_by_id(journal: Journal, shop: dict[str, EventId]) -> None:
    events = await journal.events([shop["waiting"], EventId(999), shop["paid"], EventId(2**70)])

    assert [(e.id, e.delivery_key) for e in events] == [(shop["paid"], "paid"), (shop["waiting"], "waiting")]
    assert await journal.events([]) == []


async def test_timeline_names_replays(journal: Journal, shop: dict[str, EventId]) -> None:
    replay = (await journal.append(event("paid", lane=Lane.REPLAY, replay_of=shop["paid"]))).event_id

    timeline = await journal.timeline(shop["paid"])
    assert timeline is not None
    assert timeline.replays == [replay]
    of_replay = await journal.timeline(replay)
    assert of_replay is not None
    assert (of_replay.event.replay_of, of_replay.event.lane, of_replay.calls) == (shop["paid"], Lane.REPLAY, [])


async def test_backlogs(journal: Journal, shop: dict[str, EventId]) -> None:
    await journal.open_stage("render:other", "beginning")
    await journal.append(event("p1", partition=1, received_at_ms=NOW_MS + 2))
    await journal.append(event("r", lane=Lane.REPLAY, replay_of=shop["paid"], received_at_ms=NOW_MS + 9))
    await journal.open_stage("deliver:late", "beginning")

    names = ["render:shop", "render:other", "deliver:segment", "deliver:late", "deliver:unknown"]
    assert await journal.backlogs(names) == [
        Backlog("render:shop", 3, NOW_MS + 2),
        Backlog("render:other", 1, NOW_MS + 5),
        Backlog("deliver:segment", 0, None),
        Backlog("deliver:late", 3, NOW_MS + 1),
        Backlog("deliver:unknown", 0, None),
    ]


async def test_sources_seen(journal: Journal, shop: dict[str, EventId]) -> None:
    await journal.append(event("x", source="third", lane=Lane.BACKFILL))

    assert await journal.stage_sources() == ["other", "shop", "third"]


async def test_no_sources_in_an_empty_journal(journal: Journal) -> None:
    assert await journal.stage_sources() == []
    assert await journal.find(Selection(), limit=10) == []
    assert await journal.count(Selection()) == 0


async def test_changed_means_another_process(open_journal: OpenJournal) -> None:
    mine, other = await open_journal(), await open_journal()
    await mine.append(event("a"))
    await mine.open_stage("render:shop", "beginning")
    assert not await mine.changed()

    await other.append(event("b"))
    async with asyncio.timeout(10):
        while not await mine.changed():
            await asyncio.sleep(0.01)
    assert not await mine.changed()
    assert (await mine.append(event("b"))).duplicate
    assert [e.delivery_key for e in (await other.read_events(Stage("render:shop", Lane.LIVE, 0), 9)).events] == [
        "a",
        "b",
    ]
