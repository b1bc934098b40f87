"""The deliver stage: calls go out in batches, and how they ended is written down.

One `Delivery` a destination, one line a partition in it. A line reads behind its cursor, sends, and
settles: outcomes, attempt and cursor in one transaction. Whatever was sent and not settled is sent
again with the same message ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from relay import logs
from relay.destinations.contract import Answer, AsksFirst, Decision, Destination, Record, Request, Unpackable
from relay.journal.protocol import Claim, CursorMoved, Journal, JournalUnavailable
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
from relay.pipeline.handling import ALL, Wanted
from relay.pipeline.mapping import MappedCall, Mapper, MapTask
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.planning import Plan, plan
from relay.pipeline.refusals import Refusals
from relay.pipeline.supervising import supervise
from relay.pipeline.suspicion import DEAD_AFTER, Doubt, Progress, Suspicion
from relay.pipeline.wakeups import Stopping, Wakeups

JOURNAL_RETRY_S = 1.0
LEAST_READ = 20
"""Calls read at once, also where a request holds fewer."""
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
    wanted: Wanted = ALL
    mapped: bool = False
    """Whether calls go through the mapper, for a mapping or a condition."""


@dataclass(slots=True)
class Line:
    """What the line of one partition remembers between its rounds."""

    suspicion: Suspicion = field(default_factory=Suspicion)
    progress: Progress = field(default_factory=Progress)
    doubt: Doubt = field(default_factory=Doubt)
    mapped: dict[CallId, MappedCall] = field(default_factory=dict)
    """Of the calls behind the cursor, so that a try again maps nothing again."""
    generation: int = -1
    """Of the templates that made ``mapped``."""
    claim: Claim | None = None


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
        self._destination = destination
        self._options = options
        self._journal = journal
        self._door = door
        self._mapper = mapper
        self._earlier = earlier
        self._pace = pace
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._refusals = refusals
        self._room = asyncio.Semaphore(options.concurrency)
        self._log = logs.get("deliver")

    async def run(self) -> None:
        """Work until the relay stops."""
        await self.gate.load()
        if self.gate.state.code not in ("rate_limited", ""):
            self.gate.retry_at_once()
        async with asyncio.TaskGroup() as group:
            if self._refusals is not None:
                group.create_task(supervise(f"refusals:{self.name}", self._refusals.run, self._wakeups))
            for partition in range(self._journal.partitions):
                # Each by itself: a defect that one event meets stops its own line.
                work = partial(self._run_partition, partition)
                group.create_task(supervise(f"{deliver_stage(self.name)}/{partition}", work, self._wakeups))

    async def _run_partition(self, partition: int) -> None:
        flag = self._wakeups.flag(deliver_stage(self.name), partition)
        line = Line()
        while not self._wakeups.stopping:
            flag.clear()
            try:
                async with self._journal.claim(deliver_stage(self.name), partition) as claim:
                    line.claim = claim
                    worked = claim.held and await self._work(partition, line)
                    # What another node would send again, having no memory of it, this one ends.
                    while worked and line.progress.call is not None and claim.held and not self._wakeups.stopping:
                        worked = await self._work(partition, line)
                if not worked:
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

    async def _work(self, partition: int, line: Line) -> bool:
        """Deliver one request's worth from the first lane that has any; False when none has."""
        for lane in Lane:
            stage = Stage(deliver_stage(self.name), lane, partition)
            batch = await self._journal.read_calls(stage, self._read_limit)
            if batch.calls:
                await self._deliver(stage, batch, line)
                return True
        return False

    @property
    def _read_limit(self) -> int:
        return max(LEAST_READ, self._destination.limits.max_records)

    async def _deliver(self, stage: Stage, batch: CallBatch, line: Line) -> None:
        delivered = await self._journal.delivered(self.name, [call.message_id for call in batch.calls])
        calls = await self._map(batch.calls, delivered, line)
        planned = plan(
            self.name,
            self._destination,
            calls,
            delivered,
            line.mapped,
            at_ms=self._now_ms(),
            most=line.suspicion.most_calls(self._destination.limits.max_records),
        )
        await self._carry_out(stage, batch.position, planned, line)

    async def _map(self, calls: Sequence[Call], delivered: set[str], line: Line) -> Sequence[Call]:
        """Fill ``line.mapped``; returns the calls before the first that is not mapped yet, at least one."""
        before = line.mapped if line.generation == self._mapper.generation else {}
        line.generation, line.mapped = self._mapper.generation, {}
        unmapped = []
        for call in calls:
            if not call.text or call.message_id in delivered:
                continue
            refused = self._options.wanted.refuses(self.name, call)
            if refused is not None:
                line.mapped[call.id] = MappedCall(ended=refused)
            elif call.id in before:
                line.mapped[call.id] = before[call.id]
            elif self._options.mapped:
                unmapped.append(call)
        if not unmapped:
            return calls
        made = await self._mapper.map(self.name, await self._tasks(unmapped), self._now_ms())
        line.mapped.update((call.id, mapped) for call, mapped in zip(unmapped, made, strict=False))
        if len(made) == len(unmapped):
            return calls
        return calls[: calls.index(unmapped[len(made)])]

    async def _tasks(self, calls: Sequence[Call]) -> list[MapTask]:
        events = {event.id: event for event in await self._journal.events([call.event_id for call in calls])}
        fetched = {event_id: await self._journal.fetched(event_id) for event_id in events}
        return [
            MapTask(
                call,
                events.get(call.event_id),
                fetched.get(call.event_id, {}),
                await self._earlier(self.name, call),
            )
            for call in calls
        ]

    async def _carry_out(self, stage: Stage, position: int, planned: Plan, line: Line) -> bool:
        """Send and settle a plan; False when it has to be tried again later."""
        if not planned.requests:
            await self._settle(stage, position, planned, planned.outcomes(self.name, OutcomeKind.DEAD, "", "", 0), None)
            return True
        *before, last = planned.requests
        for records in before:
            if line.progress.holds(planned.sent[0], records):
                continue
            attempt, decision, token = await self._attempt(stage, planned, records, line)
            if decision.verdict is not VerdictKind.DELIVERED:
                return await self._judge(stage, position, planned, line, attempt, decision, token)
            await self.gate.opened(token)
            await self._journal.record_attempt(attempt)
            line.progress.note(planned.sent[0], records)
        attempt, decision, token = await self._attempt(stage, planned, last, line)
        return await self._judge(stage, position, planned, line, attempt, decision, token)

    async def _judge(
        self,
        stage: Stage,
        position: int,
        planned: Plan,
        line: Line,
        attempt: NewAttempt,
        decision: Decision,
        token: int,
    ) -> bool:
        """Do what the answer to a plan's last request means, or to one before that was not taken."""
        kind = decision.verdict
        if kind is VerdictKind.SPLIT and len(planned.sent) > 1:
            await self._journal.record_attempt(attempt)
            first, second = planned.halves()
            return await self._carry_out(stage, position, first, line) and await self._carry_out(
                stage, first.moved_to, second, line
            )
        if kind in (VerdictKind.RETRY, VerdictKind.MISCONFIGURED):
            given_up = await self._failed(stage, position, planned, decision, attempt, token, line.suspicion)
            if given_up:
                line.progress.forget()
            return given_up
        await self.gate.opened(token)
        line.suspicion.cleared()
        ended = OutcomeKind.DEAD
        if kind is VerdictKind.DELIVERED:
            ended = OutcomeKind.DELIVERED if self._options.live else OutcomeKind.SKIPPED
        await self._end(stage, position, planned, ended, decision, attempt)
        line.progress.forget()
        return True

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
            slowly=decision.slowly,
        )
        level = self._log.error if misconfigured else self._log.warning
        level("waiting", destination=self.name, code=decision.code, next_attempt_s=round(seconds, 1))
        await self._journal.record_attempt(attempt)
        return False

    async def _attempt(
        self, stage: Stage, planned: Plan, records: Sequence[Record], line: Line
    ) -> tuple[NewAttempt, Decision, int]:
        """Make one request; in test mode make it without sending it."""
        asked_at_ms, waits = self._now_ms(), self.gate.state.failures > 0
        async with self._room, self.gate.passage() as token:
            await self._pace.turn()
            started_at_ms = self._now_ms()
            if waits or started_at_ms - asked_at_ms > STALE_MS:
                await self._still_wanted(stage, planned)
            if line.claim is not None and not line.claim.held:
                raise CursorMoved(f"{stage.name}/{stage.partition} may be another node's by now")
            whole = await self._completed(records)
            request = whole if isinstance(whole, Decision) else self._packed(whole, started_at_ms)
            answer = None
            if self._options.live and isinstance(request, Request):
                answer = await self._door.send(request, timeout_s=self._options.timeout_s)
            ended_at_ms = self._now_ms()
        if isinstance(request, Decision):
            decision = request
        elif answer is None:
            decision = Decision(VerdictKind.DELIVERED, "test_mode", "")
        else:
            read = self._destination.decide(answer, records=len(records), now_ms=ended_at_ms)
            decision = line.doubt.settled(planned.sent, answer, read)
            if decision.verdict is VerdictKind.DELIVERED and decision.wait_s is not None:
                self._pace.hold(decision.wait_s)
        calls = planned.sent
        attempt = NewAttempt(
            destination=self.name,
            lane=stage.lane,
            partition=stage.partition,
            started_at_ms=started_at_ms,
            duration_ms=max(0, ended_at_ms - started_at_ms),
            status=answer.status if answer is not None else 0,
            verdict="test" if decision.code == "test_mode" else decision.verdict,
            code=decision.code,
            calls=len(calls),
            first_call=calls[0].id,
            last_call=calls[-1].id,
            answer=decision.detail[:500],
            request=request.shown_body.decode("utf-8", "replace")
            if isinstance(request, Request) and not answer
            else "",
        )
        self._tell(attempt)
        return attempt, decision, token

    async def _completed(self, records: Sequence[Record]) -> Sequence[Record] | Decision:
        """With what the destination has to ask its vendor for first; or why that cannot be had."""
        if not (self._options.live and isinstance(self._destination, AsksFirst)):
            return records
        question = self._destination.question(records)
        if question is None:
            return records
        answer = await self._door.send(question, timeout_s=self._options.timeout_s)
        return self._destination.completed(records, answer, now_ms=self._now_ms())

    def _packed(self, records: Sequence[Record], now_ms: int) -> Request | Decision:
        try:
            return self._destination.request(records, now_ms=now_ms, failures=self.gate.state.failures)
        except Unpackable as error:
            return Decision(VerdictKind.SPLIT, error.code, error.detail)

    async def _still_wanted(self, stage: Stage, planned: Plan) -> None:
        """Raises `CursorMoved`, so that all is read anew, when a call was forgotten while this waited."""
        batch = await self._journal.read_calls(stage, self._read_limit)
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


def _text(request: Request | Decision) -> str:
    """The body that would have been sent."""
    return request.shown_body.decode("utf-8", "replace") if isinstance(request, Request) else ""
