"""Records that a vendor took and refused afterwards: it is asked for them, and their calls become dead letters.

What was sent lately is remembered here; what was sent before a restart is found in the journal.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from relay import logs
from relay.destinations.contract import Answer, Refusal, RefusesLater, Request
from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import Call, NewOutcome, OutcomeKind, Selection
from relay.pipeline.observing import Observer
from relay.pipeline.planning import Item, outcome
from relay.pipeline.wakeups import Wakeups

CODE = "refused_later"
REMEMBERED = 20_000
"""Records of which it is known by heart which call they came from."""
ASKED_FOR_S = 3_600.0
"""How long after the last request the vendor is still asked: it checks in its own time."""
SKEW_MS = 60_000
"""How far the vendor's clock may be behind ours, and its time of refusal before our hearing of the request."""
LOOKED_AT = 20
"""Events in the journal that may have made a record."""


class Door(Protocol):
    async def send(self, request: Request, *, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A record on its way: its call, and the vendor's receipt of the request."""

    call: Call
    receipt: str
    at_ms: int


class Refusals:
    """Those of one destination."""

    def __init__(
        self,
        name: str,
        destination: RefusesLater,
        *,
        timeout_s: float,
        journal: Journal,
        door: Door,
        wakeups: Wakeups,
        observer: Observer,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._destination = destination
        self._timeout_s = timeout_s
        self._journal = journal
        self._door = door
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._sent: OrderedDict[str, list[Sent]] = OrderedDict()
        self._seen: set[str] = set()
        self._last_sent_ms = now_ms()
        self._something = asyncio.Event()
        self._log = logs.get("refusals")

    def sent(self, items: Sequence[Item], receipt: str) -> None:
        """Remember what was taken just now."""
        self._last_sent_ms = self._now_ms()
        for item in items:
            # Its text would fill the memory, and outlive the call's own erasure.
            sent = Sent(item.call._replace(text=""), receipt, self._last_sent_ms)
            for record in item.records:
                before = self._sent.pop(record.name, [])
                self._sent[record.name] = [*before[-9:], sent]
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        self._something.set()

    async def run(self) -> None:
        """Ask as long as something was sent within the hour; at the start too, for what was sent before."""
        while True:
            self._something.clear()
            await self.ask()
            if self._now_ms() - self._last_sent_ms > ASKED_FOR_S * 1000:
                await self._wakeups.pause(None, self._something)
            await self._wakeups.pause(self._destination.poll_every_s)

    async def ask(self) -> None:
        """Ask once."""
        answer = await self._door.send(self._destination.poll(), timeout_s=self._timeout_s)
        found = self._destination.read_poll(answer)
        if answer.status != 200:
            return  # The destination's own attempts tell what is wrong with it.
        known, self._seen = self._seen, {refusal.identity for refusal in found}
        for refusal in found:
            if refusal.identity in known:
                continue
            try:
                await self._place(refusal)
            except JournalUnavailable:
                self._seen.discard(refusal.identity)  # so that it is placed when the vendor lists it again

    async def _place(self, refusal: Refusal) -> None:
        call = self._remembered(refusal) or await self._found(refusal)
        if call is None:
            self._log.warning("refusal_unplaced", destination=self._name, record=refusal.record.partition("/")[0])
            return
        ended = outcome(self._name, call, OutcomeKind.DEAD, CODE, refusal.detail, self._now_ms())
        if await self._journal.record_refused([ended]):
            self._tell(ended)

    def _remembered(self, refusal: Refusal) -> Call | None:
        """By the receipt, or else the latest that was sent before the refusal."""
        candidates = self._sent.get(refusal.record, [])
        exact = [sent for sent in candidates if refusal.receipt and sent.receipt == refusal.receipt]
        if not exact and not refusal.receipt:
            exact = [sent for sent in candidates if refusal.at_ms is None or sent.at_ms <= refusal.at_ms + SKEW_MS]
        return exact[-1].call if exact else None

    async def _found(self, refusal: Refusal) -> Call | None:
        """In the journal, by the record's own id: the latest call that names it and went out before the refusal."""
        identifier = refusal.record.partition("/")[2]
        if not identifier or refusal.at_ms is None:
            return None
        selection = Selection(key=identifier, destination=self._name, outcome=OutcomeKind.DELIVERED)
        for summary in await self._journal.find(selection, limit=LOOKED_AT):
            timeline = await self._journal.timeline(summary.id)
            if timeline is None:
                continue
            delivered = {
                ended.call_id
                for ended in timeline.outcomes
                if ended.destination == self._name
                and ended.kind is OutcomeKind.DELIVERED
                and ended.at_ms <= refusal.at_ms + SKEW_MS
            }
            for call in timeline.calls:
                if call.id in delivered and _names(call, identifier):
                    return call
        return None

    def _tell(self, ended: NewOutcome) -> None:
        self._log.error("dead", destination=self._name, event_id=ended.event_id, call_id=ended.call_id, code=ended.code)
        self._observer.ended(self._name, ended.kind, ended.code, 1)


def _names(call: Call, identifier: str) -> bool:
    if not call.text:
        return False
    properties = orjson.loads(call.text).get("properties")
    return isinstance(properties, dict) and identifier in (properties.get("order_id"), properties.get("product_id"))
