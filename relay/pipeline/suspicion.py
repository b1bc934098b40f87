"""What one line of a destination remembers of its latest attempts, to find a record that cannot be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.destinations.contract import Answer, Decision, Record
from relay.model import Call, CallId, VerdictKind

SUSPECT_AFTER = 5
"""Failures of one line in a row after which its next requests get smaller, to find a bad record."""
DEAD_AFTER = 10
"""Failures of a single call, with others going through between them, after which it is dead."""


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

    def most_calls(self, limit: int) -> int:
        """Halved with each failure once suspicious, down to one."""
        return max(1, limit >> max(0, self.failures - SUSPECT_AFTER + 1))


@dataclass(slots=True)
class Progress:
    """Which requests of a call that takes several were taken already: they are not sent again."""

    call: CallId | None = None
    taken: set[tuple[bytes, ...]] = field(default_factory=set)

    def note(self, call: Call, records: Sequence[Record]) -> None:
        if call.id != self.call:
            self.call = call.id
            self.taken.clear()
        self.taken.add(_bodies(records))

    def forget(self) -> None:
        """The call has ended."""
        self.call = None
        self.taken.clear()

    def holds(self, call: Call, records: Sequence[Record]) -> bool:
        return call.id == self.call and _bodies(records) in self.taken


NOT_DONE = frozenset({501, 503, 505})
"""Statuses of server errors that say that nothing was done."""


@dataclass(slots=True)
class Doubt:
    """Which calls an earlier attempt may have delivered without our hearing of it."""

    calls: set[CallId] = field(default_factory=set)

    def settled(self, sent: Sequence[Call], answer: Answer, decision: Decision) -> Decision:
        """What the decision is for calls that may have been taken before."""
        ids = {call.id for call in sent}
        if (answer.status == 0 and answer.reached) or (answer.status >= 500 and answer.status not in NOT_DONE):
            self.calls |= ids
            return decision
        if decision.if_doubtful is not None and ids & self.calls:
            decision = decision.if_doubtful
        if decision.verdict not in (VerdictKind.RETRY, VerdictKind.SPLIT, VerdictKind.MISCONFIGURED):
            self.calls -= ids
        return decision


def _bodies(records: Sequence[Record]) -> tuple[bytes, ...]:
    return tuple(record.body for record in records)
