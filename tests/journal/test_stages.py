from __future__ import annotations

import asyncio

import pytest

from relay.journal.protocol import CursorMoved, Journal
from relay.model import Call, EventId, Gate, Lane, OutcomeKind, Selection, Stage, Timeline
from tests.journal.conftest import OpenJournal
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, attempt, call, ended, event


async def told(journal: Journal, event_id: int) -> Timeline:
    timeline = await journal.timeline(event_id)  # type: ignore[arg-type]
    assert timeline is not None
    return timeline


async def kinds(journal: Journal, event_id: int) -> list[str]:
    return [str(outcome.kind) for outcome in (await told(journal, event_id)).outcomes]


# -- reading


async def test_a_stage_reads_its_own_source_lane_and_partition(journal: Journal) -> None:
    mine, *_ = await journal.append_many(
        [
            event("a"),
            event("b", source="other"),
            event("c", partition=1),
            event("d", lane=Lane.BACKFILL),
        ]
    )
    await journal.open_stage("render:shop", "beginning")

    assert [e.id for e in (await journal.read_events(RENDER, 10)).events] == [mine.event_id]
    assert [e.delivery_key for e in (await journal.read_events(RENDER._replace(partition=1), 10)).events] == ["c"]
    assert [e.delivery_key for e in (await journal.read_events(RENDER._replace(lane=Lane.BACKFILL), 10)).events] == [
        "d"
    ]
    assert (await journal.read_events(RENDER._replace(lane=Lane.REPLAY), 10)).events == []


async def test_reading_is_oldest_first_and_at_most_the_limit(line: Line) -> None:
    ids = await line.append(*(event(str(number)) for number in range(10)))
    await line.open()

    assert [e.id for e in (await line.journal.read_events(RENDER, 4)).events] == ids[:4]
    await line.render_all()
    calls = (await line.journal.read_calls(DELIVER, 4)).calls
    assert [c.event_id for c in calls] == ids[:4]


async def test_a_batch_tells_in_which_lanes_more_waits(journal: Journal) -> None:
    a, b, *_ = await journal.append_many(
        [
            event("a"),
            event("b"),
            event("elsewhere", lane=Lane.REPLAY, partition=1),
            event("another's", lane=Lane.REPLAY, source="other"),
        ]
    )
    for stage in (RENDER, DELIVER):
        await journal.open_stage(stage.name, "beginning")

    async def settle(stage: Stage, limit: int) -> set[Lane]:
        batch = await journal.read_events(stage, limit)
        calls = [call(e.id, f"m{e.id}") for e in batch.events]
        moved_to = batch.events[-1].id
        await journal.settle_events(
            stage, position=batch.position, moved_to=moved_to, calls=calls, outcomes=[], keys=[]
        )
        return set(batch.waiting)

    assert (await journal.read_events(RENDER, 1)).waiting == {Lane.LIVE}
    assert (await journal.read_events(RENDER, 3)).waiting == set()
    assert (await journal.read_calls(DELIVER, 1)).waiting == set()
    await journal.append_many([event("c", lane=Lane.BACKFILL)])
    assert (await journal.read_events(RENDER._replace(lane=Lane.REPLAY), 3)).waiting == {Lane.LIVE, Lane.BACKFILL}
    assert await settle(RENDER, 10) == {Lane.BACKFILL}
    assert (await journal.read_events(RENDER, 10)).waiting == {Lane.BACKFILL}
    assert (await journal.read_calls(DELIVER, 10)).waiting == set()
    assert await settle(RENDER._replace(lane=Lane.BACKFILL), 10) == set()
    calls = await journal.read_calls(DELIVER._replace(lane=Lane.BACKFILL), 10)
    assert (len(calls.calls), calls.waiting) == (1, {Lane.LIVE})
    assert (await journal.read_calls(DELIVER, 1)).waiting == {Lane.LIVE, Lane.BACKFILL}
    assert (a.event_id, b.event_id) == tuple(c.event_id for c in (await journal.read_calls(DELIVER, 3)).calls)


async def test_a_batch_that_is_cut_for_its_size_tells_that_more_waits(journal: Journal) -> None:
    body = b"x" * 3_000_000
    for number in range(4):
        await journal.append(event(str(number), body=body))
    await journal.open_stage("render:shop", "beginning")
    batch = await journal.read_events(RENDER, 100)

    assert (len(batch.events), batch.waiting) == (3, {Lane.LIVE})


async def test_a_stage_that_was_never_opened_cannot_be_read(journal: Journal) -> None:
    with pytest.raises(LookupError, match="render:shop"):
        await journal.read_events(RENDER, 10)
    with pytest.raises(LookupError, match="deliver:segment"):
        await journal.read_calls(DELIVER, 10)


async def test_large_bodies_make_batches_smaller_but_nothing_is_left_out(journal: Journal) -> None:
    body = b"x" * 3_000_000
    ids = [(await journal.append(event(str(number), body=body))).event_id for number in range(7)]
    await journal.open_stage("render:shop", "beginning")
    read: list[int] = []
    while (batch := await journal.read_events(RENDER, 100)).events:
        assert len(batch.events) <= 4
        assert {len(e.body) for e in batch.events} == {len(body)}
        read += [e.id for e in batch.events]
        await journal.settle_events(RENDER, position=batch.position, moved_to=read[-1], calls=[], outcomes=[], keys=[])

    assert read == ids


async def test_calls_come_back_as_they_were(journal: Journal) -> None:
    (appended,) = await journal.append_many([event("a", received_at_ms=NOW_MS + 5)])
    new = [
        call(appended.event_id, f"m{n}", text=text, tracked_event=f"t{n}", template_version=f"v{n}")
        for n, text in enumerate(['{"a":"é漢😀"}', "", '{"nul":"\\u0000"}', "\x00raw", "{}" * 20_000])
    ]
    await journal.open_stage("render:shop", "beginning")
    await journal.open_stage("deliver:segment", "beginning")
    await journal.settle_events(RENDER, position=0, moved_to=appended.event_id, calls=new, outcomes=[], keys=[])

    calls = (await journal.read_calls(DELIVER, 100)).calls
    assert calls == [
        Call(c.id, n.event_id, n.tracked_event, n.message_id, n.text, n.template_version, NOW_MS + 5, "shop")
        for c, n in zip(calls, new, strict=True)
    ]
    assert [c.id for c in calls] == sorted(c.id for c in calls)
    assert (await told(journal, appended.event_id)).calls == calls


async def test_options_of_an_event_come_with_it_and_with_its_calls(line: Line) -> None:
    plain, optioned = await line.append(event("a"), event("b", options='{"force":true}'))
    await line.append(event("b", options="of a duplicate: not kept"))
    await line.open()
    batch = await line.journal.read_events(RENDER, 10)

    assert [(e.id, e.options) for e in batch.events] == [(plain, ""), (optioned, '{"force":true}')]
    assert [e.options for e in await line.journal.events([plain, optioned])] == ["", '{"force":true}']
    await line.render_all()
    read = (await line.journal.read_calls(DELIVER, 10)).calls
    assert [(c.event_id, c.source, c.options) for c in read] == [
        (plain, "shop", ""),
        (optioned, "shop", '{"force":true}'),
    ]


async def test_the_latest_attempt_of_each_destination(line: Line) -> None:
    await line.run(event("a"))
    await line.run(event("b"))
    latest = await line.journal.last_attempt("segment")

    assert latest is not None
    assert latest.destination == "segment"
    (before,) = (await told(line.journal, EventId(1))).attempts
    assert latest.id > before.id
    assert await line.journal.last_attempt("other") is None


# -- opening


async def test_a_stage_that_starts_now_leaves_out_what_was_before(line: Line) -> None:
    await line.append(event("a"))
    await line.render_all()
    await line.journal.open_stage("deliver:late", "now")
    late = Stage("deliver:late", Lane.LIVE, 0)

    assert (await line.journal.read_calls(late, 10)).calls == []
    (new,) = await line.append(event("b"))
    await line.render_all()
    assert [c.event_id for c in (await line.journal.read_calls(late, 10)).calls] == [new]


async def test_a_stage_that_starts_at_the_beginning_gets_the_history(line: Line) -> None:
    ids = await line.run(event("a"), event("b"))
    await line.journal.open_stage("deliver:late", "beginning")

    batch = await line.journal.read_calls(Stage("deliver:late", Lane.LIVE, 0), 10)
    assert [c.event_id for c in batch.calls] == ids


@pytest.mark.parametrize("start", ["beginning", "now"])
async def test_opening_again_leaves_the_cursor(line: Line, start: str) -> None:
    await line.run(event("a"))
    (waiting,) = await line.append(event("b"))
    await line.journal.open_stage("render:shop", start)  # type: ignore[arg-type]

    assert [e.id for e in (await line.journal.read_events(RENDER, 10)).events] == [waiting]


# -- settling


async def test_settling_events_moves_on_and_keeps_what_was_made(line: Line) -> None:
    (first, second) = await line.append(event("a"), event("b"))
    await line.open()
    batch = await line.journal.read_events(RENDER, 1)
    await line.journal.settle_events(
        RENDER,
        position=batch.position,
        moved_to=first,
        calls=[call(first, "m1"), call(first, "m2")],
        outcomes=[ended(batch.events[0], OutcomeKind.IGNORED, code="no_tracked_event", detail="why")],
        keys=[(first, "Order-1"), (first, "A@Shop.example"), (first, "order-1")],
    )

    moved = await line.journal.read_events(RENDER, 10)
    assert (moved.position, [e.id for e in moved.events]) == (first, [second])
    timeline = await told(line.journal, first)
    assert [c.message_id for c in timeline.calls] == ["m1", "m2"]
    assert sorted(timeline.keys) == ["a@shop.example", "order-1"]
    (outcome,) = timeline.outcomes
    assert (outcome.kind, outcome.code, outcome.detail, outcome.destination) == (
        OutcomeKind.IGNORED,
        "no_tracked_event",
        "why",
        "",
    )


async def test_a_moved_cursor_voids_the_work(line: Line) -> None:
    (first,) = await line.run(event("a"))
    (second,) = await line.append(event("b"))
    with pytest.raises(CursorMoved):
        await line.journal.settle_events(
            RENDER, position=0, moved_to=second, calls=[call(second, "m")], outcomes=[], keys=[(second, "k")]
        )
    with pytest.raises(CursorMoved):
        await line.journal.settle_calls(
            DELIVER,
            position=0,
            moved_to=10_000,
            outcomes=[ended((await told(line.journal, first)).calls[0], message_id="other")],
            attempt=attempt((await told(line.journal, first)).calls),
        )

    timeline = await told(line.journal, second)
    assert (timeline.calls, timeline.outcomes, timeline.keys) == ([], [], [])
    assert (await line.journal.read_events(RENDER, 10)).position == first
    assert await kinds(line.journal, first) == ["delivered"]
    assert len((await told(line.journal, first)).attempts) == 1
    assert await line.journal.delivered("segment", ["other"]) == set()


async def test_of_two_workers_on_one_batch_one_wins(line: Line) -> None:
    (only,) = await line.append(event("a"))
    await line.open()

    async def work(message_id: str) -> None:
        await line.journal.settle_events(
            RENDER, position=0, moved_to=only, calls=[call(only, message_id)], outcomes=[], keys=[]
        )

    results = await asyncio.gather(*(work(f"m{n}") for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results if result] == [CursorMoved] * 4
    assert len((await told(line.journal, only)).calls) == 1


async def test_a_cursor_never_goes_back(line: Line) -> None:
    (first,) = await line.run(event("a"))
    with pytest.raises(ValueError, match="back"):
        await line.journal.settle_events(RENDER, position=first, moved_to=first - 1, calls=[], outcomes=[], keys=[])

    assert (await line.journal.read_events(RENDER, 10)).position == first


async def test_one_bad_settlement_harms_nobody_beside_it(line: Line) -> None:
    (first,) = await line.append(event("a"))
    await line.open()
    text_of_no_encoding = "\ud800"
    bad = line.journal.settle_events(
        RENDER, position=0, moved_to=first, calls=[call(first, "m", text=text_of_no_encoding)], outcomes=[], keys=[]
    )
    results = await asyncio.gather(
        *(line.journal.append(event(f"before {n}")) for n in range(20)),
        bad,
        line.journal.append(event("bad", topic=text_of_no_encoding)),
        line.journal.set_gate("segment", Gate(failures=1)),
        *(line.journal.append(event(f"after {n}")) for n in range(20)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, UnicodeError) for result in results) == 2
    assert await line.journal.count(Selection()) == 41
    assert (await line.journal.read_events(RENDER, 1)).position == 0
    assert await line.journal.gate("segment") == Gate(failures=1)


# -- delivering


async def test_delivered_once_for_ever(line: Line) -> None:
    (first,) = await line.run(event("a"))
    (again,) = await line.run(event("a", lane=Lane.LIVE, replay_of=first))

    assert await kinds(line.journal, first) == ["delivered"]
    (outcome,) = (await told(line.journal, again)).outcomes
    assert (outcome.kind, outcome.code, outcome.message_id) == (OutcomeKind.DUPLICATE, "already_delivered", "ma")
    assert await line.journal.delivered("segment", ["ma", "mb", "ma"]) == {"ma"}
    assert await line.journal.delivered("segment", []) == set()


async def test_the_same_id_twice_in_one_batch_counts_once(line: Line) -> None:
    (first,) = await line.append(event("a"))
    await line.open()
    calls = [call(first, message_id) for message_id in ("x", "y", "x", "x")]
    await line.journal.settle_events(RENDER, position=0, moved_to=first, calls=calls, outcomes=[], keys=[])
    await line.deliver_all()

    assert await kinds(line.journal, first) == ["delivered", "delivered", "duplicate", "duplicate"]


async def test_calls_come_with_what_was_delivered_before(line: Line) -> None:
    (first,) = await line.run(event("a"))
    other = Line(line.journal, deliver=Stage("deliver:ometria", Lane.LIVE, 0))
    await other.open()
    await line.append(event("a", replay_of=first))
    await line.append(event("b"))
    await line.render_all()

    batch = await line.journal.read_calls(DELIVER, 10)
    assert ([c.message_id for c in batch.calls], batch.delivered) == (["ma", "mb"], {"ma"})
    batch = await line.journal.read_calls(other.deliver, 10)
    assert ([c.message_id for c in batch.calls], batch.delivered) == (["ma", "ma", "mb"], set())


async def test_destinations_are_told_apart(line: Line) -> None:
    await line.run(event("a"))
    other = Line(line.journal, deliver=Stage("deliver:ometria", Lane.LIVE, 0))
    (only,) = await other.deliver_all()

    assert sorted(o.destination for o in (await told(line.journal, only.event_id)).outcomes) == ["ometria", "segment"]
    assert await kinds(line.journal, only.event_id) == ["delivered", "delivered"]
    assert await line.journal.delivered("ometria", ["ma"]) == {"ma"}


@pytest.mark.parametrize("kind", [OutcomeKind.SKIPPED, OutcomeKind.DEAD])
async def test_what_was_not_delivered_may_be_delivered_later(line: Line, kind: OutcomeKind) -> None:
    await line.append(event("a"))
    await line.render_all()
    (first,) = await line.deliver_all(kind)
    assert await line.journal.delivered("segment", ["ma"]) == set()
    (again,) = await line.run(event("a", replay_of=first.event_id))

    assert await kinds(line.journal, first.event_id) == [kind]
    assert await kinds(line.journal, again) == ["delivered"]


async def test_many_outcomes_at_once(line: Line) -> None:
    await line.append(*(event(str(n)) for n in range(600)))
    await line.render_all()
    calls = await line.deliver_all()
    replays = await line.append(*(event(str(n), replay_of=calls[n].event_id) for n in range(0, 600, 2)))
    fresh = await line.append(*(event(f"new {n}") for n in range(300)))
    await line.render_all()
    await line.deliver_all()

    ids = [f"m{n}" for n in range(700)]
    assert await line.journal.delivered("segment", ids) == set(ids[:600])
    assert await line.journal.count(Selection(event_ids=replays, outcome=OutcomeKind.DUPLICATE)) == 300
    assert await line.journal.count(Selection(event_ids=fresh, outcome=OutcomeKind.DELIVERED)) == 300


# -- attempts, gates, documents


async def test_attempts_stand_in_the_timeline_of_their_calls(line: Line) -> None:
    first, second = await line.append(event("a"), event("b"))
    await line.render_all()
    calls = (await line.journal.read_calls(DELIVER, 10)).calls
    await line.journal.record_attempt(attempt(calls, status=503, verdict="retry", code="server_error"))
    await line.journal.record_attempt(attempt(calls[:1], status=400, verdict="reject", request='{"batch":[]}'))
    await line.journal.record_attempt(attempt(calls, partition=1, status=418))
    await line.deliver_all()

    about_first, about_second = await told(line.journal, first), await told(line.journal, second)
    assert [a.status for a in about_first.attempts] == [503, 400, 200]
    assert [a.status for a in about_second.attempts] == [503, 200]
    assert about_first.attempts[1].request == '{"batch":[]}'
    assert about_first.outcomes[0].attempt_id == about_first.attempts[-1].id


async def test_gates_are_kept(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    assert await journal.gate("segment") == Gate()
    await journal.set_gate("segment", Gate(1, 2, "timeout", "why"))
    await journal.set_gate("segment", Gate(3, 4, "server_error", "other"))
    await journal.close()

    assert await (await open_journal()).gate("segment") == Gate(3, 4, "server_error", "other")


async def test_fetched_documents_are_those_of_the_replayed_event_too(journal: Journal) -> None:
    first = (await journal.append(event("a"))).event_id
    replay = (await journal.append(event("a", replay_of=first))).event_id
    assert await journal.fetched(first) == {}
    order = {"id": 12345678901234567890, "name": "é\x00", "lines": [1.5, None]}
    await journal.store_fetched(first, {"order": order, "customer": {"id": 1}})

    assert await journal.fetched(first) == await journal.fetched(replay) == {"order": order, "customer": {"id": 1}}
    await journal.store_fetched(replay, {"order": {"id": 2}})
    await journal.store_fetched(replay, {"order": {"id": 3}})
    assert await journal.fetched(replay) == {"order": {"id": 3}, "customer": {"id": 1}}
    assert (await told(journal, first)).fetched["order"] == order
