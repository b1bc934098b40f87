from __future__ import annotations

from typing import Any

from relay.journal.protocol import Dropped, Journal
from relay.model import EventId, Lane, OutcomeKind, Selection, Stage
from tests.journal.making import DELIVER, NOW_MS, Line, attempt, event, quarantined

DAY_MS = 86_400_000
STAGES = ("render:shop", "deliver:segment")


async def drop(journal: Journal, **fields: Any) -> Dropped:
    """Everything of before now may go, but for what a test says."""
    limits: dict[str, Any] = {
        "events_before_ms": NOW_MS,
        "dead_before_ms": NOW_MS,
        "quarantine_before_ms": NOW_MS,
        "stages": STAGES,
        "limit": 100,
    }
    return await journal.drop_expired(**(limits | fields))


async def left(journal: Journal) -> list[EventId]:
    return [summary.id for summary in await journal.find(Selection(), limit=1000)][::-1]


def old(key: str, **other: Any) -> Any:
    return event(key, **({"received_at_ms": NOW_MS - DAY_MS} | other))


async def test_old_and_done_goes_with_all_that_belongs_to_it(line: Line) -> None:
    gone, kept = await line.run(old("a"), event("b"))
    await line.journal.store_fetched(gone, {"order": {}})

    assert await drop(line.journal) == Dropped(events=1, quarantined=0, more=False)
    assert await left(line.journal) == [kept]
    assert await line.journal.timeline(gone) is None
    assert await line.journal.fetched(gone) == {}
    assert await line.journal.count(Selection(key="order:a")) == 0
    assert await line.journal.count(Selection(key="order:b")) == 1
    assert (await line.journal.read_calls(DELIVER, 10)).calls == []


async def test_delivered_ids_outlive_their_events(line: Line) -> None:
    await line.run(old("a"))
    await drop(line.journal)
    (again,) = await line.run(event("a"))

    assert await line.journal.delivered("segment", ["ma"]) == {"ma"}
    timeline = await line.journal.timeline(again)
    assert timeline is not None
    assert [outcome.kind for outcome in timeline.outcomes] == [OutcomeKind.DUPLICATE]


async def test_what_is_not_rendered_stays(line: Line) -> None:
    await line.open()
    (waiting,) = await line.append(old("a"))

    assert (await drop(line.journal)).events == 0
    assert (await drop(line.journal, stages=[])).events == 0
    assert await left(line.journal) == [waiting]


async def test_what_a_destination_has_not_worked_stays(line: Line) -> None:
    await line.run(old("a"))
    await line.journal.open_stage("deliver:ometria", "beginning")
    both = [*STAGES, "deliver:ometria"]

    assert (await drop(line.journal, stages=both)).events == 0
    await Line(line.journal, deliver=Stage("deliver:ometria", Lane.LIVE, 0)).deliver_all()
    assert (await drop(line.journal, stages=both)).events == 1


async def test_a_destination_that_is_no_longer_configured_holds_nothing(line: Line) -> None:
    await line.run(old("a"))
    await line.journal.open_stage("deliver:removed", "beginning")

    assert (await drop(line.journal)).events == 1


async def test_a_configured_destination_without_cursor_holds(line: Line) -> None:
    await line.run(old("a"))

    assert (await drop(line.journal, stages=[*STAGES, "deliver:new"])).events == 0


async def test_lanes_and_partitions_have_cursors_of_their_own(line: Line) -> None:
    elsewhere = Line(
        line.journal,
        render=Stage("render:shop", Lane.BACKFILL, 1),
        deliver=Stage("deliver:segment", Lane.BACKFILL, 1),
    )
    await line.run(old("a"))
    (waiting,) = await elsewhere.append(old("b", lane=Lane.BACKFILL, partition=1))
    await elsewhere.render_all()
    await line.run(old("c"))

    assert (await drop(line.journal)).events == 2
    assert await left(line.journal) == [waiting]
    await elsewhere.deliver_all()
    assert (await drop(line.journal)).events == 1


async def test_dead_letters_are_kept_longer(line: Line) -> None:
    await line.append(old("a"))
    await line.render_all()
    await line.deliver_all(OutcomeKind.DEAD, at_ms=NOW_MS - DAY_MS)

    assert (await drop(line.journal, dead_before_ms=NOW_MS - DAY_MS)).events == 0
    assert (await drop(line.journal, dead_before_ms=NOW_MS - DAY_MS + 1)).events == 1


async def test_steps_are_small_and_end(line: Line) -> None:
    dead = await line.append(*(old(f"dead {n}") for n in range(15)))
    await line.render_all()
    await line.deliver_all(OutcomeKind.DEAD)
    await line.run(*(old(str(n)) for n in range(25)))
    (young,) = await line.run(event("young"))
    steps: list[Dropped] = []
    while not steps or steps[-1].more:
        steps.append(await drop(line.journal, limit=10, dead_before_ms=NOW_MS - DAY_MS))

    assert all(step.events <= 10 for step in steps)
    assert sum(step.events for step in steps) == 25
    assert len(steps) <= 6
    assert await left(line.journal) == [*dead, young]
    assert (await drop(line.journal, dead_before_ms=NOW_MS + 1)).events == 15


async def test_more_attempts_than_events_end_too(line: Line) -> None:
    await line.append(*(old(str(n)) for n in range(6)))
    await line.render_all()
    calls = (await line.journal.read_calls(DELIVER, 100)).calls
    for _ in range(9):
        await line.journal.record_attempt(attempt(calls, started_at_ms=NOW_MS - DAY_MS))
    await line.deliver_all()

    steps = [await drop(line.journal, limit=2)]
    while steps[-1].more:
        steps.append(await drop(line.journal, limit=2))
        assert len(steps) < 20
    assert sum(step.events for step in steps) == 6


async def test_attempts_stay_while_a_call_of_theirs_stays(line: Line) -> None:
    await line.append(old("a"))
    (young,) = await line.append(event("b"))
    await line.render_all()
    calls = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.journal.record_attempt(attempt(calls, status=503, started_at_ms=NOW_MS - DAY_MS))
    await line.deliver_all()
    for _ in range(3):
        await drop(line.journal)

    assert await left(line.journal) == [young]
    timeline = await line.journal.timeline(young)
    assert timeline is not None
    assert [a.status for a in timeline.attempts] == [503, 200]


async def test_quarantine_is_dropped_by_its_own_age(journal: Journal) -> None:
    for number in range(-3, 3):
        await journal.quarantine(quarantined(number))

    assert await drop(journal, limit=2) == Dropped(events=0, quarantined=2, more=True)
    assert await drop(journal, limit=2) == Dropped(events=0, quarantined=1, more=False)
    assert [item.received_at_ms - NOW_MS for item in await journal.quarantined(None, limit=10)] == [2, 1, 0]
