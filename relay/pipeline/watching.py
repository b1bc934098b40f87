"""Watches for work that another process wrote (`relay replay` beside a running relay)."""

from __future__ import annotations

from relay.journal.protocol import Journal, JournalUnavailable
from relay.pipeline.wakeups import Stopping, Wakeups

LOOK_EVERY_S = 0.5


async def watch(journal: Journal, wakeups: Wakeups) -> None:
    """Wake every line when another process wrote. Ends when the relay stops."""
    try:
        while True:
            await wakeups.pause(LOOK_EVERY_S)
            try:
                if await journal.changed():
                    wakeups.wake_all()
            except JournalUnavailable:
                # The lines meet the same trouble themselves and say so.
                continue
    except Stopping:
        return
