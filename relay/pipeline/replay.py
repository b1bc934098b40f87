"""Replay: events are appended anew in the replay lane, and rendered with today's templates or given the calls of then.

History is never edited. Message ids come from what happened, so a fact that was delivered already
ends as `duplicate` instead of being sent again, unless it is forced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from relay.journal.protocol import Journal
from relay.model import Event, EventId, Lane, NewEvent, Selection
from relay.pipeline.handling import USUAL, Handling

PAGE_EVENTS = 200


async def replay(
    journal: Journal,
    selection: Selection,
    now_ms: int,
    *,
    handling: Handling = USUAL,
    as_rendered: bool = False,
    pace: Callable[[int], Awaitable[None]] | None = None,
) -> AsyncIterator[int]:
    """Append what the selection names, oldest first; yields the number appended so far.

    An event that was replayed before is meant by its original, as long as that and its body are kept. With
    ``as_rendered`` the calls are those that it made then. ``pace`` waits before so many are added.
    """
    chosen = await originals(journal, selection)
    ids = list(chosen)
    done = 0
    for start in range(0, len(ids), PAGE_EVENTS):
        found = await _found(journal, {event_id: chosen[event_id] for event_id in ids[start : start + PAGE_EVENTS]})
        kept = [event for event in found if event.body]
        if kept and pace is not None:
            await pace(len(kept))
        if kept:
            await journal.append_many([_anew(event, now_ms, handling, as_rendered=as_rendered) for event in kept])
        done += len(kept)
        yield done


class Prospect(NamedTuple):
    """How many of the chosen events `replay` appends, and how many it leaves out, and why."""

    appended: int
    expired: int
    """Their bodies are gone."""
    forgotten: int


async def prospect(journal: Journal, chosen: Mapping[EventId, EventId]) -> Prospect:
    """What `replay` would make of these `originals`."""
    ids = list(chosen)
    appended = found_events = 0
    for start in range(0, len(ids), PAGE_EVENTS):
        found = await _found(journal, {event_id: chosen[event_id] for event_id in ids[start : start + PAGE_EVENTS]})
        appended += sum(bool(event.body) for event in found)
        found_events += len(found)
    return Prospect(appended, found_events - appended, len(ids) - found_events)


async def _found(journal: Journal, chosen: Mapping[EventId, EventId]) -> list[Event]:
    """One for each, ascending, unless it was forgotten: the original, or the replay if only that has a body."""
    events = {event.id: event for event in await journal.events(list(chosen))}
    bodiless = {first: last for first, last in chosen.items() if first not in events or not events[first].body}
    replays = {event.id: event for event in await journal.events(list(bodiless.values()))}
    for first, last in bodiless.items():
        if last in replays and (first not in events or replays[last].body):
            events.pop(first, None)
            events[last] = replays[last]
    return [event for _, event in sorted(events.items()) if event.forgotten_at_ms is None]


async def originals(journal: Journal, selection: Selection) -> Mapping[EventId, EventId]:
    """Ids of what `replay` appends anew, each once, oldest first, with the latest replay of each that is selected."""
    found: dict[EventId, EventId] = {}
    before: EventId | None = None
    while page := await journal.find(selection, limit=PAGE_EVENTS, before=before):
        for summary in page:
            found.setdefault(summary.replay_of or summary.id, summary.id)
        before = page[-1].id
    return dict(sorted(found.items()))


def _anew(event: Event, now_ms: int, handling: Handling, *, as_rendered: bool) -> NewEvent:
    if as_rendered:
        handling = replace(handling, as_rendered=event.id)
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
        replay_of=event.replay_of or event.id,
        options=handling.text(),
    )
