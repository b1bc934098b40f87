"""Replay: events are appended anew in the replay lane and rendered with today's templates.

History is never edited. Message ids come from what happened, so a fact that was delivered already
ends as `duplicate` instead of being sent again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from relay.journal.protocol import Journal
from relay.model import Event, EventId, Lane, NewEvent, Selection

PAGE_EVENTS = 200


async def replay(journal: Journal, selection: Selection, now_ms: int) -> AsyncIterator[int]:
    """Append what the selection names, oldest first; yields the number appended so far.

    An event that was replayed before is meant by its original.
    """
    chosen = await originals(journal, selection)
    done = 0
    for start in range(0, len(chosen), PAGE_EVENTS):
        events = await journal.events(chosen[start : start + PAGE_EVENTS])
        kept = [event for event in events if event.forgotten_at_ms is None and event.body]
        await journal.append_many([_anew(event, now_ms) for event in kept])
        done += len(kept)
        yield done


async def without_body(journal: Journal, event_ids: Sequence[EventId]) -> int:
    """How many of these have outlived their body, so that `replay` leaves them out."""
    found = 0
    for start in range(0, len(event_ids), PAGE_EVENTS):
        events = await journal.events(event_ids[start : start + PAGE_EVENTS])
        found += sum(event.forgotten_at_ms is None and not event.body for event in events)
    return found


async def originals(journal: Journal, selection: Selection) -> Sequence[EventId]:
    """Ids of what `replay` appends anew, each once, oldest first."""
    ids: set[EventId] = set()
    before: EventId | None = None
    while page := await journal.find(selection, limit=PAGE_EVENTS, before=before):
        ids.update(summary.replay_of or summary.id for summary in page)
        before = page[-1].id
    return sorted(ids)


def _anew(event: Event, now_ms: int) -> NewEvent:
    return NewEvent(
        lane=Lane.REPLAY,
        partition=event.partition,
        source=event.source,
        topic=event.topic,
        delivery_key=event.delivery_key,
        entity=event.entity,
        occurred_at_ms=event.occurred_at_ms,
        received_at_ms=now_ms,
        headers=event.headers,
        body=event.body,
        replay_of=event.id,
    )
