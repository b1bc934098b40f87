"""By which connection a stage reads its next batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Set
from typing import Protocol, TypeVar

from relay.journal.sqlite.readers import Readers
from relay.journal.sqlite.writer import Writer
from relay.model import Lane, Stage


class _Batch(Protocol):
    @property
    def waiting(self) -> Set[Lane]: ...


B = TypeVar("B", bound=_Batch)


class Batches:
    """A stage that has kept up reads by the writer, which has in memory what it wrote a moment ago.

    Another connection loses its memory with every commit, and one thread more costs the others time. A
    stage that is behind reads apart from the writer: what it wants may come slowly from the disk, and
    intake must not wait for that.
    """

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._kept_up: set[Stage] = set()

    async def read(self, stage: Stage, work: Callable[[sqlite3.Connection], B]) -> B:
        batch = await (self._writer.read(work) if stage in self._kept_up else self._readers.read(work))
        if stage.lane in batch.waiting:
            self._kept_up.discard(stage)
        else:
            self._kept_up.add(stage)
        return batch
