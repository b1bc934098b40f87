"""The work of `relay pull` and `relay reconcile`, on real connections."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from relay.app import build_completer, existing_journal, now_ms
from relay.cli.history import Reject, Wanted
from relay.codes import RelayError
from relay.http import HttpDoor
from relay.journal.protocol import Journal
from relay.model import Event, JsonObject, NewEvent, Selection
from relay.pipeline import backfill, pulling, replay
from relay.pipeline.completing import Completer
from relay.pipeline.pacing import Pace
from relay.pipeline.reconciling import Difference, Reconciled, Reconciler
from relay.pipeline.rendered import Task
from relay.pipeline.rows import Row
from relay.renderer import build_library, build_renderer, open_source, tracking
from relay.settings.loading import Loaded
from relay.sources.history import HISTORIES, History

WAITING = pulling.Waiting(asyncio.sleep, random.random)


@dataclass(frozen=True, slots=True)
class Pulling:
    """What is to be read of a source's platform, and what is made of it."""

    loaded: Loaded
    wanted: Wanted
    since_ms: int
    until_ms: int

    @property
    def history(self) -> History:
        """Raises RelayError for a platform without a list that can be asked for."""
        platform = self.loaded.options.sources[self.wanted.source].platform
        if platform not in HISTORIES:
            raise RelayError(
                "bad_argument",
                f"{platform} has no list of orders that the relay can ask for; {', '.join(HISTORIES)} have.",
                "Export its orders to a file: `relay backfill`.",
            )
        return HISTORIES[platform]()

    async def added(self, reject: Reject, per_second: float) -> AsyncIterator[backfill.Told]:
        """Append what orders tell, at most so many events a second."""
        pace = Pace(per_second, clock=time.monotonic, sleep=asyncio.sleep)
        told = backfill.Told()
        async with self._pages() as (pages, _), existing_journal(self.loaded) as journal:
            maker = self._maker(journal.partitions)
            async for page in pages:
                made = maker.made(_rows(page, told), now_ms())
                async for _ in backfill.run(journal, made, reject, pace.turns, told):
                    yield told

    async def counted(self, reject: Reject) -> AsyncIterator[backfill.Told]:
        """Render what orders tell, and store nothing."""
        told = backfill.Told()
        render = build_renderer(self.loaded.options, build_library(self.loaded).snapshot)
        maker = self._maker(self.loaded.options.journal.partitions)
        async with self._pages() as (pages, completer):
            async for page in pages:
                made = maker.made(_rows(page, told), now_ms())
                async for _ in backfill.count(made, reject, render, self._fetching(completer), now_ms(), told):
                    yield told

    async def reconciled(self, *, fix: bool) -> Reconciled:
        """Compare, and with ``fix`` append what is missing and replay what was not delivered."""
        render = build_renderer(self.loaded.options, build_library(self.loaded).snapshot)
        live = [name for name, options in self.loaded.options.destinations.items() if options.mode == "live"]
        destinations = [name for name in live if not self.wanted.to or name in self.wanted.to]
        async with self._pages() as (pages, completer), existing_journal(self.loaded) as journal:
            fetch = self._fetching(completer)
            reconciler = Reconciler(journal, self.wanted.source, destinations, render, fetch, now_ms)
            maker = self._maker(journal.partitions)
            async for page in pages:
                for order in page:
                    (made,) = maker.made([Row(0, order)], now_ms())
                    found = await reconciler.compare(
                        self.history.identifier(order), self.history.made_at(order), made.events
                    )
                    if fix:
                        await _fix(journal, made.events, found)
            return reconciler.told

    @asynccontextmanager
    async def _pages(self) -> AsyncIterator[tuple[AsyncIterator[Sequence[JsonObject]], Completer]]:
        source = open_source(self.loaded, self.wanted.source)
        history = self.history
        async with HttpDoor(self.loaded.options.outgoing) as door:
            completer = build_completer(source, self.loaded.options.sources[self.wanted.source], door)
            if completer is None:
                table = f"sources.{self.wanted.source}.commerce"
                raise RelayError(
                    "config_missing",
                    f"{table} is not set.",
                    "Add it: `relay config --options` lists what belongs to it, docs/sources.md tells where to get it.",
                )
            yield (
                pulling.orders(history, completer, self.since_ms, self.until_ms, WAITING),
                completer,
            )

    def _maker(self, partitions: int) -> backfill.Maker:
        topics: dict[str, list[str]] = {}
        for topic, names in tracking(self.loaded.options.sources[self.wanted.source]).by_topic.items():
            for name in names:
                topics.setdefault(name, []).append(topic)
        history = self.history

        def shape(order: JsonObject) -> list[tuple[str | None, JsonObject]]:
            """Of what is tracked."""
            facts = [fact for fact in history.facts(order) if fact.tracked_event in topics]
            return [(_topic(topics[fact.tracked_event], fact.topic), fact.document) for fact in facts]

        return backfill.Maker(
            self.wanted.source,
            open_source(self.loaded, self.wanted.source),
            shape,
            None,
            {},
            self.wanted.handling,
            partitions,
        )

    def _fetching(self, completer: Completer) -> backfill.Fetch:
        source = open_source(self.loaded, self.wanted.source)

        async def fetch(event: Event) -> Task:
            return await pulling.completed(completer, source, event, WAITING)

        return fetch


def _topic(of_tracked_event: Sequence[str], meant: str | None) -> str:
    return meant if meant is not None and meant in of_tracked_event else of_tracked_event[0]


def _rows(page: Sequence[JsonObject], told: backfill.Told) -> list[Row]:
    return [Row(told.rows + index, order) for index, order in enumerate(page, start=1)]


async def _fix(journal: Journal, events: Sequence[NewEvent], found: Sequence[Difference]) -> None:
    if any(one.kind == "missing" for one in found):
        await journal.append_many(events)
    ids = tuple(one.event_id for one in found if one.kind == "undelivered" and one.event_id is not None)
    if ids:
        async for _ in replay.replay(journal, Selection(event_ids=ids), now_ms()):
            pass
