"""Quarantine, once more: what proves genuine with today's configuration is let in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.journal.protocol import Journal
from relay.model import NewEvent, Quarantined, QuarantineId
from relay.pipeline.intake import new_event
from relay.pipeline.verifying import Verifier
from relay.sources.contract import Refused, Source

PAGE = 100


@dataclass
class Rechecked:
    """How many requests were found genuine, what became of them, and why others were not."""

    genuine: int = 0
    appended: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By code."""


async def recheck(
    journal: Journal, sources: Mapping[str, Source], verifier: Verifier, source: str | None, *, run: bool
) -> Rechecked:
    """Verify all in quarantine, or of one source, oldest first; with ``run`` make events of the genuine.

    They come after what is stored by now, in their own order, and keep their times of arrival.
    """
    told = Rechecked()
    after = QuarantineId(0)
    while page := await journal.read_quarantine(source, after=after, limit=PAGE):
        after = page[-1].id
        genuine: list[tuple[QuarantineId, NewEvent]] = []
        for item in page:
            try:
                genuine.append((item.id, _event(item, sources, verifier, journal.partitions)))
            except Refused as refusal:
                told.refused[refusal.code] += 1
        told.genuine += len(genuine)
        if run and genuine:
            appended = [answer for answer in await journal.release(genuine) if answer is not None]
            told.duplicates += sum(answer.duplicate for answer in appended)
            told.appended += sum(not answer.duplicate for answer in appended)
    return told


def _event(item: Quarantined, sources: Mapping[str, Source], verifier: Verifier, partitions: int) -> NewEvent:
    if item.source not in sources:
        raise Refused("unknown_source", item.source)
    received = sources[item.source].recheck(item, verifier.was_presented(item))
    return new_event(item.source, received, received_at_ms=item.received_at_ms, partitions=partitions)
