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


DEAD_AFTER_SILENCE = 20
"""The same of failures without an answer, which say less of the call."""
MOSTLY = 3
"""While it fails without an answer, others have to pass so many times as often as they fail."""


@dataclass(slots=True)
class Suspicion:
    """One line's failures in a row, and of its latest call sent alone those that came beside others' successes."""

    failures: int = 0
    alone: CallId | None = None
    beside_others: int = 0
    others_passed: int = 0
    others_failed: int = 0
    """Requests of other lines, since the call is sent alone."""
    passed: int = 0
    failed: int = 0
    """Requests of the whole destination, at the latest failure."""

    def note(self, sent: Sequence[Call], *, passed: int, failed: int) -> None:
        """A failure; ``passed`` and ``failed`` are the requests of the whole destination before it."""
        alone = sent[0].id if len(sent) == 1 else None
        if alone is None or alone != self.alone:
            self._forget()
        else:
            self.beside_others += passed > self.passed
            self.others_passed += passed - self.passed
            self.others_failed += max(0, failed - self.failed - 1)  # the one is this line's own
        self.failures += 1
        self.alone, self.passed, self.failed = alone, passed, failed

    def cleared(self) -> None:
        self.failures = 0
        self._forget()

    def blames(self, *, answered: bool) -> bool:
        """Whether the call that is sent alone is at fault, and not the other side or the way to it."""
        if answered:
            return self.beside_others >= DEAD_AFTER
        return self.beside_others >= DEAD_AFTER_SILENCE and self.others_passed >= MOSTLY * self.others_failed

    def most_calls(self, limit: int) -> int:
        """Halved with each failure once suspicious, down to one."""
        return max(1, limit >> max(0, self.failures - SUSPECT_AFTER + 1))

    def _forget(self) -> None:
        self.beside_others = self.others_passed = self.others_failed = 0


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
