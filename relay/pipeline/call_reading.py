"""Calls behind a cursor, mapped and planned into requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from relay.destinations.contract import Destination
from relay.journal.protocol import CursorMoved, Journal
from relay.model import Call, CallBatch, Stage
from relay.pipeline.handling import Wanted
from relay.pipeline.line import Line
from relay.pipeline.mapping import MappedCall, Mapper, MapTask
from relay.pipeline.planning import Plan, plan

LEAST_READ = 20
"""Calls read at once, also where a request holds fewer."""


class CallReader:
    """Reads for the destination ``name``; ``mapped`` says whether calls go through the mapper."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        *,
        wanted: Wanted,
        mapped: bool,
        journal: Journal,
        mapper: Mapper,
        earlier: Callable[[str, Call], Awaitable[Sequence[str]]],
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._destination = destination
        self._wanted = wanted
        self._mapped = mapped
        self._journal = journal
        self._mapper = mapper
        self._earlier = earlier
        self._now_ms = now_ms

    async def read(self, stage: Stage) -> CallBatch:
        """The next calls, about as many as a request holds."""
        return await self._journal.read_calls(stage, max(LEAST_READ, self._destination.limits.max_records))

    async def planned(self, batch: CallBatch, line: Line) -> Plan:
        """What to do with its calls, or with the first of them."""
        return plan(
            self._name,
            self._destination,
            await self._map(batch, line),
            batch.delivered,
            line.mapped,
            at_ms=self._now_ms(),
            most=line.suspicion.most_calls(self._destination.limits.max_records),
        )

    async def still_wanted(self, stage: Stage, planned: Plan) -> None:
        """Raises `CursorMoved`, so that all is read anew, when a call was forgotten while this waited."""
        batch = await self.read(stage)
        kept = {call.id for call in batch.calls if call.text}
        if not all(call.id in kept for call in planned.sent):
            raise CursorMoved(f"calls of {self._name} were forgotten")

    async def _map(self, batch: CallBatch, line: Line) -> Sequence[Call]:
        """Fill ``line.mapped``; returns the calls before the first that is not mapped yet, at least one."""
        before = line.mapped if line.generation == self._mapper.generation else {}
        line.generation, line.mapped = self._mapper.generation, {}
        unmapped = []
        for call in batch.calls:
            if not call.text or call.message_id in batch.delivered:
                continue
            refused = self._wanted.refuses(self._name, call)
            if refused is not None:
                line.mapped[call.id] = MappedCall(ended=refused)
            elif call.id in before:
                line.mapped[call.id] = before[call.id]
            elif self._mapped:
                unmapped.append(call)
        if not unmapped:
            return batch.calls
        made = await self._mapper.map(self._name, await self._tasks(unmapped), self._now_ms())
        line.mapped.update((call.id, mapped) for call, mapped in zip(unmapped, made, strict=False))
        if len(made) == len(unmapped):
            return batch.calls
        return batch.calls[: batch.calls.index(unmapped[len(made)])]

    async def _tasks(self, calls: Sequence[Call]) -> list[MapTask]:
        events = {event.id: event for event in await self._journal.events([call.event_id for call in calls])}
        fetched = {event_id: await self._journal.fetched(event_id) for event_id in events}
        return [
            MapTask(
                call,
                events.get(call.event_id),
                fetched.get(call.event_id, {}),
                await self._earlier(self._name, call),
            )
            for call in calls
        ]
