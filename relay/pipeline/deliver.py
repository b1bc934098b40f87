"""The deliver stage: calls go out in batches, and how they ended is written down.

One `Delivery` a destination, one line a partition in it. A line reads behind its cursor, sends, and
settles: outcomes, attempt and cursor in one transaction. Whatever was sent and not settled is sent
again with the same message ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass

from relay import logs
from relay.destinations.contract import Decision, Destination
from relay.journal.protocol import Claim, Journal, JournalUnavailable
from relay.model import (
    Call,
    Lane,
    NewAttempt,
    NewOutcome,
    OutcomeKind,
    Stage,
    VerdictKind,
    deliver_stage,
)
from relay.pipeline.call_reading import CallReader
from relay.pipeline.gates import MISCONFIGURED_CAP_S, LineGate
from relay.pipeline.handling import ALL, Wanted
from relay.pipeline.line import Line
from relay.pipeline.mapping import Mapper
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.partitions import JOURNAL_RETRY_S, Work, work_partitions
from relay.pipeline.planning import Plan
from relay.pipeline.refusals import Refusals
from relay.pipeline.sending import Door, Sender, Sent
from relay.pipeline.supervising import supervise
from relay.pipeline.suspicion import Suspicion
from relay.pipeline.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How one destination is served."""

    live: bool
    timeout_s: float
    concurrency: int
    wanted: Wanted = ALL
    mapped: bool = False
    """Whether calls go through the mapper, for a mapping or a condition."""


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
        mapper: Mapper,
        earlier: Callable[[str, Call], Awaitable[Sequence[str]]],
        pace: Pace,
        wakeups: Wakeups,
        observer: Observer,
        now_ms: Callable[[], int],
        refusals: Refusals | None = None,
    ) -> None:
        self.name = name
        self.gate = gate
        self._live = options.live
        self._journal = journal
        self._reader = CallReader(
            name,
            destination,
            wanted=options.wanted,
            mapped=options.mapped,
            journal=journal,
            mapper=mapper,
            earlier=earlier,
            now_ms=now_ms,
        )
        self._sender = Sender(
            name,
            destination,
            live=options.live,
            timeout_s=options.timeout_s,
            concurrency=options.concurrency,
            gate=gate,
            reader=self._reader,
            door=door,
            pace=pace,
            observer=observer,
            now_ms=now_ms,
        )
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._refusals = refusals
        self._log = logs.get("deliver")

    async def run(self) -> None:
        """Work until the relay stops."""
        await self.gate.load()
        if self.gate.state.code not in ("rate_limited", ""):
            self.gate.retry_at_once()
        async with asyncio.TaskGroup() as group:
            if self._refusals is not None:
                group.create_task(supervise(f"refusals:{self.name}", self._refusals.run, self._wakeups))
            group.create_task(
                work_partitions(
                    deliver_stage(self.name),
                    self._work_of,
                    journal=self._journal,
                    wakeups=self._wakeups,
                    log=self._log,
                )
            )

    def _work_of(self, partition: int) -> Work:
        line = Line()

        async def work(claim: Claim) -> bool:
            line.claim = claim
            worked = await self._work(partition, line)
            # What another node would send again, having no memory of it, this one ends.
            while worked and line.progress.call is not None and claim.held and not self._wakeups.stopping:
                worked = await self._work(partition, line)
            return worked

        return work

    async def _work(self, partition: int, line: Line) -> bool:
        """Deliver one request's worth from the first lane that has any; False when nothing waits any more."""
        waiting: Set[Lane] = {Lane.LIVE}
        for lane in Lane:
            if lane not in waiting:
                continue
            stage = Stage(deliver_stage(self.name), lane, partition)
            batch = await self._reader.read(stage)
            if batch.calls:
                planned = await self._reader.planned(batch, line)
                carried_out = await self._carry_out(stage, batch.position, planned, line)
                return not carried_out or planned.moved_to < batch.calls[-1].id or bool(batch.waiting)
            waiting = batch.waiting
        return False

    async def _carry_out(self, stage: Stage, position: int, planned: Plan, line: Line) -> bool:
        """Send and settle a plan; False when it has to be tried again later."""
        if not planned.requests:
            await self._settle(stage, position, planned, planned.outcomes(self.name, OutcomeKind.DEAD, "", "", 0), None)
            return True
        *before, last = planned.requests
        for records in before:
            if line.progress.holds(planned.sent[0], records):
                continue
            sent = await self._sender.send(stage, planned, records, line)
            if sent.decision.verdict is not VerdictKind.DELIVERED:
                return await self._judge(stage, position, planned, line, sent)
            await self.gate.opened(sent.token)
            await self._journal.record_attempt(sent.attempt)
            line.progress.note(planned.sent[0], records)
        return await self._judge(stage, position, planned, line, await self._sender.send(stage, planned, last, line))

    async def _judge(self, stage: Stage, position: int, planned: Plan, line: Line, sent: Sent) -> bool:
        """Do what the answer to a plan's last request means, or to one before that was not taken."""
        kind = sent.decision.verdict
        if kind is VerdictKind.SPLIT and len(planned.sent) > 1:
            await self._journal.record_attempt(sent.attempt)
            first, second = planned.halves()
            return await self._carry_out(stage, position, first, line) and await self._carry_out(
                stage, first.moved_to, second, line
            )
        if kind in (VerdictKind.RETRY, VerdictKind.MISCONFIGURED):
            given_up = await self._failed(stage, position, planned, sent, line.suspicion)
            if given_up:
                line.progress.forget()
            return given_up
        await self.gate.opened(sent.token)
        line.suspicion.cleared()
        ended = OutcomeKind.DEAD
        if kind is VerdictKind.DELIVERED:
            ended = OutcomeKind.DELIVERED if self._live else OutcomeKind.SKIPPED
        await self._end(stage, position, planned, ended, sent.decision, sent.attempt)
        line.progress.forget()
        return True

    async def _failed(self, stage: Stage, position: int, planned: Plan, sent: Sent, suspicion: Suspicion) -> bool:
        """Close the gate; or end a single call that fails again and again while others go through."""
        decision = sent.decision
        if sent.doubtful:
            suspicion.note(planned.sent, passed=self.gate.successes, failed=self.gate.failed)
        if suspicion.blames(answered=sent.attempt.status > 0):
            suspicion.cleared()
            repeated = Decision(VerdictKind.REJECT, "call_failed_repeatedly", decision.detail)
            await self._end(stage, position, planned, OutcomeKind.DEAD, repeated, sent.attempt)
            return True
        misconfigured = decision.verdict is VerdictKind.MISCONFIGURED
        seconds = await self.gate.closed(
            sent.token,
            decision.code,
            decision.detail,
            wait_s=decision.wait_s,
            cap_s=MISCONFIGURED_CAP_S if misconfigured else 60.0,
            slowly=decision.slowly,
        )
        level = self._log.error if misconfigured else self._log.warning
        level("waiting", destination=self.name, code=decision.code, next_attempt_s=round(seconds, 1))
        await self._journal.record_attempt(sent.attempt)
        return False

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
        if self._refusals is not None and kind is OutcomeKind.DELIVERED:
            self._refusals.sent(planned.items, decision.receipt)

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
