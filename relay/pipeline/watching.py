"""Watches for work that another process wrote (`relay replay` beside a running relay)."""

from __future__ import annotations

from collections.abc import Iterable

from relay.journal.protocol import Journal, JournalUnavailable
from relay.pipeline.gates import LineGate
from relay.pipeline.wakeups import Stopping, Wakeups

LOOK_EVERY_S = 0.5


async def watch(journal: Journal, wakeups: Wakeups, gates: Iterable[LineGate]) -> None:
    """Wake every line when another process wrote, and let gates see it. Ends when the relay stops."""
    seen = True
    try:
        while True:
            await wakeups.pause(LOOK_EVERY_S)
            try:
                if await journal.changed() or not seen:
                    seen = False
                    for gate in gates:
                        await gate.refresh()
                    wakeups.wake_all()
                    seen = True
            except JournalUnavailable:
                # The lines meet the same trouble themselves and say so.
                continue
    except Stopping:
        return
