"""Keeps a stage at work: a bug in one must take down neither intake nor the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from relay import logs
from relay.pipeline.wakeups import Stopping, Wakeups

RESTART_AFTER_S = 5.0


async def supervise(name: str, run: Callable[[], Awaitable[None]], wakeups: Wakeups) -> None:
    """Run until the relay stops; what breaks is logged and begun again from its cursor."""
    log = logs.get("supervise")
    try:
        while not wakeups.stopping:
            try:
                await run()
            except Stopping:
                return
            except Exception:
                # Everything, since the reason is a defect we do not know; the journal holds the work.
                log.exception("stage_crashed", stage=name, restart_after_s=RESTART_AFTER_S)
                await wakeups.pause(RESTART_AFTER_S)
    except Stopping:
        return
