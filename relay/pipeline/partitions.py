"""Works the partitions of a stage beside each other, each in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from relay import logs
from relay.journal.protocol import Claim, CursorMoved, Journal, JournalUnavailable
from relay.pipeline.supervising import supervise
from relay.pipeline.wakeups import Stopping, Wakeups

JOURNAL_RETRY_S = 1.0

Work = Callable[[Claim], Awaitable[bool]]
"""Works a partition that is claimed; False when nothing was left behind that was there."""


async def work_partitions(
    stage: str, work_of: Callable[[int], Work], *, journal: Journal, wakeups: Wakeups, log: logs.Log
) -> None:
    """Until the relay stops; ``work_of`` gives the work of a partition, each time it begins (again)."""
    async with asyncio.TaskGroup() as group:
        for partition in range(journal.partitions):
            # Each by itself: a defect that one event meets stops its own line.
            line = partial(_work_partition, stage, partition, work_of, journal, wakeups, log)
            group.create_task(supervise(f"{stage}/{partition}", line, wakeups))


async def _work_partition(
    stage: str,
    partition: int,
    work_of: Callable[[int], Work],
    journal: Journal,
    wakeups: Wakeups,
    log: logs.Log,
) -> None:
    flag = wakeups.flag(stage, partition)
    work = work_of(partition)
    while not wakeups.stopping:
        flag.clear()
        try:
            async with journal.claim(stage, partition) as claim:
                worked = claim.held and await work(claim)
            if not worked:
                await flag.wait()
        except Stopping:
            return
        except CursorMoved:
            continue
        except JournalUnavailable as error:
            log.warning("journal_unavailable", stage=stage, detail=str(error))
            try:
                await wakeups.pause(JOURNAL_RETRY_S)
            except Stopping:
                return
