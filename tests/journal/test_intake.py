from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import EventId, Lane, QuarantineId
from tests.journal.conftest import OpenJournal
from tests.journal.making import RENDER, Line, event, quarantined

TEXT = st.text(st.characters(codec="utf-8"))  # everything but lone surrogates, which no UTF-8 text has


async def test_new_event_then_the_same_delivery(journal: Journal) -> None:
    first = await journal.append(event("a"))
    again = await journal.append(event("a", body=b'{"other":"body"}'))
    other = await journal.append(event("b"))

    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
    assert again.event_id == first.event_id != other.event_id
    timeline = await journal.timeline(first.event_id)
    assert timeline is not None
    assert timeline.event.body == b'{"id":1}'


async def test_delivery_keys_are_per_source(journal: Journal) -> None:
    assert not (await journal.append(event("a"))).duplicate
    assert not (await journal.append(event("a", source="other"))).duplicate


async def test_same_webhook_at_the_same_instant_is_stored_once(journal: Journal) -> None:
    answers = await asyncio.gather(*(journal.append(event(str(number % 10))) for number in range(300)))

    assert [answer.duplicate for answer in answers].count(False) == 10
    assert len({answer.event_id for answer in answers}) == 10
    for number in range(10):
        assert len({answer.event_id for answer in answers[number::10]}) == 1


async def test_many_at_once_are_all_there_as_they_were(journal: Journal) -> None:
    webhooks = [event(str(number), body=b"%d" % number) for number in range(500)]
    answers = await asyncio.gather(*(journal.append(webhook) for webhook in webhooks))

    await journal.open_stage("render:shop", "beginning")
    batch = await journal.read_events(RENDER, 1000)
    assert [stored.id for stored in batch.events] == sorted(answer.event_id for answer in answers)
    bodies = {stored.id: stored.body for stored in batch.events}
    assert [bodies[answer.event_id] for answer in answers] == [webhook.body for webhook in webhooks]


async def test_acked_events_outlive_the_process(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    first = await journal.append(event("a"))
    await journal.close()

    assert await (await open_journal()).append(event("a")) == type(first)(first.event_id, duplicate=True)


async def test_append_many_answers_in_order(journal: Journal) -> None:
    (first,) = await journal.append_many([event("a")])
    answers = await journal.append_many(
        [
            event("b"),
            event("a", lane=Lane.REPLAY, replay_of=first.event_id),
            event("a"),
            event("b"),
            event("a", lane=Lane.REPLAY, replay_of=first.event_id),
            event("c"),
        ]
    )

    b, replay, a, b_again, replay_again, c = answers
    assert [answer.duplicate for answer in answers] == [False, False, True, True, False, False]
    assert a.event_id == first.event_id
    assert b_again.event_id == b.event_id
    assert len({first.event_id, b.event_id, replay.event_id, replay_again.event_id, c.event_id}) == 5
    assert await journal.append_many([]) == []


async def test_ids_keep_the_order_of_append_many(journal: Journal) -> None:
    answers = await journal.append_many([event(str(number)) for number in range(700)])

    ids = [answer.event_id for answer in answers]
    assert ids == sorted(set(ids))


async def test_ids_of_dropped_events_are_not_given_again(line: Line) -> None:
    (last,) = await line.run(event("a"))
    dropped = await line.journal.drop_expired(
        events_before_ms=2**60, dead_before_ms=0, quarantine_before_ms=0, stages=[], limit=10
    )

    assert dropped.events == 1
    assert (await line.journal.append(event("a"))).event_id > last


async def test_a_waiter_that_goes_away_disturbs_nobody(journal: Journal) -> None:
    leaving = [asyncio.create_task(journal.append(event(f"left {number}"))) for number in range(20)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    async with asyncio.timeout(30):
        staying = await asyncio.gather(*(journal.append(event(str(number))) for number in range(20)))

    await asyncio.gather(*leaving, return_exceptions=True)
    assert all(task.cancelled() for task in leaving)
    assert not any(answer.duplicate for answer in staying)


async def test_work_that_waits_is_finished_before_closing(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(journal.append(event(str(number)))) for number in range(50)]
        await asyncio.sleep(0)
        await journal.close()
    with pytest.raises(JournalUnavailable):
        await journal.append(event("late"))
    with pytest.raises(JournalUnavailable):
        await journal.check()

    again = await open_journal()
    assert (await again.append(event("49"))).event_id == waiting[49].result().event_id


async def test_closing_twice(journal: Journal) -> None:
    await journal.close()
    await journal.close()


async def test_partitions_are_fixed_when_the_journal_is_made(open_journal: OpenJournal) -> None:
    assert (await open_journal(partitions=5)).partitions == 5
    assert (await open_journal(partitions=7)).partitions == 5


async def test_check_passes_on_a_good_journal(journal: Journal) -> None:
    await journal.check()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.tuples(st.binary(max_size=200), TEXT, TEXT, TEXT), min_size=1, max_size=5))
async def test_what_was_stored_comes_back_to_the_byte(
    journal: Journal, contents: list[tuple[bytes, str, str, str]]
) -> None:
    await journal.open_stage("render:shop", "beginning")
    position = (await journal.read_events(RENDER, 1000)).position
    answers = await journal.append_many(
        [
            event(f"{position} {number}", body=body, headers=headers, topic=topic, entity=entity)
            for number, (body, headers, topic, entity) in enumerate(contents)
        ]
    )

    batch = await journal.read_events(RENDER, 1000)
    assert [(e.body, e.headers, e.topic, e.entity) for e in batch.events] == contents
    one = await journal.timeline(answers[0].event_id)
    assert one is not None
    assert one.event == batch.events[0]
    await journal.settle_events(RENDER, position=position, moved_to=batch.events[-1].id, calls=[], outcomes=[], keys=[])


async def test_quarantine(journal: Journal) -> None:
    first, second, third = [
        await journal.quarantine(quarantined(number, source))
        for number, source in ((1, "shop"), (2, "other"), (3, "shop"))
    ]

    assert [item.id for item in await journal.quarantined(None, limit=10)] == [third, second, first]
    assert [item.id for item in await journal.quarantined("shop", limit=10)] == [third, first]
    assert [item.id for item in await journal.quarantined(None, limit=1)] == [third]
    item = await journal.quarantined_one(second)
    assert item is not None
    assert (item.source, item.body, item.code, item.detail) == ("other", b"not json 2", "body_not_json", "number 2")
    assert await journal.quarantined_one(QuarantineId(third + 1)) is None
    assert await journal.quarantined_one(QuarantineId(2**70)) is None


async def test_quarantine_of_a_source_is_bounded(open_journal: OpenJournal) -> None:
    journal = await open_journal(quarantine_limit=3)
    other = await journal.quarantine(quarantined(0, "other"))
    ids = [await journal.quarantine(quarantined(number)) for number in range(1, 8)]

    kept = [item.id for item in await journal.quarantined(None, limit=10)]
    assert kept == [*reversed(ids[-3:]), other]


async def test_unknown_event(journal: Journal) -> None:
    assert await journal.timeline(EventId(1)) is None
    assert await journal.timeline(EventId(2**70)) is None


async def test_quarantine_of_large_bodies_is_bounded_in_bytes(open_journal: OpenJournal) -> None:
    journal = await open_journal(quarantine_max_bytes=300_000)
    other = await journal.quarantine(quarantined(0, "other", body=b"x" * 100_000))
    small = await journal.quarantine(quarantined(1))
    large = [await journal.quarantine(quarantined(2 + n, body=b"x" * 100_000)) for n in range(5)]

    kept = {item.id for item in await journal.quarantined(None, limit=100)}

    assert kept == {other, *large[-3:]} - {small}
