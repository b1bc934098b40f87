"""Puts the relay together."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from relay.app.clock import now_ms
from relay.app.running import Relay, Role
from relay.destinations import build_destination
from relay.destinations.contract import RefusesLater
from relay.http import HttpDoor
from relay.model import deliver_stage, render_stage
from relay.opening import open_journal, verifier
from relay.pipeline.completing import Completer
from relay.pipeline.deliver import Delivery, DeliveryOptions
from relay.pipeline.earlier_calls import EarlierCalls
from relay.pipeline.forwarding import heard
from relay.pipeline.gates import FIRST_WAIT_S, LineGate
from relay.pipeline.handling import Wanted
from relay.pipeline.intake import Intake
from relay.pipeline.key_keeping import KeyKeeper
from relay.pipeline.observing import Observer
from relay.pipeline.pacing import Pace
from relay.pipeline.refusals import Refusals
from relay.pipeline.reloading import Reloading
from relay.pipeline.render import RenderLine
from relay.pipeline.render_process import RenderProcess
from relay.pipeline.retention import Keep, Retention
from relay.pipeline.source_states import SourceWatch
from relay.pipeline.standing import Standing
from relay.pipeline.wakeups import Wakeups
from relay.pipeline.worker_process import WorkerProcess
from relay.renderer import Hello, build_library, build_mapper, build_sources, is_mapped, wants_earlier
from relay.settings.loading import Loaded
from relay.settings.options import CommerceOptions, DestinationOptions, RelayOptions, SourceOptions
from relay.sources.contract import Source
from relay.sources.segment.source import Segment
from relay.templates.expressions import RequestExpressions
from relay.web.health import Health
from relay.web.metrics import Metrics
from relay.web.site import Site
from relay.web.tracking import TrackingApi
from relay.web.webhooks import Webhooks


@asynccontextmanager
async def build(
    loaded: Loaded,
    url: str | None,
    *,
    role: Role = Role.ALL,
    first_wait_s: float = FIRST_WAIT_S,
    observer: Observer | None = None,
) -> AsyncIterator[Relay]:
    """A relay that is ready to run at ``url``; ``first_wait_s`` is its wait after a first failure.

    Without a ``url`` it works for another process, whose metrics ``observer`` stands for.
    """
    options = loaded.options
    splits = url is not None and role is Role.ALL and options.server.processes == 2
    role = Role.INTAKE if splits else role
    async with AsyncExitStack() as stack:
        wakeups = Wakeups()
        gates: dict[str, LineGate] = {}
        sources = build_sources(options)
        library = build_library(loaded, in_use=True)
        build_mapper(options, library.snapshot)  # so that a bad condition is told now
        commits: list[Callable[[float], None]] = []
        journal = await open_journal(
            loaded, exclusive=role.works, commit=lambda seconds: commits[0](seconds), waking=wakeups
        )
        stack.push_async_callback(journal.close)
        door = await stack.enter_async_context(HttpDoor(options.outgoing))
        renderer = RenderProcess(Hello(options, library.snapshot))
        stack.push_async_callback(renderer.close)
        if role.works:
            await renderer.start()
        render_names = sorted({*options.sources, *await journal.stage_sources()})
        stages = [*map(render_stage, render_names), *map(deliver_stage, options.destinations)]
        folder = Path(options.templates.folder)
        reloading = Reloading(library, folder, lambda snapshot: renderer.tell(Hello(options, snapshot)), wakeups)
        source_watch = SourceWatch(journal, list(options.sources), wakeups, now_ms)
        standing = Standing(journal, gates, stages, lambda: reloading.problems, source_watch.states, wakeups, now_ms)
        metrics = Metrics(
            standing.backlogs, standing.closed_gates, source_watch.states, standing.template_problems, now_ms
        )
        commits.append(metrics.commit)
        observer = observer or metrics

        def gate(name: str) -> LineGate:
            gates[name] = LineGate(name, journal, wakeups, now_ms, random.random, first_wait_s=first_wait_s)
            return gates[name]

        lines: dict[str, RenderLine] = {}
        for name in render_names if role.works else ():
            await journal.open_stage(render_stage(name), "beginning")
            lines[name] = RenderLine(
                name,
                source=sources.get(name),
                fetcher=build_completer(sources.get(name), options.sources.get(name), door),
                gate=gate(render_stage(name)),
                journal=journal,
                renderer=renderer,
                wakeups=wakeups,
                observer=observer,
                now_ms=now_ms,
            )
        deliveries: dict[str, Delivery] = {}
        for name, destination in options.destinations.items() if role.works else ():
            await journal.open_stage(deliver_stage(name), destination.start)
            built = build_destination(name, destination, RequestExpressions())
            deliveries[name] = Delivery(
                name,
                built,
                delivery_options(destination),
                gate=gate(deliver_stage(name)),
                journal=journal,
                door=door,
                mapper=renderer,
                earlier=EarlierCalls(journal, wants_earlier(options, lambda: library.snapshot)),
                pace=build_pace(destination.requests_per_second),
                wakeups=wakeups,
                observer=observer,
                now_ms=now_ms,
                refusals=Refusals(
                    name,
                    built,
                    timeout_s=destination.timeout_s,
                    journal=journal,
                    door=door,
                    wakeups=wakeups,
                    observer=observer,
                    now_ms=now_ms,
                )
                if isinstance(built, RefusesLater) and destination.mode == "live"
                else None,
            )
        worker = None
        if splits:
            for name in stages:
                await gate(name).load()
            worker = WorkerProcess(loaded, wakeups, partial(heard, metrics))
            stack.push_async_callback(worker.close)
            await worker.start()
            wakeups.forward = worker.wake
        keepers = build_keepers(sources, door) if role.takes else {}
        checked_by = await verifier(loaded, journal, lasting=True)
        intake = Intake(journal, sources, wakeups, metrics, now_ms, checked_by, keepers)
        limits = options.retention
        keep = Keep(limits.events_days, limits.dead_days, limits.quarantine_days, limits.bodies_days)
        yield Relay(
            options=options,
            role=role,
            journal=journal,
            wakeups=wakeups,
            standing=standing,
            metrics=metrics,
            lines=lines,
            deliveries=deliveries,
            gates=list(gates.values()),
            reloading=reloading,
            retention=Retention(journal, keep, stages, wakeups, now_ms),
            source_watch=source_watch,
            keepers=keepers,
            site=None
            if url is None
            else build_site(options, role, sources, intake, wakeups, Health(standing.readiness, metrics)),
            worker=worker,
            url=url or "",
        )


def build_site(
    options: RelayOptions, role: Role, sources: Mapping[str, Source], intake: Intake, wakeups: Wakeups, health: Health
) -> Site:
    max_body_bytes, trusted_proxies = options.server.max_body_bytes, options.server.trusted_proxies
    callers = {name: source for name, source in sources.items() if isinstance(source, Segment)}
    return Site(
        Webhooks(intake, wakeups, max_body_bytes=max_body_bytes, trusted_proxies=trusted_proxies),
        TrackingApi(callers, intake, wakeups, now_ms, max_body_bytes=max_body_bytes, trusted_proxies=trusted_proxies),
        health,
        takes=role.takes,
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


def build_keepers(sources: Mapping[str, Source], door: HttpDoor) -> dict[str, KeyKeeper]:
    """Of the sources whose platform signs with keys that it publishes."""
    sets = {name: source.key_set for name, source in sources.items()}
    return {
        name: KeyKeeper(name, keys, door=door, clock=time.monotonic) for name, keys in sets.items() if keys is not None
    }


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
