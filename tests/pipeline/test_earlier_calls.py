"""What a mapping is told of an order's past, from a real journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from relay.journal.sqlite import SqliteJournal
from relay.model import Call, CallId, EventId, Lane, NewCall, NewEvent, Stage, render_stage
from relay.pipeline.earlier_calls import EarlierCalls


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = await SqliteJournal.open(tmp_path / "relay.db", partitions=1, exclusive=True)
    for source in ("shop", "other"):
        await opened.open_stage(render_stage(source), "beginning")
    yield opened
    await opened.close()


async def said(
    journal: SqliteJournal, event: str, total: float, *, order: str = "o-1", source: str = "shop", **more: object
) -> Call:
    """A call that the relay made: its fact is its event, unless ``message_id`` says otherwise."""
    body = {"type": "track", "event": event, "properties": {"order_id": order, "total": total}}
    message_id = str(more.pop("message_id", event))
    text = orjson.dumps(body | more).decode()
    event_id = (
        await journal.append(
            NewEvent(
                Lane.LIVE, 0, source, "t", f"{event}-{total}-{order}-{more}", f"order:{order}", None, 1, "{}", b"{}"
            )
        )
    ).event_id
    stage = Stage(render_stage(source), Lane.LIVE, 0)
    batch = await journal.read_events(stage, 1)
    call = NewCall(event_id, "tracked", message_id, text, "v1")
    await journal.settle_events(
        stage, position=batch.position, moved_to=event_id, calls=[call], outcomes=[], keys=[(event_id, order)]
    )
    timeline = await journal.timeline(event_id)
    assert timeline is not None
    return timeline.calls[0]


async def earlier(journal: SqliteJournal, call: Call) -> list[tuple[str, float]]:
    told = await EarlierCalls(journal, lambda *_: True)("there", call)
    return [(said["event"], said["properties"]["total"]) for said in map(orjson.loads, told)]


async def test_calls_of_the_same_order_and_source_oldest_first(journal: SqliteJournal) -> None:
    await said(journal, "Order Completed", 1)
    await said(journal, "Order Completed", 2, order="o-2", message_id="2")
    await said(journal, "Order Completed", 3, source="other", message_id="3")
    await said(journal, "Order Refunded", 4)
    call = await said(journal, "Order Cancelled", 5)
    await said(journal, "Order Updated", 6)

    assert await earlier(journal, call) == [("Order Completed", 1), ("Order Refunded", 4)]


async def test_a_fact_counts_once_as_it_was_told_last_and_not_for_itself(journal: SqliteJournal) -> None:
    await said(journal, "Order Completed", 1)
    await said(journal, "Order Refunded", 2)
    forced = {"relay": {"forced": True, "messageId": "Order Refunded"}}
    again = await said(journal, "Order Refunded", 3, message_id="forced-1", context=forced)
    await said(journal, "Order Completed", 4)
    cancelled = await said(journal, "Order Cancelled", 5)

    assert await earlier(journal, again) == [("Order Completed", 1)]
    assert await earlier(journal, cancelled) == [("Order Completed", 4), ("Order Refunded", 3)]


async def test_nothing_is_looked_up_for_a_call_of_no_order_or_that_nobody_asks_for(journal: SqliteJournal) -> None:
    await said(journal, "Order Completed", 1)
    call = await said(journal, "Order Cancelled", 5)
    without = Call(CallId(9), EventId(9), "t", "m", '{"type":"identify"}', "v1", 1, "shop")

    assert await earlier(journal, without) == []
    assert list(await EarlierCalls(journal, lambda *_: False)("there", call)) == []
