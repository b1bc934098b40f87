"""Reconciliation: the platform's own orders against what the journal holds and delivered.

Every order is rendered as if its webhooks came now. Message ids come from what happened, so they
are those of the calls that were made then, if they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import orjson

from relay.journal.protocol import Journal
from relay.model import EventId, JsonObject, NewCall, NewEvent, Outcome, OutcomeKind, Selection
from relay.pipeline.backfill import Fetch, as_stored
from relay.pipeline.rendered import Rendered, Task

Kind: TypeAlias = Literal["missing", "undelivered", "differs"]
MOST_EVENTS = 50
"""Of one order that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``missing``: never came. ``undelivered``: came, but not to every destination. ``differs``: another total."""

    order: str
    made_at: str
    tracked_event: str
    kind: Kind
    detail: str
    event_id: EventId | None
    """The stored event behind it, if there is one."""


@dataclass
class Sums:
    """Totals of Order Completed on one day, by currency."""

    platform: dict[str, float] = field(default_factory=dict)
    journal: dict[str, float] = field(default_factory=dict)


@dataclass
class Reconciled:
    orders: int = 0
    differences: list[Difference] = field(default_factory=list)
    days: dict[str, Sums] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the journal holds of an order: calls by message id with their event, and how events ended."""

    calls: Mapping[str, tuple[EventId, str]]
    outcomes: Mapping[str, Sequence[Outcome]]


class Reconciler:
    """Compares orders of one source. ``destinations`` are those that should have had every call."""

    def __init__(
        self,
        journal: Journal,
        source: str,
        destinations: Sequence[str],
        render: Callable[[str, Sequence[Task], int], Sequence[Rendered]],
        fetch: Fetch,
        now_ms: Callable[[], int],
    ) -> None:
        self.told = Reconciled()
        self._journal = journal
        self._source = source
        self._destinations = destinations
        self._render = render
        self._fetch = fetch
        self._now_ms = now_ms

    async def compare(self, order: str, made_at: str, events: Sequence[NewEvent]) -> Sequence[Difference]:
        """Note and return what of an order is not as it should be; ``events`` are those that would tell it now."""
        calls: dict[str, NewCall] = {}
        for event in map(as_stored, events):
            rendered = self._render(self._source, [await self._fetch(event)], self._now_ms())
            calls |= {call.message_id: call for result in rendered for call in result.calls}
        known = await self._known(order)
        found = [difference for call in calls.values() for difference in await self._of(order, made_at, call, known)]
        self.told.orders += 1
        self.told.differences += found
        return found

    async def _known(self, order: str) -> _Known:
        calls: dict[str, tuple[EventId, str]] = {}
        outcomes: dict[str, list[Outcome]] = {}
        for summary in await self._journal.find(Selection(source=self._source, key=order), limit=MOST_EVENTS):
            timeline = await self._journal.timeline(summary.id)
            if timeline is None:
                continue
            delivered = {one.call_id for one in timeline.outcomes if one.kind is OutcomeKind.DELIVERED}
            for call in timeline.calls:
                # What a destination has counts; before that, what came last.
                if call.id in delivered or call.message_id not in calls:
                    calls[call.message_id] = (call.event_id, call.text)
            for outcome in timeline.outcomes:
                outcomes.setdefault(outcome.message_id, []).append(outcome)
        return _Known(calls, outcomes)

    async def _of(self, order: str, made_at: str, call: NewCall, known: _Known) -> list[Difference]:
        there = [name for name in self._destinations if await self._journal.delivered(name, [call.message_id])]
        event_id, text = known.calls.get(call.message_id, (None, ""))
        self._sum(made_at, call, text if text or not there else call.text)
        if event_id is None and len(there) < len(self._destinations):
            return [Difference(order, made_at, call.tracked_event, "missing", "", None)]
        kept_back = {
            outcome.destination
            for outcome in known.outcomes.get(call.message_id, ())
            if outcome.kind is OutcomeKind.SKIPPED
        }
        missing = [name for name in self._destinations if name not in there and name not in kept_back]
        found = []
        if missing:
            at = ", ".join(missing)
            found.append(Difference(order, made_at, call.tracked_event, "undelivered", at, event_id))
        if text and _total(text) != _total(call.text):
            detail = f"{_money(text)} in the journal, {_money(call.text)} at the platform"
            found.append(Difference(order, made_at, call.tracked_event, "differs", detail, event_id))
        return found

    def _sum(self, made_at: str, call: NewCall, stored: str) -> None:
        if call.tracked_event != "order_completed":
            return
        day = self.told.days.setdefault(made_at[:10], Sums())
        for sums, text in ((day.platform, call.text), (day.journal, stored)):
            currency, amount = _total(text)
            if amount is not None:
                sums[currency] = round(sums.get(currency, 0) + amount, 4)


def _total(text: str) -> tuple[str, float | None]:
    """Currency and total of a call; of one whose text was erased nothing is known."""
    properties: JsonObject = orjson.loads(text).get("properties", {}) if text else {}
    total = properties.get("total", properties.get("revenue"))
    return str(properties.get("currency", "?")), total if isinstance(total, int | float) else None


def _money(text: str) -> str:
    currency, amount = _total(text)
    return f"{amount:.2f} {currency}" if amount is not None else "no total"
