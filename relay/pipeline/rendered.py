"""What rendering takes and gives.

Apart from the stage, so that the render process, which starts anew after a hostile template, loads nothing of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from relay.model import Event, EventId, NewCall, NewOutcome, OutcomeKind


class Warned(NamedTuple):
    """A call departs from the specification or the tracking plan and is sent all the same."""

    tracked_event: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.tracked_event}: {self.detail} [{self.code}]"


class Rendered(NamedTuple):
    """What became of one event."""

    calls: Sequence[NewCall]
    outcomes: Sequence[NewOutcome]
    keys: Sequence[str]
    warnings: Sequence[Warned] = ()


class Task(NamedTuple):
    """An event with what was fetched for it, or with the reason why it cannot be completed."""

    event: Event
    fetched: Mapping[str, Any]
    missing: str = ""


def ended(event_id: EventId, kind: OutcomeKind, code: str, detail: str, at_ms: int) -> NewOutcome:
    """An outcome that came before any destination."""
    return NewOutcome(event_id, None, "", "", kind, code, detail, at_ms)
