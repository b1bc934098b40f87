"""The deliver stage: calls go out in batches, and how they ended is written down.

One `Delivery` a destination, one line a partition in it. A line reads behind its cursor, sends, and
settles: outcomes, attempt and cursor in one transaction. Whatever was sent and not settled is sent
again with the same message ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from relay import logs
from relay.destinations.contract import Answer, Decision, Destination, Request
from relay.journal.protocol import CursorMoved, Journal, JournalUnavailable
from relay.model import (
    Call,
    CallBatch,
    CallId,
    Lane,
    NewAttempt,
    NewOutcome,
    OutcomeKind,
    Stage,
    VerdictKind,
    deliver_stage,
)
from relay.pipeline.gates import MISCONFIGURED_CAP_S, LineGate
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.planning import Plan, plan
from relay.pipeline.supervising import supervise
from relay.pipeline.wakeups import Stopping, Wakeups

JOURNAL_RETRY_S = 1.0
SUSPECT_AFTER = 5
"""Failures of one line in a row after which its next requests get smaller, to find a bad record."""
DEAD_AFTER = 10
"""Failures of a single call, with others going through between them, after which it is dead."""
STALE_MS = 100
"""A request that waited longer for its turn is looked at again before it is sent."""
DOUBTFUL = frozenset({"server_error", "timeout"})
"""Codes of failures that may be a record's fault; the others are surely not."""


class Door(Protocol):
    """The way out to HTTP (`relay.http`)."""

    async def send(self, request: Request, *, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How one destination is served."""

    live: bool
    timeout_s: float
    concurrency: int


@dataclass(slots=True)
class Suspicion:
    """One line's failures in a row, and of its latest call sent alone those that came beside others' successes."""

    failures: int = 0
    alone: CallId | None = None
    beside_others: int = 0
    successes: int = 0
    """Of the whole destination, at the latest failure."""

    def note(self, sent: Sequence[Call], successes: int) -> None:
        alone = sent[0].id if len(sent) == 1 else None
        if alone is None or alone != self.alone:
            self.beside_others = 0
        elif successes > self.successes:
            self.beside_others += 1
        self.failures += 1
        self.alone, self.successes = alone, successes

    def cleared(self) -> None:
        self.failures = self.beside_others = 0

    def most_records(self, limit: int) -> int:
        """Halved with each failure once suspicious, down to one."""
        return max(1, limit >> max(0, self.failures - SUSPECT_AFTER + 1))


class Delivery:
    """Delivers to one destination."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        options: DeliveryOptions,
        *,
        gate: LineGate,
        journal: Journal,
        door: Door,
        pace: Pace,
        wakeups: Wakeups,
        observer: Observer,
        now_ms: Callable[[], int],
    ) -> None:
        self.name = name
        self.gate = gate
        self._destination = destination
        self._options = options
        self._journal = journal
        self._door = door
        self._pace = pace
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._room = asyncio.Semaphore(options.concurrency)
        self._log = logs.get("deliver")

    async def run(self) -> None:
        """Work until the relay stops."""
        await self.gate.load()
        if self.gate.state.code not in ("rate_limited", ""):
            self.gate.retry_at_once()
        async with asyncio.TaskGroup() as group:
            for partition in range(self._journal.partitions):
                # Each by itself: a defect that one event meets stops its own line.
                line = partial(self._run_partition, partition)
                group.create_task(supervise(f"{deliver_stage(self.name)}/{partition}", line, self._wakeups))

    async def _run_partition(self, partition: int) -> None:
        flag = self._wakeups.flag(deliver_stage(self.name), partition)
        suspicion = Suspicion()
        while not self._wakeups.stopping:
            flag.clear()
            try:
                if not await self._work(partition, suspicion):
                    await flag.wait()
            except Stopping:
                return
            except CursorMoved:
                continue
            except JournalUnavailable as error:
                self._log.warning("journal_unavailable", stage=deliver_stage(self.name), detail=str(error))
                try:
                    await self._wakeups.pause(JOURNAL_RETRY_S)
                except Stopping:
                    return

    async def _work(self, partition: int, suspicion: Suspicion) -> bool:
        """Deliver one request's worth from the first lane that has any; False when none has."""
        most = suspicion.most_records(self._destination.limits.max_records)
        for lane in Lane:
            stage = Stage(deliver_stage(self.name), lane, partition)
            batch = await self._journal.read_calls(stage, self._destination.limits.max_records)
            if batch.calls:
                await self._deliver(stage, batch, most, suspicion)
                return True
        return False

    async def _deliver(self, stage: Stage, batch: CallBatch, most: int, suspicion: Suspicion) -> None:
        delivered = await self._journal.delivered(self.name, [call.message_id for call in batch.calls])
        planned = plan(self.name, self._destination, batch.calls, delivered, at_ms=self._now_ms(), most=most)
        await self._carry_out(stage, batch.position, planned, suspicion)

    async def _carry_out(self, stage: Stage, position: int, planned: Plan, suspicion: Suspicion) -> bool:
        """Send and settle a plan; False when it has to be tried again later."""
        records = planned.records
        if not records:
            await self._settle(stage, position, planned, planned.outcomes(self.name, OutcomeKind.DEAD, "", "", 0), None)
            return True
        attempt, decision, token = await self._attempt(stage, planned)
        kind = decision.verdict
        if kind is VerdictKind.DELIVERED:
            await self.gate.opened(token)
            suspicion.cleared()
            ended = OutcomeKind.DELIVERED if self._options.live else OutcomeKind.SKIPPED
            await self._end(stage, position, planned, ended, decision, attempt)
            return True
        if kind is VerdictKind.SPLIT and len(records) > 1:
            await self._journal.record_attempt(attempt)
            first, second = planned.halves()
            return await self._carry_out(stage, position, first, suspicion) and await self._carry_out(
                stage, first.moved_to, second, suspicion
            )
        if kind in (VerdictKind.REJECT, VerdictKind.SPLIT):
            await self.gate.opened(token)
            suspicion.cleared()
            await self._end(stage, position, planned, OutcomeKind.DEAD, decision, attempt)
            return True
        return await self._failed(stage, position, planned, decision, attempt, token, suspicion)

    async def _failed(
        self,
        stage: Stage,
        position: int,
        planned: Plan,
        decision: Decision,
        attempt: NewAttempt,
        token: int,
        suspicion: Suspicion,
    ) -> bool:
        """Close the gate; or end a single call that fails again and again while others go through."""
        if decision.code in DOUBTFUL and decision.wait_s is None:
            suspicion.note(planned.sent, self.gate.successes)
        if suspicion.beside_others >= DEAD_AFTER and attempt.status:
            suspicion.cleared()
            repeated = Decision(VerdictKind.REJECT, "call_failed_repeatedly", decision.detail)
            await self._end(stage, position, planned, OutcomeKind.DEAD, repeated, attempt)
            return True
        misconfigured = decision.verdict is VerdictKind.MISCONFIGURED
        seconds = await self.gate.closed(
            token,
            decision.code,
            decision.detail,
            wait_s=decision.wait_s,
            cap_s=MISCONFIGURED_CAP_S if misconfigured else 60.0,
        )
        level = self._log.error if misconfigured else self._log.warning
        level("waiting", destination=self.name, code=decision.code, next_attempt_s=round(seconds, 1))
        await self._journal.record_attempt(attempt)
        return False

    async def _attempt(self, stage: Stage, planned: Plan) -> tuple[NewAttempt, Decision, int]:
        """Make one request; in test mode make it without sending it."""
        asked_at_ms, waits = self._now_ms(), self.gate.state.failures > 0
        async with self._room, self.gate.passage() as token:
            await self._pace.turn()
            started_at_ms = self._now_ms()
            if waits or started_at_ms - asked_at_ms > STALE_MS:
                await self._still_wanted(stage, planned)
            request = self._destination.request(
                planned.records, now_ms=started_at_ms, failures=self.gate.state.failures
            )
            answer = await self._door.send(request, timeout_s=self._options.timeout_s) if self._options.live else None
            ended_at_ms = self._now_ms()
        if answer is None:
            decision = Decision(VerdictKind.DELIVERED, "test_mode", "")
        else:
            decision = self._destination.decide(answer, records=len(planned.records), now_ms=ended_at_ms)
        calls = planned.sent
        attempt = NewAttempt(
            destination=self.name,
            lane=stage.lane,
            partition=stage.partition,
            started_at_ms=started_at_ms,
            duration_ms=max(0, ended_at_ms - started_at_ms),
            status=answer.status if answer is not None else 0,
            verdict=decision.verdict if answer is not None else "test",
            code=decision.code,
            calls=len(calls),
            first_call=calls[0].id,
            last_call=calls[-1].id,
            answer=decision.detail[:500],
            request="" if answer is not None else request.shown_body.decode("utf-8", "replace"),
        )
        self._tell(attempt)
        return attempt, decision, token

    async def _still_wanted(self, stage: Stage, planned: Plan) -> None:
        """Raises `CursorMoved`, so that all is read anew, when a call was forgotten while this waited."""
        batch = await self._journal.read_calls(stage, self._destination.limits.max_records)
        kept = {call.id for call in batch.calls if call.text}
        if not all(call.id in kept for call in planned.sent):
            raise CursorMoved(f"calls of {self.name} were forgotten")

    def _tell(self, attempt: NewAttempt) -> None:
        self._observer.attempt(self.name, attempt.verdict, attempt.code, attempt.duration_ms / 1000, attempt.calls)
        self._log.info(
            "attempt",
            destination=self.name,
            verdict=str(attempt.verdict),
            code=attempt.code,
            status=attempt.status,
            calls=attempt.calls,
            first_call=attempt.first_call,
            last_call=attempt.last_call,
            duration_ms=attempt.duration_ms,
            failures=self.gate.state.failures,
            lane=str(attempt.lane),
            partition=attempt.partition,
        )

    async def _end(
        self,
        stage: Stage,
        position: int,
        planned: Plan,
        kind: OutcomeKind,
        decision: Decision,
        attempt: NewAttempt,
    ) -> None:
        detail = decision.detail if kind is OutcomeKind.DEAD else ""
        outcomes = planned.outcomes(self.name, kind, decision.code, detail, self._now_ms())
        await self._settle(stage, position, planned, outcomes, attempt)

    async def _settle(
        self,
        stage: Stage,
        position: int,
        planned: Plan,
        outcomes: list[NewOutcome],
        attempt: NewAttempt | None,
    ) -> None:
        """Write the end down, however long the journal is away: what was sent must not be sent again."""
        while True:
            try:
                await self._journal.settle_calls(
                    stage, position=position, moved_to=planned.moved_to, outcomes=outcomes, attempt=attempt
                )
                break
            except JournalUnavailable as error:
                self._log.warning("journal_unavailable", stage=stage.name, detail=str(error))
                await self._wakeups.pause(JOURNAL_RETRY_S)
        self._report(outcomes)

    def _report(self, outcomes: list[NewOutcome]) -> None:
        counts: dict[tuple[OutcomeKind, str], int] = {}
        for outcome in outcomes:
            counts[outcome.kind, outcome.code] = counts.get((outcome.kind, outcome.code), 0) + 1
            if outcome.kind is OutcomeKind.DEAD:
                self._log.error(
                    "dead",
                    destination=self.name,
                    event_id=outcome.event_id,
                    call_id=outcome.call_id,
                    code=outcome.code,
                )
        for (kind, code), count in counts.items():
            self._observer.ended(self.name, kind, code, count)
