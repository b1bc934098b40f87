"""Backfill: history comes in as the webhooks that would have told it, in a lane behind live traffic.

The same templates make the same calls with the same message ids, so that what came by webhook and
comes by backfill counts once. A row that is read again, after a crash or in another file, is known
by its contents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, TypeAlias

import orjson

from relay.journal.protocol import Journal
from relay.model import Event, EventId, JsonObject, Lane, NewEvent, OutcomeKind, Webhook
from relay.pipeline.handling import Handling
from relay.pipeline.intake import new_event
from relay.pipeline.rendered import Rendered, Task
from relay.pipeline.rows import Row
from relay.sources.contract import Refused, Source
from relay.templates.diagnostics import TemplateFailure

PAGE_EVENTS = 200
REVENUE_OF = "order_completed"


Shape: TypeAlias = Callable[[JsonObject], Sequence[tuple[str | None, JsonObject]]]
"""Makes bodies of webhooks from a row, each with a topic of its own or none. Raises `TemplateFailure` or ValueError."""


Fetch: TypeAlias = Callable[[Event], Awaitable[Task]]
"""Gives an event with the documents that complete it, or with the reason why there are none."""


async def nothing_fetched(event: Event) -> Task:
    """Without a commerce connection."""
    return Task(event, {})


def as_it_is(row: JsonObject) -> Sequence[tuple[str | None, JsonObject]]:
    """A row that is a body itself."""
    return [(None, row)]


@dataclass(frozen=True, slots=True)
class Made:
    """What a row became: events, or the reason why it is rejected."""

    row: Row
    events: Sequence[NewEvent] = ()
    why: str = ""


@dataclass
class Told:
    """What a backfill did, or would do."""

    rows: int = 0
    appended: int = 0
    known: int = 0
    """Events that the journal holds already."""
    rejected: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """By tracked event. Counted before it is run."""
    endings: Counter[str] = field(default_factory=Counter)
    """Of events that make no call, by code."""
    revenue: dict[str, float] = field(default_factory=dict)
    """By currency, of Order Completed."""
    undated: int = 0
    """Events of rows that tell no time, and so happen when they are read."""
    first_ms: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes events of rows for one source, which asks for no proof of where they come from."""

    name: str
    source: Source
    shape: Shape
    topic: str | None
    headers: Mapping[str, str]
    handling: Handling
    partitions: int

    def made(self, rows: Iterable[Row], now_ms: int) -> Iterator[Made]:
        for row in rows:
            if row.problem:
                yield Made(row, why=row.problem)
                continue
            try:
                shaped = self.shape(row.value)
                yield Made(row, [self._event(topic or self.topic, body, now_ms) for topic, body in shaped])
            except TemplateFailure as failure:
                yield Made(row, why=failure.diagnostic.log_line())
            except Refused as refusal:
                yield Made(row, why=f"{refusal.code}: {refusal.detail}")
            except ValueError as error:
                yield Made(row, why=str(error))

    def _event(self, topic: str | None, document: JsonObject, now_ms: int) -> NewEvent:
        webhook = self.source.historic(topic, document)
        webhook = Webhook({**webhook.headers, **self.headers}, webhook.body)
        received = self.source.receive(webhook, now_ms=now_ms)
        event = new_event(self.name, received, received_at_ms=now_ms, partitions=self.partitions)
        return event._replace(
            lane=Lane.BACKFILL, delivery_key=self._key(received.topic, document), options=self.handling.text()
        )

    def _key(self, topic: str, document: JsonObject) -> str:
        """The same row is the same delivery, as long as it is meant for the same destinations."""
        said = orjson.dumps([topic, self.handling.text(), document], option=orjson.OPT_SORT_KEYS)
        return f"backfill:{sha256(said).hexdigest()[:40]}"


async def run(
    journal: Journal,
    made: Iterable[Made],
    reject: Callable[[Row, str], None],
    pace: Callable[[int], Awaitable[None]],
    told: Told,
) -> AsyncIterator[Told]:
    """Append what rows became; adds to ``told`` and gives it after each page.

    ``pace`` waits before so many events are added.
    """
    rows = iter(made)
    while page := list(islice(rows, PAGE_EVENTS)):
        events = _taken(told, page, reject)
        if events:
            await pace(len(events))
            appended = await journal.append_many(events)
            told.known += sum(answer.duplicate for answer in appended)
            told.appended += sum(not answer.duplicate for answer in appended)
        yield told


async def count(
    made: Iterable[Made],
    reject: Callable[[Row, str], None],
    render: Callable[[str, Sequence[Task], int], Sequence[Rendered]],
    fetch: Fetch,
    now_ms: int,
    told: Told,
) -> AsyncIterator[Told]:
    """What `run` would do, without doing it; adds to ``told`` and gives it after each page."""
    rows = iter(made)
    while page := list(islice(rows, PAGE_EVENTS)):
        for event in _taken(told, page, reject):
            stored = as_stored(event)
            rendered = render(event.source, [await fetch(stored)], now_ms)[0]
            for call in rendered.calls:
                told.calls[call.tracked_event] += 1
                _add_revenue(told, call.tracked_event, call.text)
            told.endings.update(
                outcome.code for outcome in rendered.outcomes if outcome.kind is not OutcomeKind.DELIVERED
            )
        yield told


def _taken(told: Told, page: Sequence[Made], reject: Callable[[Row, str], None]) -> list[NewEvent]:
    told.rows += len(page)
    for made in page:
        if made.why:
            told.rejected += 1
            reject(made.row, made.why)
    events = [event for made in page for event in made.events]
    for event in events:
        if event.occurred_at_ms == event.received_at_ms:
            told.undated += 1
        elif event.occurred_at_ms is not None:
            told.first_ms = min(told.first_ms or event.occurred_at_ms, event.occurred_at_ms)
            told.last_ms = max(told.last_ms or event.occurred_at_ms, event.occurred_at_ms)
    return events


def as_stored(event: NewEvent) -> Event:
    """As rendering gets it once it is in the journal."""
    return Event(
        id=EventId(0),
        lane=event.lane,
        partition=event.partition,
        source=event.source,
        topic=event.topic,
        delivery_key=event.delivery_key,
        entity=event.entity,
        occurred_at_ms=event.occurred_at_ms,
        received_at_ms=event.received_at_ms,
        headers=event.headers,
        body=event.body,
        replay_of=None,
        options=event.options,
    )


def _add_revenue(told: Told, tracked_event: str, text: str) -> None:
    if tracked_event != REVENUE_OF:
        return
    properties: dict[str, Any] = orjson.loads(text).get("properties", {})
    amount = next((v for name in ("total", "revenue") if isinstance(v := properties.get(name), int | float)), 0)
    currency = str(properties.get("currency", "?"))
    told.revenue[currency] = round(told.revenue.get(currency, 0) + amount, 4)
