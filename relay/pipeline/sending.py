"""One request to a destination, and what its answer means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay import logs
from relay.destinations.contract import Answer, AsksFirst, Decision, Destination, Record, Request, Unpackable
from relay.journal.protocol import CursorMoved
from relay.model import NewAttempt, Stage, VerdictKind
from relay.pipeline.call_reading import CallReader
from relay.pipeline.gates import LineGate
from relay.pipeline.line import Line
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.planning import Plan

STALE_MS = 100
"""A request that waited longer for its turn is looked at again before it is sent."""
DOUBTFUL = frozenset({"server_error", "timeout"})
"""Codes of failures that may be a record's fault; the others are surely not."""


class Door(Protocol):
    """The way out to HTTP (`relay.http`)."""

    async def send(self, request: Request, *, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """``token`` is what the gate wants to be told the end with."""

    attempt: NewAttempt
    decision: Decision
    token: int
    doubtful: bool
    """Whether its failure may be a record's fault."""


class Sender:
    """Sends for the destination ``name``, as much at once as is allowed; if not ``live``, only makes the requests."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        *,
        live: bool,
        timeout_s: float,
        concurrency: int,
        gate: LineGate,
        reader: CallReader,
        door: Door,
        pace: Pace,
        observer: Observer,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._destination = destination
        self._live = live
        self._timeout_s = timeout_s
        self._gate = gate
        self._reader = reader
        self._door = door
        self._pace = pace
        self._observer = observer
        self._now_ms = now_ms
        self._room = asyncio.Semaphore(concurrency)
        self._log = logs.get("deliver")

    async def send(self, stage: Stage, planned: Plan, records: Sequence[Record], line: Line) -> Sent:
        """Make one request; in test mode make it without sending it."""
        asked_at_ms, waits = self._now_ms(), self._gate.state.failures > 0
        async with self._room, self._gate.passage() as token:
            await self._pace.turn()
            started_at_ms = self._now_ms()
            if waits or started_at_ms - asked_at_ms > STALE_MS:
                await self._reader.still_wanted(stage, planned)
            if line.claim is not None and not line.claim.held:
                raise CursorMoved(f"{stage.name}/{stage.partition} may be another node's by now")
            whole = await self._completed(records)
            request = whole if isinstance(whole, Decision) else self._packed(whole, started_at_ms)
            answer = None
            if self._live and isinstance(request, Request):
                answer = await self._door.send(request, timeout_s=self._timeout_s)
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
            destination=self._name,
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
            request=_text(request) if answer is None else "",
        )
        self._tell(attempt)
        unheard = answer is not None and answer.status == 0 and answer.reached
        doubtful = decision.wait_s is None and (decision.code in DOUBTFUL or unheard)
        return Sent(attempt, decision, token, doubtful)

    async def _completed(self, records: Sequence[Record]) -> Sequence[Record] | Decision:
        """With what the destination has to ask its vendor for first; or why that cannot be had."""
        if not (self._live and isinstance(self._destination, AsksFirst)):
            return records
        question = self._destination.question(records)
        if question is None:
            return records
        answer = await self._door.send(question, timeout_s=self._timeout_s)
        return self._destination.completed(records, answer, now_ms=self._now_ms())

    def _packed(self, records: Sequence[Record], now_ms: int) -> Request | Decision:
        try:
            return self._destination.request(records, now_ms=now_ms, failures=self._gate.state.failures)
        except Unpackable as error:
            return Decision(VerdictKind.SPLIT, error.code, error.detail)

    def _tell(self, attempt: NewAttempt) -> None:
        self._observer.attempt(self._name, attempt.verdict, attempt.code, attempt.duration_ms / 1000, attempt.calls)
        self._log.info(
            "attempt",
            destination=self._name,
            verdict=str(attempt.verdict),
            code=attempt.code,
            status=attempt.status,
            calls=attempt.calls,
            first_call=attempt.first_call,
            last_call=attempt.last_call,
            duration_ms=attempt.duration_ms,
            failures=self._gate.state.failures,
            lane=str(attempt.lane),
            partition=attempt.partition,
        )


def _text(request: Request | Decision) -> str:
    """The body that would have been sent."""
    return request.shown_body.decode("utf-8", "replace") if isinstance(request, Request) else ""
