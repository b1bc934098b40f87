"""Journals in which many events wait, made once and copied for each run."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from bench import bodies
from relay.journal.sqlite import SqliteJournal
from relay.model import Webhook
from relay.pipeline.intake import new_event
from relay.renderer import build_sources
from relay.settings.loading import load

TOGETHER = 2_000


class Waiting:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copied_to(self, folder: Path, events: int) -> None:
        """Put a journal there in which so many wait."""
        made = self._folder / f"waiting-{events}.db"
        if not made.exists():
            asyncio.run(_fill(made.with_suffix(".new"), events))
            made.with_suffix(".new").rename(made)
            made.with_suffix(".new-turn").unlink(missing_ok=True)
        shutil.copyfile(made, folder / "relay.db")
        os.sync()  # so that writing it out is over when the measurement begins


async def _fill(path: Path, events: int) -> None:
    source = build_sources(load(None, bodies.SOURCE).options)["elasticpath"]
    journal = await SqliteJournal.open(path)
    webhooks = bodies.Webhooks()
    headers = {bodies.SECRET_HEADER.lower(): bodies.SECRET}
    try:
        for start in range(0, events, TOGETHER):
            numbers = range(start, min(events, start + TOGETHER))
            received = [source.receive(Webhook(headers, webhooks.body(number)), now_ms=0) for number in numbers]
            await journal.append_many(
                [new_event("elasticpath", one, received_at_ms=start, partitions=journal.partitions) for one in received]
            )
    finally:
        await journal.close()
