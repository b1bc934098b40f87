"""Any sequence of appends, settlements, restarts and crashes keeps the promises of the journal."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from relay.journal.protocol import CursorMoved, Journal
from relay.model import CallId, EventId, Lane, NewEvent, OutcomeKind, Stage
from tests.journal.making import attempt, call, ended, event
from tests.journal.storage import DRIVERS, Storage

T = TypeVar("T")

KEYS = st.sampled_from("abcdefgh")
LANES = st.sampled_from([Lane.LIVE, Lane.REPLAY])
PARTITIONS = st.integers(0, 1)
ENDS = st.sampled_from([OutcomeKind.DELIVERED, OutcomeKind.DELIVERED, OutcomeKind.SKIPPED, OutcomeKind.DEAD])
DESTINATIONS = st.sampled_from(["segment", "ometria"])


class JournalMachine(RuleBasedStateMachine):
    """The model: what was acked, what was rendered, what was settled, and where each cursor stands."""

    driver: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.storage: Storage = DRIVERS[self.driver](Path(folder))
        self.journal: Journal
        self.ids: dict[str, EventId] = {}
        self.events: dict[EventId, NewEvent] = {}
        self.calls: dict[CallId, Stage] = {}
        self.ends: Counter[tuple[str, CallId]] = Counter()
        self.positions: dict[Stage, int] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def start(self) -> None:
        self.journal = self.run(self.storage.open())
        for name in ("render:shop", "deliver:segment", "deliver:ometria"):
            self.run(self.journal.open_stage(name, "beginning"))

    # -- what happens

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4), lane=LANES, partition=PARTITIONS)
    def append_at_once(self, keys: list[str], lane: Lane, partition: int) -> None:
        new = [event(key, lane=lane, partition=partition) for key in keys]

        async def all_at_once() -> list[Any]:
            return await asyncio.gather(*(self.journal.append(one) for one in new))

        for one, answer in zip(new, self.run(all_at_once()), strict=True):
            assert answer.duplicate == (one.delivery_key in self.ids)
            assert self.ids.setdefault(one.delivery_key, answer.event_id) == answer.event_id
            self.events.setdefault(answer.event_id, one)

    @rule(key=KEYS, times=st.integers(1, 2))
    def replay(self, key: str, times: int) -> None:
        if key not in self.ids:
            return
        new = [event(key, lane=Lane.REPLAY, replay_of=self.ids[key])] * times
        for answer in self.run(self.journal.append_many(new)):
            assert not answer.duplicate
            assert answer.event_id not in self.events
            self.events[answer.event_id] = new[0]

    @rule(lane=LANES, partition=PARTITIONS, limit=st.integers(1, 5), most=st.integers(1, 5), calls=st.integers(0, 3))
    def render(self, lane: Lane, partition: int, limit: int, most: int, calls: int) -> None:
        stage = Stage("render:shop", lane, partition)
        batch = self.run(self.journal.read_events(stage, limit))
        assert [e.id for e in batch.events] == self.waiting_events(stage)[:limit]
        done = batch.events[:most]
        if done:
            made = [call(e.id, f"{e.delivery_key}{n}") for e in done for n in range(calls)]
            self.run(
                self.journal.settle_events(
                    stage, position=batch.position, moved_to=done[-1].id, calls=made, outcomes=[], keys=[]
                )
            )
            self.positions[stage] = done[-1].id
            for e in done:
                timeline = self.run(self.journal.timeline(e.id))
                assert timeline is not None
                assert len(timeline.calls) == calls
                self.calls.update(dict.fromkeys((c.id for c in timeline.calls), stage))

    @rule(
        destination=DESTINATIONS,
        lane=LANES,
        partition=PARTITIONS,
        limit=st.integers(1, 6),
        kinds=st.lists(ENDS, min_size=1, max_size=6),
        tried=st.booleans(),
    )
    def deliver(
        self, destination: str, lane: Lane, partition: int, limit: int, kinds: list[OutcomeKind], tried: bool
    ) -> None:
        stage = Stage(f"deliver:{destination}", lane, partition)
        batch = self.run(self.journal.read_calls(stage, limit))
        assert [c.id for c in batch.calls] == self.waiting_calls(stage)[:limit]
        done = list(zip(batch.calls, kinds, strict=False))
        if done:
            last = done[-1][0]
            self.run(
                self.journal.settle_calls(
                    stage,
                    position=batch.position,
                    moved_to=last.id,
                    outcomes=[ended(c, kind, destination=destination) for c, kind in done],
                    attempt=attempt([c for c, _ in done], destination=destination) if tried else None,
                )
            )
            self.positions[stage] = last.id
            self.ends.update((destination, c.id) for c, _ in done)

    @rule(
        name=st.sampled_from(["render:shop", "deliver:segment"]),
        lane=LANES,
        partition=PARTITIONS,
        wrong=st.integers(1, 5),
    )
    def settle_from_elsewhere(self, name: str, lane: Lane, partition: int, wrong: int) -> None:
        stage = Stage(name, lane, partition)
        position = self.positions.get(stage, 0) + wrong
        if name.startswith("render"):
            stray = [call(EventId(1), "stray")]
            work = self.journal.settle_events(
                stage, position=position, moved_to=position, calls=stray, outcomes=[], keys=[]
            )
        else:
            work = self.journal.settle_calls(stage, position=position, moved_to=position, outcomes=[], attempt=None)
        with pytest.raises(CursorMoved):
            self.run(work)

    @rule()
    def restart(self) -> None:
        self.run(self.journal.close())
        self.journal = self.run(self.storage.open())

    @rule()
    def crash(self) -> None:
        self.storage = self.storage.crash()
        self.run(self.journal.close())
        self.journal = self.run(self.storage.open())

    # -- what must hold

    @invariant()
    def nothing_acked_is_lost_and_nothing_is_delivered_twice(self) -> None:
        if not hasattr(self, "journal"):
            return
        outcomes: Counter[tuple[str, CallId]] = Counter()
        delivered: Counter[tuple[str, str]] = Counter()
        calls: set[CallId] = set()
        for event_id, new in self.events.items():
            timeline = self.run(self.journal.timeline(event_id))
            assert timeline is not None
            assert (timeline.event.delivery_key, timeline.event.body) == (new.delivery_key, new.body)
            calls.update(c.id for c in timeline.calls)
            for outcome in timeline.outcomes:
                assert outcome.call_id is not None
                outcomes[outcome.destination, outcome.call_id] += 1
                if outcome.kind is OutcomeKind.DELIVERED:
                    delivered[outcome.destination, outcome.message_id] += 1
        assert calls == set(self.calls)
        assert outcomes == self.ends
        assert set(outcomes.values()) <= {1}
        assert set(delivered.values()) <= {1}
        for destination in ("segment", "ometria"):
            known = {message_id for where, message_id in delivered if where == destination}
            asked = [f"{key}{n}" for key in "abcdefgh" for n in range(3)]
            assert self.run(self.journal.delivered(destination, asked)) == known

    @invariant()
    def what_is_not_settled_still_waits(self) -> None:
        if not hasattr(self, "journal"):
            return
        names = ["render:shop", "deliver:segment", "deliver:ometria"]
        stages = [Stage(name, lane, partition) for name in names for lane in Lane for partition in (0, 1)]
        expected = dict.fromkeys(names, 0)
        for stage in stages:
            waiting = self.waiting_events(stage) if stage.name == names[0] else self.waiting_calls(stage)
            expected[stage.name] += len(waiting)
        assert {backlog.stage: backlog.waiting for backlog in self.run(self.journal.backlogs(names))} == expected

    def waiting_events(self, stage: Stage) -> list[EventId]:
        position = self.positions.get(stage, 0)
        mine = (id_ for id_, e in self.events.items() if (e.lane, e.partition) == (stage.lane, stage.partition))
        return sorted(id_ for id_ in mine if id_ > position)

    def waiting_calls(self, stage: Stage) -> list[CallId]:
        position = self.positions.get(stage, 0)
        mine = (id_ for id_, s in self.calls.items() if (s.lane, s.partition) == (stage.lane, stage.partition))
        return sorted(id_ for id_ in mine if id_ > position)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.run(self.journal.close())
        self.stack.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_any_sequence_keeps_the_promises(driver: str) -> None:
    machine = type("Machine", (JournalMachine,), {"driver": driver})
    # Against a server every step takes longer.
    examples = 25 if driver == "sqlite" else 8
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None))
