"""Whatever stages have in hand when somebody is forgotten: nothing of it comes back, and everything ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.journal.protocol import CursorMoved, Journal
from relay.model import CallBatch, EventBatch, EventId, OutcomeKind
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, attempt, call, ended, event
from tests.journal.storage import DRIVERS, Storage

MARK = "ada@shop.example"
steps = st.lists(
    st.sampled_from(["append", "take events", "settle events", "take calls", "settle calls", "fail", 0, 1, 2]),
    min_size=25,
    max_size=50,
)


class Hands:
    """A render stage and a delivery stage that hold what they read for as long as the test likes."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.events = EventBatch(0, [], set())
        self.calls = CallBatch(0, [], set(), set())
        self.ids: list[EventId] = []
        self.forgotten: set[EventId] = set()

    async def do(self, step: str | int) -> None:
        if isinstance(step, int):
            await self.journal.forget(chosen := self.ids[step::3], at_ms=NOW_MS)
            self.forgotten.update(chosen)
        elif step == "append":
            key = str(len(self.ids))
            appended = await self.journal.append(event(key, body=MARK.encode(), headers=MARK, entity=MARK))
            self.ids.append(appended.event_id)
        elif step == "take events":
            self.events = await self.journal.read_events(RENDER, 3)
        elif step == "take calls":
            self.calls = await self.journal.read_calls(DELIVER, 3)
        elif step == "fail" and self.calls.calls:
            await self.journal.record_attempt(attempt(self.calls.calls, answer=MARK, request=MARK))
        elif step == "settle events" and self.events.events:
            await self._settle_events(self.events)
        elif step == "settle calls" and self.calls.calls:
            await self._settle_calls(self.calls)

    async def _settle_events(self, batch: EventBatch) -> None:
        plain = [one for one in batch.events if one.forgotten_at_ms is None]
        empty = [one for one in batch.events if one.forgotten_at_ms is not None]
        try:
            for one in plain:
                await self.journal.store_fetched(one.id, {"order": MARK})
            await self.journal.settle_events(
                RENDER,
                position=batch.position,
                moved_to=batch.events[-1].id,
                calls=[call(one.id, f"m{one.id}", text=one.body.decode()) for one in plain],
                outcomes=[ended(one, OutcomeKind.SKIPPED, code="forgotten") for one in empty],
                keys=[(one.id, MARK) for one in plain],
            )
        except CursorMoved:
            return

    async def _settle_calls(self, batch: CallBatch) -> None:
        kinds = [OutcomeKind.DELIVERED, OutcomeKind.DEAD]
        try:
            await self.journal.settle_calls(
                DELIVER,
                position=batch.position,
                moved_to=batch.calls[-1].id,
                outcomes=[ended(one, kinds[one.id % 2], detail=one.text) for one in batch.calls],
                attempt=attempt(batch.calls, answer=MARK, request=MARK),
            )
        except CursorMoved:
            return


@pytest.fixture(params=DRIVERS)
def new_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """An empty one for each example."""
    made = count()

    def new() -> Storage:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        return DRIVERS[request.param](folder)

    new()  # what takes long, takes it here
    return new


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taken=steps)
async def test_nothing_comes_back_and_everything_ends(
    new_storage: Callable[[], Storage], taken: list[str | int]
) -> None:
    journal = await new_storage().open()
    try:
        await Line(journal).open()
        hands = Hands(journal)
        for step in taken:
            await hands.do(step)
        while (await journal.read_events(RENDER, 1)).events:
            await hands.do("take events")
            await hands.do("settle events")
        while (await journal.read_calls(DELIVER, 1)).calls:
            await hands.do("take calls")
            await hands.do("settle calls")

        for event_id in hands.ids:
            told = await journal.timeline(event_id)
            assert told is not None
            assert len(told.outcomes) == 1
            gone = event_id in hands.forgotten
            assert (MARK in repr(told)) is not gone
            assert not gone or told.outcomes[0].kind is not OutcomeKind.DEAD
    finally:
        await journal.close()
