"""What to do with the calls behind a cursor: which go into the next request, which end without. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.destinations.contract import Destination, Record, Unfit
from relay.destinations.packing import fitting
from relay.model import Call, CallId, NewOutcome, OutcomeKind


@dataclass(frozen=True, slots=True)
class Item:
    """A call and its record, or the outcome it has without being sent."""

    call: Call
    record: Record | None
    outcome: NewOutcome | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of one request, in order, with those between them that end without being sent."""

    items: Sequence[Item]

    @property
    def records(self) -> list[Record]:
        return [item.record for item in self.items if item.record is not None]

    @property
    def sent(self) -> list[Call]:
        return [item.call for item in self.items if item.record is not None]

    @property
    def moved_to(self) -> CallId:
        return self.items[-1].call.id

    def halves(self) -> tuple[Plan, Plan]:
        """Two plans of about the same number of records, in order."""
        middle = len(self.records) // 2
        seen = 0
        for index, item in enumerate(self.items):
            seen += item.record is not None
            if seen == middle:
                return Plan(self.items[: index + 1]), Plan(self.items[index + 1 :])
        raise AssertionError("a plan of fewer than two records cannot be split")

    def outcomes(self, destination: str, kind: OutcomeKind, code: str, detail: str, at_ms: int) -> list[NewOutcome]:
        """One outcome for every item: its own, or the given one for what was sent."""
        return [item.outcome or outcome(destination, item.call, kind, code, detail, at_ms) for item in self.items]


def outcome(destination: str, call: Call, kind: OutcomeKind, code: str, detail: str, at_ms: int) -> NewOutcome:
    return NewOutcome(call.event_id, call.id, destination, call.message_id, kind, code, detail, at_ms)


def plan(
    name: str,
    destination: Destination,
    calls: Sequence[Call],
    delivered: set[str],
    *,
    at_ms: int,
    most: int,
) -> Plan:
    """The next request's worth of ``calls``.

    ``delivered`` are message ids that went to this destination before; ``most`` bounds the records
    further than the destination's own limit. The plan ends before a call that repeats a message id
    of the same plan: only when the first one's end is known can the second one's be.
    """
    items: list[Item] = []
    seen: set[str] = set()
    for call in calls:
        if not call.text:
            items.append(Item(call, None, outcome(name, call, OutcomeKind.SKIPPED, "forgotten", "", at_ms)))
            continue
        if call.message_id in delivered:
            ended = outcome(name, call, OutcomeKind.DUPLICATE, "already_delivered", "", at_ms)
            items.append(Item(call, None, ended))
            continue
        if call.message_id in seen:
            break
        record = destination.record(call)
        if isinstance(record, Unfit):
            ended = outcome(name, call, OutcomeKind.DEAD, record.code, record.detail, at_ms)
            items.append(Item(call, None, ended))
            continue
        seen.add(call.message_id)
        items.append(Item(call, record, None))
    return _cut(items, destination, most)


def _cut(items: list[Item], destination: Destination, most: int) -> Plan:
    records = [item.record for item in items if item.record is not None]
    room = min(most, fitting(records, destination.limits))
    taken = 0
    for index, item in enumerate(items):
        if item.record is not None:
            if taken == room:
                return Plan(items[:index])
            taken += 1
    return Plan(items)
