"""Puts the lines of the two stages together, with what they share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.app.clock import now_ms
from relay.destinations import build_destination
from relay.destinations.contract import Destination, RefusesLater
from relay.http import HttpDoor
from relay.journal.protocol import Journal
from relay.model import deliver_stage, render_stage
from relay.pipeline.completing import Completer
from relay.pipeline.deliver import Delivery, DeliveryOptions
from relay.pipeline.earlier_calls import EarlierCalls
from relay.pipeline.gates import LineGate
from relay.pipeline.handling import Wanted
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.refusals import Refusals
from relay.pipeline.render import RenderLine
from relay.pipeline.render_process import RenderProcess
from relay.pipeline.wakeups import Wakeups
from relay.renderer import is_mapped, wants_earlier
from relay.settings.options import CommerceOptions, DestinationOptions, RelayOptions, SourceOptions
from relay.sources.contract import Source
from relay.templates.expressions import RequestExpressions
from relay.templates.library import Snapshot


@dataclass
class Stages:
    """Makes lines; ``gates`` are those of all that it made. ``first_wait_s`` is the wait after a first failure."""

    options: RelayOptions
    journal: Journal
    door: HttpDoor
    renderer: RenderProcess
    templates: Callable[[], Snapshot]
    wakeups: Wakeups
    observer: Observer
    first_wait_s: float
    gates: dict[str, LineGate] = field(default_factory=dict)

    def gate(self, name: str) -> LineGate:
        self.gates[name] = LineGate(
            name, self.journal, self.wakeups, now_ms, random.random, first_wait_s=self.first_wait_s
        )
        return self.gates[name]

    async def line(self, name: str, source: Source | None) -> RenderLine:
        """Of a source that is configured, or once was."""
        stage = render_stage(name)
        await self.journal.open_stage(stage, "beginning")
        return RenderLine(
            name,
            source=source,
            fetcher=build_completer(source, self.options.sources.get(name), self.door),
            gate=self.gate(stage),
            journal=self.journal,
            renderer=self.renderer,
            wakeups=self.wakeups,
            observer=self.observer,
            now_ms=now_ms,
        )

    async def delivery(self, name: str, options: DestinationOptions) -> Delivery:
        stage = deliver_stage(name)
        await self.journal.open_stage(stage, options.start)
        destination = build_destination(name, options, RequestExpressions())
        return Delivery(
            name,
            destination,
            delivery_options(options),
            gate=self.gate(stage),
            journal=self.journal,
            door=self.door,
            mapper=self.renderer,
            earlier=EarlierCalls(self.journal, wants_earlier(self.options, self.templates)),
            pace=build_pace(options.requests_per_second),
            wakeups=self.wakeups,
            observer=self.observer,
            now_ms=now_ms,
            refusals=self._refusals(name, destination, options),
        )

    def _refusals(self, name: str, destination: Destination, options: DestinationOptions) -> Refusals | None:
        """For a destination that tells later what it did not take."""
        if not isinstance(destination, RefusesLater) or options.mode != "live":
            return None
        return Refusals(
            name,
            destination,
            timeout_s=options.timeout_s,
            journal=self.journal,
            door=self.door,
            wakeups=self.wakeups,
            observer=self.observer,
            now_ms=now_ms,
        )


def delivery_options(options: DestinationOptions) -> DeliveryOptions:
    return DeliveryOptions(
        live=options.mode == "live",
        timeout_s=options.timeout_s,
        concurrency=options.concurrency,
        wanted=Wanted(options.sources, options.tracked_events),
        mapped=is_mapped(options),
    )


def build_pace(requests_per_second: float) -> Pace:
    return Pace(requests_per_second, clock=time.monotonic, sleep=asyncio.sleep, burst=burst_of(requests_per_second))


def burst_of(requests_per_second: float) -> int:
    """Slow ones have none: it would go beyond what their vendor allows in a second."""
    return max(1, min(5, int(requests_per_second / 20)))


def build_completer(source: Source | None, options: SourceOptions | None, door: HttpDoor) -> Completer | None:
    """The source's commerce connection, when one is configured."""
    commerce: CommerceOptions | None = getattr(options, "commerce", None)  # not every platform has one
    credentials = source.credentials() if source is not None else None
    if commerce is None or credentials is None:
        return None
    return Completer(
        credentials,
        base_url=commerce.base_url,
        timeout_s=commerce.timeout_s,
        door=door,
        pace=Pace(commerce.requests_per_second, clock=time.monotonic, sleep=asyncio.sleep),
        now_ms=now_ms,
    )
