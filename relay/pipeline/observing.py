"""What the pipeline tells of its work; `relay.web.metrics` counts it."""

from __future__ import annotations

from typing import Protocol

from relay.model import OutcomeKind


class Observer(Protocol):
    def webhook(self, source: str, result: str) -> None:
        """``result`` is `accepted`, `duplicate`, `ping`, `unavailable` or the code of a refusal.

        Or `challenged`: asked for its password.
        """

    def ended(self, source_or_destination: str, kind: OutcomeKind, code: str, count: int) -> None: ...

    def attempt(self, destination: str, verdict: str, code: str, duration_s: float, calls: int) -> None: ...

    def warned(self, source: str, tracked_event: str, code: str) -> None:
        """A call departs from the specification or the tracking plan and is sent all the same."""


class Silent:
    """Observes nothing; for commands that render without serving."""

    def webhook(self, source: str, result: str) -> None:
        pass

    def ended(self, source_or_destination: str, kind: OutcomeKind, code: str, count: int) -> None:
        pass

    def attempt(self, destination: str, verdict: str, code: str, duration_s: float, calls: int) -> None:
        pass

    def warned(self, source: str, tracked_event: str, code: str) -> None:
        pass
