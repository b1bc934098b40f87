from __future__ import annotations

from typing import Any

from relay.journal.protocol import Candidates, Dropped, Forgotten, Journal
from relay.model import Audit, EventId, Lane, OutcomeKind, PrivacyKind, QuarantineId, Selection, Stage, Timeline
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, attempt, call, ended, event, quarantined

EMAIL = "ada@shop.example"
BODY = b'{"email":"' + EMAIL.encode() + b'"}'


def personal(key: str, **other: Any) -> Any:
    return event(key, **({"body": BODY, "headers": f'{{"from":"{EMAIL}"}}', "entity": f"customer:{EMAIL}"} | other))


async def told(journal: Journal, event_id: EventId) -> Timeline:
    timeline = await journal.timeline(event_id)
    assert timeline is not None
    return timeline


async def all_candidates(journal: Journal, keys: list[str] | None, source: str = "shop") -> list[EventId]:
    found: list[EventId] = []
    after: EventId | None = EventId(0)
    while after is not None:
        step = await journal.candidates(source, keys, after=after)
        found += step.event_ids
        after = step.then
    return found


async def test_all_of_a_delivered_event_is_erased_but_that_and_how_it_ended(line: Line) -> None:
    journal = line.journal
    (gone,) = await line.append(personal("a"))
    await line.render_all(text=f'{{"userId":"{EMAIL}"}}')
    await journal.store_fetched(gone, {"order": {"email": EMAIL}})
    calls = (await journal.read_calls(DELIVER, 10)).calls
    await journal.settle_calls(
        DELIVER,
        position=0,
        moved_to=calls[0].id,
        outcomes=[ended(calls[0], detail=EMAIL)],
        attempt=attempt(calls, answer=EMAIL, request=EMAIL),
    )
    before = await told(journal, gone)
    assert repr(before).count(EMAIL) == 9

    assert await journal.forget([gone], at_ms=NOW_MS + 7) == Forgotten(events=1, calls=1)
    after = await told(journal, gone)
    assert EMAIL not in repr(after)
    assert (after.event.body, after.event.headers, after.event.entity) == (b"", "{}", "forgotten")
    assert after.event.forgotten_at_ms == NOW_MS + 7
    assert (after.keys, after.fetched) == ([], {})
    assert [one.text for one in after.calls] == [""]
    assert [(one.answer, one.request) for one in after.attempts] == [("", "")]
    for name in ("id", "topic", "delivery_key", "received_at_ms"):
        assert getattr(after.event, name) == getattr(before.event, name)
    assert [(o.kind, o.code, o.message_id, o.detail) for o in after.outcomes] == [
        (OutcomeKind.DELIVERED, "accepted", "ma", "")
    ]
    assert await journal.delivered("segment", ["ma"]) == {"ma"}
    assert await journal.count(Selection(key=f"customer:{EMAIL}")) == 0


async def test_the_platforms_repeat_of_a_forgotten_delivery_is_not_stored(line: Line) -> None:
    (gone,) = await line.append(personal("a"))
    await line.journal.forget([gone], at_ms=NOW_MS)

    again = await line.journal.append(personal("a"))
    assert (again.event_id, again.duplicate) == (gone, True)
    assert (await told(line.journal, gone)).event.body == b""


async def test_others_keep_theirs(line: Line) -> None:
    gone, kept = await line.append(personal("a"), personal("b"))
    await line.render_all(text=EMAIL)
    await line.deliver_all(detail="kept")
    before = await told(line.journal, kept)
    await line.journal.forget([gone], at_ms=NOW_MS)

    after = await told(line.journal, kept)
    assert (after.event, after.calls, after.keys, after.outcomes) == (
        before.event,
        before.calls,
        before.keys,
        before.outcomes,
    )
    assert [one.answer for one in after.attempts] == [""], "it may quote the other's data"


async def test_a_dead_letter_is_none_any_more(line: Line) -> None:
    (gone,) = await line.append(personal("a"))
    await line.render_all()
    await line.deliver_all(OutcomeKind.DEAD, detail=EMAIL)
    await line.journal.forget([gone], at_ms=NOW_MS)

    assert await line.journal.count(Selection(outcome=OutcomeKind.DEAD)) == 0
    (outcome,) = (await told(line.journal, gone)).outcomes
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.SKIPPED, "forgotten", "")


async def test_what_waits_comes_empty_and_in_its_turn(line: Line) -> None:
    first, gone, last = await line.append(event("1"), personal("2"), event("3"))
    await line.open()
    await line.journal.forget([gone], at_ms=NOW_MS)

    batch = await line.journal.read_events(RENDER, 10)
    assert [(e.id, e.forgotten_at_ms) for e in batch.events] == [(first, None), (gone, NOW_MS), (last, None)]
    await line.render_all(text=EMAIL)
    assert [one.event_id for one in (await line.journal.read_calls(DELIVER, 10)).calls] == [first, last]

    await line.journal.forget([last], at_ms=NOW_MS)
    calls = (await line.journal.read_calls(DELIVER, 10)).calls
    assert [(one.event_id, one.text) for one in calls] == [(first, EMAIL), (last, "")]


async def test_replays_are_forgotten_with_their_original(line: Line) -> None:
    (original,) = await line.run(personal("a"))
    (replay,) = await line.append(personal("a", lane=Lane.REPLAY, replay_of=original))

    assert await line.journal.forget([original], at_ms=NOW_MS) == Forgotten(events=2, calls=1)
    assert (await told(line.journal, replay)).event.body == b""
    assert await line.journal.forget([original, replay], at_ms=NOW_MS + 1) == Forgotten(0, 0)
    assert (await told(line.journal, replay)).event.forgotten_at_ms == NOW_MS


async def test_nothing_comes_back_by_work_that_was_in_hand(line: Line) -> None:
    """Each hand holds what it read before, and writes it after."""
    journal = line.journal
    sent, rendered = await line.append(personal("sent"), personal("rendered"))
    await line.open()
    batch = await journal.read_events(RENDER, 1)
    await journal.settle_events(
        RENDER, position=0, moved_to=sent, calls=[call(sent, "m1", text=EMAIL)], outcomes=[], keys=[]
    )
    calls = (await journal.read_calls(DELIVER, 10)).calls
    batch = await journal.read_events(RENDER, 10)
    await journal.forget([sent, rendered], at_ms=NOW_MS)

    await journal.record_attempt(attempt(calls, answer=EMAIL))
    await journal.settle_calls(
        DELIVER,
        position=0,
        moved_to=calls[0].id,
        outcomes=[ended(calls[0], OutcomeKind.DEAD, detail=EMAIL)],
        attempt=attempt(calls, answer=EMAIL, request=EMAIL),
    )
    await journal.store_fetched(rendered, {"order": EMAIL})
    await journal.settle_events(
        RENDER,
        position=batch.position,
        moved_to=rendered,
        calls=[call(rendered, "m2", text=EMAIL)],
        outcomes=[],
        keys=[(rendered, EMAIL)],
    )
    (replay,) = await line.append(personal("rendered", lane=Lane.REPLAY, replay_of=rendered))

    for event_id in (sent, rendered, replay):
        assert EMAIL not in repr(await told(journal, event_id))
    assert [(o.kind, o.code) for o in (await told(journal, sent)).outcomes] == [(OutcomeKind.SKIPPED, "forgotten")]
    assert [(o.kind, o.code) for o in (await told(journal, rendered)).outcomes] == [(OutcomeKind.SKIPPED, "forgotten")]
    assert (await told(journal, replay)).event.forgotten_at_ms is not None
    assert (await journal.read_calls(DELIVER, 10)).calls == []


async def test_a_rendering_that_ended_without_calls_keeps_its_end_and_no_detail(line: Line) -> None:
    (gone,) = await line.append(personal("a"))
    await line.open()
    (waiting,) = (await line.journal.read_events(RENDER, 1)).events
    await line.journal.forget([gone], at_ms=NOW_MS)
    await line.journal.settle_events(
        RENDER,
        position=0,
        moved_to=gone,
        calls=[],
        outcomes=[ended(waiting, OutcomeKind.IGNORED, code="no_tracked_event", detail=EMAIL)],
        keys=[],
    )

    (outcome,) = (await told(line.journal, gone)).outcomes
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.IGNORED, "no_tracked_event", "")


async def test_candidates_have_the_key_or_were_never_given_any(line: Line) -> None:
    journal = line.journal
    keyed, other = await line.append(event("a", entity=f"customer:{EMAIL}"), event("b"))
    await line.render_all()
    waiting, elsewhere = await line.append(event("c"), event("d", source="other"))

    assert await all_candidates(journal, [f"CUSTOMER:{EMAIL.upper()}"]) == [keyed, waiting]
    assert await all_candidates(journal, []) == [waiting]
    assert await all_candidates(journal, None) == [keyed, other, waiting]
    assert await all_candidates(journal, None, "other") == [elsewhere]
    assert await journal.candidates("nowhere", None, after=EventId(0)) == Candidates([], None)
    await journal.forget([keyed, waiting], at_ms=NOW_MS)
    assert await all_candidates(journal, None) == [other]


async def test_forgotten_events_leave_with_retention(line: Line) -> None:
    (gone,) = await line.run(personal("a"))
    await line.journal.forget([gone], at_ms=NOW_MS)

    dropped = await line.journal.drop_expired(
        events_before_ms=NOW_MS + 1,
        dead_before_ms=NOW_MS + 1,
        quarantine_before_ms=0,
        stages=["deliver:segment"],
        limit=10,
    )
    assert dropped == Dropped(events=1, quarantined=0, more=False)
    assert await line.journal.timeline(gone) is None


async def test_an_empty_event_waits_like_any_other(line: Line) -> None:
    (gone,) = await line.append(personal("a"))
    await line.open()
    await line.journal.forget([gone], at_ms=NOW_MS)
    (backlog,) = await line.journal.backlogs(["render:shop"])

    assert backlog.waiting == 1
    elsewhere = Stage("render:shop", Lane.LIVE, 1)
    assert (await line.journal.read_events(elsewhere, 10)).events == []


async def test_many_are_forgotten_in_steps(line: Line) -> None:
    ids = await line.run(*(personal(str(number)) for number in range(70)))

    assert await line.journal.forget(ids, at_ms=NOW_MS) == Forgotten(events=70, calls=70)
    assert all(one.body == b"" for one in await line.journal.events(ids))


# --- quarantine -----------------------------------------------------------------------------


async def test_released_from_quarantine_once_and_in_order(journal: Journal) -> None:
    ids = [await journal.quarantine(quarantined(number)) for number in range(4)]
    first = await journal.append(event("0"))
    await journal.forget_quarantined([ids[2]])

    answers = await journal.release([(ids[number], event(str(number))) for number in range(4)])
    assert answers[2] is None
    zero, one, _, three = answers
    assert zero is not None
    assert (zero.event_id, zero.duplicate) == (first.event_id, True)
    assert one is not None
    assert three is not None
    assert not one.duplicate
    assert first.event_id < one.event_id < three.event_id
    assert await journal.quarantined(None, limit=10) == []
    assert await journal.release([(ids[1], event("again"))]) == [None]
    assert await journal.count(Selection()) == 3


async def test_quarantine_is_read_from_the_oldest_in_bounded_pages(journal: Journal) -> None:
    ids = [
        await journal.quarantine(quarantined(number, source, verifier=f"v{number}", body=b"x" * size))
        for number, (source, size) in enumerate([("shop", 10), ("other", 10), *[("shop", 600_000)] * 3])
    ]
    seen: list[QuarantineId] = []
    pages = 0
    while page := await journal.read_quarantine(None, after=seen[-1] if seen else QuarantineId(0), limit=100):
        seen += [item.id for item in page]
        pages += 1
    assert seen == ids
    assert pages == 2

    of_shop = await journal.read_quarantine("shop", after=ids[0], limit=1)
    assert [(item.id, item.verifier) for item in of_shop] == [(ids[2], "v2")]


# --- audit ----------------------------------------------------------------------------------


async def test_audit_newest_first(journal: Journal) -> None:
    records = [
        Audit(NOW_MS, "shop", PrivacyKind.REDACT_CUSTOMER, EventId(7), 3, 4, 1),
        Audit(NOW_MS + 1, "shop", PrivacyKind.DATA_REQUEST, None, 3, 0, 0),
    ]
    for record in records:
        await journal.record_audit(record)

    assert await journal.audits(limit=10) == records[::-1]
    assert await journal.audits(limit=1) == records[1:]
