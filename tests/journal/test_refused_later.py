"""What a vendor took and refused afterwards."""

from __future__ import annotations

from typing import Any

from relay.model import EventId, OutcomeKind, Selection
from tests.journal.making import DELIVER, NOW_MS, Line, ended, event

REFUSED: dict[str, Any] = {"kind": OutcomeKind.DEAD, "code": "refused_later", "detail": "no date", "at_ms": NOW_MS + 9}


async def test_a_call_that_was_delivered_is_dead_and_may_be_sent_again(line: Line) -> None:
    first, second = await line.append(event("a"), event("b"))
    await line.open()
    await line.render_all()
    calls = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.deliver_all()

    assert await line.journal.record_refused([ended(calls[0], **REFUSED)]) == 1

    told = await line.journal.timeline(first)
    assert told is not None
    assert [(str(o.kind), o.code, o.detail) for o in told.outcomes] == [
        ("delivered", "accepted", ""),
        ("dead", "refused_later", "no date"),
    ]
    ids = [call.message_id for call in calls]
    assert await line.journal.delivered("segment", ids) == {ids[1]}
    assert await dead(line) == [first]
    assert second not in await dead(line)


async def test_it_is_written_once(line: Line) -> None:
    await line.append(event("a"))
    await line.open()
    await line.render_all()
    (call,) = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.deliver_all()

    refused = ended(call, **REFUSED)
    assert [await line.journal.record_refused([refused]) for _ in range(2)] == [1, 0]
    assert await line.journal.record_refused([]) == 0


async def test_nothing_is_said_of_what_is_forgotten_or_gone(line: Line) -> None:
    (first,) = await line.append(event("a"))
    await line.open()
    await line.render_all()
    (call,) = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.deliver_all()
    await line.journal.forget([first], at_ms=NOW_MS + 5)

    assert await line.journal.record_refused([ended(call, **REFUSED)]) == 0
    gone = ended(call, **(REFUSED | {"call_id": 4_711}))
    assert await line.journal.record_refused([gone]) == 0
    assert await dead(line) == []


async def dead(line: Line) -> list[EventId]:
    return [found.id for found in await line.journal.find(Selection(outcome=OutcomeKind.DEAD), limit=10)]
