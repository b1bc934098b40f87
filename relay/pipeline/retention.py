"""Retention: what is finished and old is dropped, in steps so small that intake does not notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay import logs
from relay.journal.protocol import Journal, JournalUnavailable
from relay.pipeline.wakeups import Stopping, Wakeups

DAY_MS = 86_400_000
STEP_EVENTS = 500
BETWEEN_STEPS_S = 0.05
BETWEEN_ROUNDS_S = 300.0


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept, in days."""

    events_days: int
    dead_days: int
    quarantine_days: int
    bodies_days: int | None = None
    """None: as long as the event."""


class Retention:
    """Drops what the limits allow, for ever; ``stages`` are those whose unfinished work holds an event."""

    def __init__(
        self, journal: Journal, keep: Keep, stages: Sequence[str], wakeups: Wakeups, now_ms: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._keep = keep
        self._stages = stages
        self._wakeups = wakeups
        self._now_ms = now_ms
        self._log = logs.get("retention")

    async def run(self) -> None:
        """One round after the other until the relay stops."""
        try:
            while True:
                try:
                    async with self._journal.claim("retention", 0) as claim:
                        # Of several nodes one is enough.
                        if claim.held:
                            await self.round()
                except JournalUnavailable as error:
                    self._log.warning("journal_unavailable", detail=str(error))
                await self._wakeups.pause(BETWEEN_ROUNDS_S)
        except Stopping:
            return

    async def round(self) -> int:
        """Drop all that may go now; returns the number of events dropped."""
        now_ms = self._now_ms()
        events = quarantined = 0
        more = True
        while more:
            dropped = await self._journal.drop_expired(
                events_before_ms=now_ms - self._keep.events_days * DAY_MS,
                dead_before_ms=now_ms - self._keep.dead_days * DAY_MS,
                quarantine_before_ms=now_ms - self._keep.quarantine_days * DAY_MS,
                stages=self._stages,
                limit=STEP_EVENTS,
            )
            events += dropped.events
            quarantined += dropped.quarantined
            more = dropped.more
            if more:
                await self._wakeups.pause(BETWEEN_STEPS_S)
        bodies = await self._drop_bodies(now_ms)
        if events or quarantined or bodies:
            self._log.info("dropped", events=events, quarantined=quarantined, bodies=bodies)
        return events

    async def _drop_bodies(self, now_ms: int) -> int:
        if self._keep.bodies_days is None:
            return 0
        bodies = 0
        more = True
        while more:
            emptied = await self._journal.drop_bodies(
                before_ms=now_ms - self._keep.bodies_days * DAY_MS,
                dead_before_ms=now_ms - self._keep.dead_days * DAY_MS,
                stages=self._stages,
                limit=STEP_EVENTS,
            )
            bodies += emptied.events
            more = emptied.more
            if more:
                await self._wakeups.pause(BETWEEN_STEPS_S)
        return bodies
