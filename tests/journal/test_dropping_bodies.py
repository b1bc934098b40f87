from __future__ import annotations

from typing import Any

from relay.journal.protocol import Emptied, Journal
from relay.model import EventId, OutcomeKind, Selection, Stage, Timeline
from tests.journal.making import DELIVER, NOW_MS, Line, attempt, ended, event
from tests.journal.test_retention import DAY_MS, STAGES, drop, old

EMAIL = "ada@shop.example"


async def empty(journal: Journal, **fields: Any) -> Emptied:
    """Every body of before now may go, but for what a test says."""
    limits: dict[str, Any] = {"before_ms": NOW_MS, "dead_before_ms": NOW_MS, "stages": STAGES, "limit": 100}
    return await journal.drop_bodies(**(limits | fields))


async def passed(journal: Journal, **fields: Any) -> list[int]:
    """How many events each step of a whole pass emptied."""
    steps = [await empty(journal, limit=10, **fields)]
    while steps[-1].more:
        steps.append(await empty(journal, limit=10, **fields))
        assert len(steps) < 10
    return [step.events for step in steps]


async def told(journal: Journal, event_id: EventId) -> Timeline:
    timeline = await journal.timeline(event_id)
    assert timeline is not None
    return timeline


async def test_what_was_said_goes_and_what_happened_stays(line: Line) -> None:
    journal = line.journal
    (emptied,) = await line.append(old("a", body=EMAIL.encode(), headers=f'{{"from":"{EMAIL}"}}'))
    await line.render_all(text=f'{{"userId":"{EMAIL}"}}')
    await journal.store_fetched(emptied, {"order": {"email": EMAIL}})
    calls = (await journal.read_calls(DELIVER, 10)).calls
    await journal.settle_calls(
        DELIVER, position=0, moved_to=calls[0].id, outcomes=[ended(calls[0])], attempt=attempt(calls, request=EMAIL)
    )
    before = await told(journal, emptied)
    assert repr(before).count(EMAIL) == 5

    assert await empty(journal) == Emptied(events=1, more=False)
    after = await told(journal, emptied)
    assert EMAIL not in repr(after)
    assert (after.event.body, after.event.headers, after.fetched) == (b"", "{}", {})
    assert (after.event.forgotten_at_ms, [one.forgotten_at_ms for one in after.calls]) == (None, [None])
    assert [one.text for one in after.calls] == [""]
    assert [(one.answer, one.request) for one in after.attempts] == [('{"success":true}', "")]
    assert (after.keys, after.outcomes, after.event.entity) == (before.keys, before.outcomes, "order:a")
    assert await journal.count(Selection(key="order:a")) == 1
    assert await empty(journal) == Emptied(events=0, more=False)


async def test_the_young_and_the_unfinished_keep_theirs(line: Line) -> None:
    await line.run(event("young"))
    await line.append(old("not delivered"))
    await line.render_all()
    await line.append(old("not rendered"))

    assert (await empty(line.journal)).events == 0
    assert (await empty(line.journal, before_ms=NOW_MS + 1)).events == 1
    await line.deliver_all()
    assert (await empty(line.journal)).events == 1
    await line.render_all()
    await line.deliver_all()
    assert (await empty(line.journal)).events == 1


async def test_dead_letters_keep_theirs_for_longer(line: Line) -> None:
    await line.append(old("a"))
    await line.render_all()
    await line.deliver_all(OutcomeKind.DEAD, at_ms=NOW_MS - DAY_MS)

    assert (await empty(line.journal, dead_before_ms=NOW_MS - DAY_MS)).events == 0
    assert (await empty(line.journal, dead_before_ms=NOW_MS - DAY_MS + 1)).events == 1


async def test_steps_are_small_and_end_and_pass_over_what_is_held(line: Line) -> None:
    await line.append(*(old(f"dead {n}") for n in range(15)))
    await line.render_all()
    await line.deliver_all(OutcomeKind.DEAD)
    await line.run(*(old(str(n)) for n in range(25)), event("young"))

    assert await passed(line.journal, dead_before_ms=NOW_MS - DAY_MS) == [0, 5, 10, 10, 0]
    assert await passed(line.journal, dead_before_ms=NOW_MS - DAY_MS) == [0, 0, 0, 0, 0], "those in front are held"
    assert await passed(line.journal, dead_before_ms=NOW_MS + 1) == [10, 5, 0, 0, 0]
    assert await passed(line.journal) == [0], "what is empty up to the young one is not looked at again"
    assert await passed(line.journal, before_ms=NOW_MS + 1) == [1]


async def test_an_emptied_event_is_dropped_in_its_time(line: Line) -> None:
    await line.run(old("a"), event("b"))
    await empty(line.journal)

    assert (await drop(line.journal)).events == 1
    assert await line.journal.count(Selection()) == 1


async def test_a_forgotten_event_stays_forgotten(line: Line) -> None:
    (gone,) = await line.run(old("a"))
    await line.journal.forget([gone], at_ms=NOW_MS)

    assert (await empty(line.journal)).events == 0
    assert (await told(line.journal, gone)).calls[0].forgotten_at_ms == NOW_MS


async def test_an_emptied_event_can_be_forgotten(line: Line) -> None:
    (gone,) = await line.run(old("a"))
    await empty(line.journal)
    await line.journal.forget([gone], at_ms=NOW_MS)

    assert (await told(line.journal, gone)).event.forgotten_at_ms == NOW_MS
    assert await line.journal.count(Selection(key="order:a")) == 0


async def test_a_destination_that_is_new_gets_calls_without_text(line: Line) -> None:
    await line.run(old("a"), event("b"))
    await empty(line.journal)
    late = Stage("deliver:late", DELIVER.lane, 0)
    await line.journal.open_stage(late.name, "beginning")
    calls = (await line.journal.read_calls(late, 10)).calls
    assert [(bool(one.text), one.forgotten_at_ms) for one in calls] == [(False, None), (True, None)]

    await line.journal.settle_calls(
        late,
        position=0,
        moved_to=calls[1].id,
        outcomes=[ended(one, destination="late", detail="told") for one in calls],
        attempt=attempt(calls, destination="late", answer="quoted"),
    )
    timeline = await told(line.journal, calls[0].event_id)
    assert [one.detail for one in timeline.outcomes] == ["", "told"]
    assert [one.answer for one in timeline.attempts if one.destination == "late"] == ["quoted"]
