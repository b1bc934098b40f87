"""What to do with the calls behind a cursor: which go into the next request, which end without. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from relay.destinations.contract import Destination, Record, Unfit
from relay.destinations.packing import fitting, requests
from relay.model import Call, CallId, NewOutcome, OutcomeKind
from relay.pipeline.mapping import Ended, MappedCall

_UNMAPPED = MappedCall()


@dataclass(frozen=True, slots=True)
class Item:
    """A call and its records, or the outcome it has without being sent."""

    call: Call
    records: Sequence[Record]
    outcome: NewOutcome | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls in order: those of one request with those between them that end without being sent.

    Or one call alone, when its records take several requests.
    """

    items: Sequence[Item]
    requests: Sequence[Sequence[Record]]

    @property
    def sent(self) -> list[Call]:
        return [item.call for item in self.items if item.records]

    @property
    def moved_to(self) -> CallId:
        return self.items[-1].call.id

    def halves(self) -> tuple[Plan, Plan]:
        """Two plans of about the same number of calls sent, in order."""
        middle = len(self.sent) // 2
        seen = 0
        for index, item in enumerate(self.items):
            seen += bool(item.records)
            if seen == middle:
                return _in_one_request(self.items[: index + 1]), _in_one_request(self.items[index + 1 :])
        raise AssertionError("a plan that sends fewer than two calls cannot be split")

    def outcomes(self, destination: str, kind: OutcomeKind, code: str, detail: str, at_ms: int) -> list[NewOutcome]:
        """One outcome for every item: its own, or the given one for what was sent."""
        return [item.outcome or outcome(destination, item.call, kind, code, detail, at_ms) for item in self.items]


def outcome(destination: str, call: Call, kind: OutcomeKind, code: str, detail: str, at_ms: int) -> NewOutcome:
    return NewOutcome(call.event_id, call.id, destination, call.message_id, kind, code, detail, at_ms)


def plan(
    name: str,
    destination: Destination,
    calls: Sequence[Call],
    delivered: Set[str],
    mapped: Mapping[CallId, MappedCall],
    *,
    at_ms: int,
    most: int,
) -> Plan:
    """The next request's worth of ``calls``.

    ``delivered`` are message ids that went to this destination before; ``mapped`` is what mappings
    made of calls, if there are any; ``most`` bounds the calls further than the destination's own
    limit. The plan ends before a call that repeats a message id of the same plan: only when the
    first one's end is known can the second one's be.
    """
    items: list[Item] = []
    seen: set[str] = set()
    for call in calls:
        if call.message_id in seen and call.text and call.message_id not in delivered:
            break
        made = _records(destination, call, delivered, mapped.get(call.id, _UNMAPPED), at_ms)
        if isinstance(made, Ended):
            items.append(Item(call, (), outcome(name, call, *made, at_ms)))
            continue
        seen.add(call.message_id)
        items.append(Item(call, made, None))
    return _cut(items, destination, most)


def _records(
    destination: Destination, call: Call, delivered: Set[str], mapped: MappedCall, at_ms: int
) -> Sequence[Record] | Ended:
    if not call.text:
        return Ended(OutcomeKind.SKIPPED, "body_expired" if call.forgotten_at_ms is None else "forgotten", "")
    if call.message_id in delivered:
        return Ended(OutcomeKind.DUPLICATE, "already_delivered", "")
    if mapped.ended is not None:
        return mapped.ended
    made = destination.records(call, mapped.records, now_ms=at_ms)
    if isinstance(made, Unfit):
        return Ended(OutcomeKind.SKIPPED if made.skipped else OutcomeKind.DEAD, made.code, made.detail)
    return made


def _cut(items: list[Item], destination: Destination, most: int) -> Plan:
    room = fitting([record for item in items for record in item.records], destination.limits)
    taken = calls = 0
    for index, item in enumerate(items):
        if not item.records:
            continue
        taken += len(item.records)
        calls += 1
        if calls == 1 and taken > room:
            return Plan(items[: index + 1], requests(item.records, destination.limits))
        if taken > room or calls > most:
            return _in_one_request(items[:index])
    return _in_one_request(items)


def _in_one_request(items: Sequence[Item]) -> Plan:
    records = [record for item in items for record in item.records]
    return Plan(items, [records] if records else [])
