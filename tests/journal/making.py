"""What goes into a journal, in short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.journal.protocol import Journal
from relay.model import (
    Call,
    Event,
    EventId,
    Lane,
    NewAttempt,
    NewCall,
    NewEvent,
    NewOutcome,
    NewQuarantined,
    OutcomeKind,
    Stage,
)

RENDER = Stage("render:shop", Lane.LIVE, 0)
DELIVER = Stage("deliver:segment", Lane.LIVE, 0)
NOW_MS = 1_700_000_000_000


def event(key: str = "1", **other: Any) -> NewEvent:
    fields: dict[str, Any] = {
        "lane": Lane.LIVE,
        "partition": 0,
        "source": "shop",
        "topic": "order.paid",
        "delivery_key": key,
        "entity": f"order:{key}",
        "occurred_at_ms": None,
        "received_at_ms": NOW_MS,
        "headers": "{}",
        "body": b'{"id":1}',
    }
    return NewEvent(**(fields | other))


def call(event_id: EventId, message_id: str, **other: Any) -> NewCall:
    fields: dict[str, Any] = {
        "tracked_event": "order_completed",
        "text": '{"type":"track","event":"Order Completed"}',
        "template_version": "v1",
    }
    return NewCall(event_id=event_id, message_id=message_id, **(fields | other))


def ended(item: Call | Event, kind: OutcomeKind = OutcomeKind.DELIVERED, **other: Any) -> NewOutcome:
    """The end of a call at Segment, or of an event before any destination."""
    is_call = isinstance(item, Call)
    fields: dict[str, Any] = {
        "event_id": item.event_id if isinstance(item, Call) else item.id,
        "call_id": item.id if is_call else None,
        "destination": "segment" if is_call else "",
        "message_id": item.message_id if isinstance(item, Call) else "",
        "kind": kind,
        "code": "accepted",
        "detail": "",
        "at_ms": NOW_MS,
    }
    return NewOutcome(**(fields | other))


def attempt(calls: Sequence[Call], **other: Any) -> NewAttempt:
    fields: dict[str, Any] = {
        "destination": "segment",
        "lane": Lane.LIVE,
        "partition": 0,
        "started_at_ms": NOW_MS,
        "duration_ms": 12,
        "status": 200,
        "verdict": "delivered",
        "code": "accepted",
        "calls": len(calls),
        "first_call": calls[0].id,
        "last_call": calls[-1].id,
        "answer": '{"success":true}',
    }
    return NewAttempt(**(fields | other))


def quarantined(number: int = 1, source: str = "shop", **other: Any) -> NewQuarantined:
    fields: dict[str, Any] = {
        "headers": "{}",
        "body": f"not json {number}".encode(),
        "code": "body_not_json",
        "detail": f"number {number}",
        "received_at_ms": NOW_MS + number,
    }
    return NewQuarantined(source=source, **(fields | other))


@dataclass
class Line:
    """A small pipeline: what waits is rendered to one call each, and delivered."""

    journal: Journal
    render: Stage = RENDER
    deliver: Stage = DELIVER
    opened: bool = field(default=False, init=False)

    async def open(self) -> None:
        if not self.opened:
            await self.journal.open_stage(self.render.name, "beginning")
            await self.journal.open_stage(self.deliver.name, "beginning")
            self.opened = True

    async def append(self, *events: NewEvent) -> list[EventId]:
        return [answer.event_id for answer in await self.journal.append_many(events)]

    async def render_all(self, **fields: Any) -> Sequence[Event]:
        """Each waiting event becomes a call whose message id is ``m`` and the delivery key."""
        await self.open()
        batch = await self.journal.read_events(self.render, 1000)
        if batch.events:
            await self.journal.settle_events(
                self.render,
                position=batch.position,
                moved_to=batch.events[-1].id,
                calls=[call(e.id, f"m{e.delivery_key}", **fields) for e in batch.events],
                outcomes=[],
                keys=[(e.id, e.entity) for e in batch.events],
            )
        return batch.events

    async def deliver_all(self, kind: OutcomeKind = OutcomeKind.DELIVERED, **fields: Any) -> Sequence[Call]:
        await self.open()
        batch = await self.journal.read_calls(self.deliver, 1000)
        if batch.calls:
            destination = self.deliver.name.partition(":")[2]
            await self.journal.settle_calls(
                self.deliver,
                position=batch.position,
                moved_to=batch.calls[-1].id,
                outcomes=[ended(c, kind, destination=destination, **fields) for c in batch.calls],
                attempt=attempt(
                    batch.calls, destination=destination, lane=self.deliver.lane, partition=self.deliver.partition
                ),
            )
        return batch.calls

    async def run(self, *events: NewEvent) -> list[EventId]:
        """All the way."""
        ids = await self.append(*events)
        await self.render_all()
        await self.deliver_all()
        return ids
