"""What other templates would make of the same events: calls, fields, counts, revenue, errors. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from relay.cases.comparing import Difference, differences
from relay.model import EventId, NewCall, NewOutcome, OutcomeKind

ORDER_COMPLETED = "Order Completed"


@dataclass(frozen=True, slots=True)
class Side:
    """What one set of templates makes of an event."""

    calls: Sequence[NewCall]
    outcomes: Sequence[NewOutcome]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One call that differs. ``kind`` is `changed`, `added` or `removed`; only the first has differences."""

    event_id: EventId
    tracked_event: str
    kind: str
    differences: Sequence[Difference] = ()


@dataclass(slots=True)
class Sums:
    """Of all calls of one side. Money by currency, exact; an order counts once."""

    calls: Counter[str] = field(default_factory=Counter)
    revenue: dict[str, Decimal] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)

    def add(self, tracked_event: str, call: Mapping[str, Any]) -> None:
        self.calls[tracked_event] += 1
        properties = call.get("properties")
        if call.get("event") != ORDER_COMPLETED or not isinstance(properties, dict):
            return
        self.orders.add(str(properties.get("order_id")))
        amount = properties.get("revenue", properties.get("total"))
        if isinstance(amount, int | float) and not isinstance(amount, bool):
            currency = str(properties.get("currency", "?"))
            self.revenue[currency] = self.revenue.get(currency, Decimal(0)) + Decimal(str(amount))


@dataclass(slots=True)
class Report:
    """The difference over all events.

    ``errors`` are of events that are dead with the candidate only; ``warnings`` count what is warned
    of with the candidate only.
    """

    events: int = 0
    changes: list[Change] = field(default_factory=list)
    errors: list[NewOutcome] = field(default_factory=list)
    mended: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)

    @property
    def revenue_changed(self) -> bool:
        return self.before.revenue != self.after.revenue or self.before.orders != self.after.orders

    def fields(self) -> Counter[str]:
        """How many calls each path differs in; indexes of arrays are left out of the path."""
        counted: Counter[str] = Counter()
        for change in self.changes:
            counted.update({f"{change.tracked_event}: {_general(found.path)}" for found in change.differences})
        return counted


def compare(pairs: Iterable[tuple[EventId, Side, Side]]) -> Report:
    """``pairs`` are events with what the present templates make of them, and the candidate."""
    report = Report()
    for event_id, before, after in pairs:
        report.events += 1
        report.changes += _changes(event_id, _read(before, report.before), _read(after, report.after))
        failed_before, failed_after = _dead(before), _dead(after)
        report.errors += [outcome for outcome in failed_after if not failed_before]
        report.warnings.update(warned for warned in after.warnings if warned not in before.warnings)
        report.mended += bool(failed_before and not failed_after)
    return report


def _read(side: Side, sums: Sums) -> list[tuple[str, str, dict[str, Any]]]:
    """(message id, tracked event, call) of each call; counts them."""
    calls = [(call.message_id, call.tracked_event, orjson.loads(call.text)) for call in side.calls]
    for _, tracked_event, call in calls:
        sums.add(tracked_event, call)
    return calls


def _changes(
    event_id: EventId, before: Sequence[tuple[str, str, Any]], after: Sequence[tuple[str, str, Any]]
) -> list[Change]:
    """Calls belong together when they state the same fact; else when they are the same in number and kind."""
    left = {message_id: (tracked_event, call) for message_id, tracked_event, call in before}
    right = {message_id: (tracked_event, call) for message_id, tracked_event, call in after}
    gone = [key for key in left if key not in right]
    new = [key for key in right if key not in left]
    changes = [_changed(event_id, left[key], right[key]) for key in left if key in right]
    for old_key in list(gone):
        match = next((key for key in new if right[key][0] == left[old_key][0]), None)
        if match is not None:
            gone.remove(old_key)
            new.remove(match)
            rekeyed = Difference("messageId", old_key, match)
            found = [rekeyed, *differences(left[old_key][1], right[match][1])]
            changes.append(Change(event_id, left[old_key][0], "changed", found))
    changes += [Change(event_id, left[key][0], "removed") for key in gone]
    changes += [Change(event_id, right[key][0], "added") for key in new]
    return [change for change in changes if change.kind != "changed" or change.differences]


def _changed(event_id: EventId, before: tuple[str, Any], after: tuple[str, Any]) -> Change:
    return Change(event_id, before[0], "changed", [*differences(before[1], after[1])])


def _dead(side: Side) -> list[NewOutcome]:
    return [outcome for outcome in side.outcomes if outcome.kind is OutcomeKind.DEAD]


def _general(path: str) -> str:
    """``properties.products[3].price`` as ``properties.products[].price``."""
    head, *rest = path.split("[")
    return head + "".join("[" + part if part.startswith('"') else "[]" + part.partition("]")[2] for part in rest)
