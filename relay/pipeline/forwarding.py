"""What a worker process observes, gathered and handed to the process that counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from relay.model import OutcomeKind
from relay.pipeline.observing import Observer

EVERY_S = 0.1


class Forwarder:
    """Implements `relay.pipeline.observing.Observer`. ``send`` gets what came together, at most ten times a second."""

    def __init__(self, send: Callable[[Sequence[tuple[str, tuple[Any, ...]]]], None]) -> None:
        self._send = send
        self._seen: list[tuple[str, tuple[Any, ...]]] = []

    def webhook(self, source: str, result: str) -> None:
        self._note("webhook", source, result)

    def ended(self, source_or_destination: str, kind: OutcomeKind, code: str, count: int) -> None:
        self._note("ended", source_or_destination, kind, code, count)

    def attempt(self, destination: str, verdict: str, code: str, duration_s: float, calls: int) -> None:
        self._note("attempt", destination, str(verdict), code, duration_s, calls)

    def warned(self, source: str, tracked_event: str, code: str) -> None:
        self._note("warned", source, tracked_event, code)

    def flush(self) -> None:
        seen, self._seen = self._seen, []
        if seen:
            self._send(seen)

    def _note(self, name: str, *values: Any) -> None:
        if not self._seen:
            asyncio.get_running_loop().call_later(EVERY_S, self.flush)
        self._seen.append((name, values))


def heard(observer: Observer, seen: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
    """Let ``observer`` see what a `Forwarder` saw."""
    for name, values in seen:
        getattr(observer, name)(*values)
