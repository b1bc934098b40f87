"""Puts the relay together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from relay.app.clock import now_ms
from relay.app.running import Relay, Role
from relay.app.stages import Stages
from relay.http import HttpDoor
from relay.journal.protocol import Journal
from relay.model import deliver_stage, render_stage
from relay.opening import open_journal, verifier
from relay.pipeline.forwarding import heard
from relay.pipeline.gates import FIRST_WAIT_S, LineGate
from relay.pipeline.intake import Intake
from relay.pipeline.key_keeping import KeyKeeper
from relay.pipeline.observing import Observer
from relay.pipeline.reloading import Reloading
from relay.pipeline.render_process import RenderProcess
from relay.pipeline.retention import Keep, Retention
from relay.pipeline.source_states import SourceWatch
from relay.pipeline.standing import Standing
from relay.pipeline.wakeups import Wakeups
from relay.pipeline.worker_process import WorkerProcess
from relay.renderer import Hello, build_library, build_mapper, build_sources
from relay.settings.loading import Loaded
from relay.settings.options import RelayOptions
from relay.sources.contract import Source
from relay.sources.segment.source import Segment
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
        source_names = sorted({*options.sources, *await journal.stage_sources()})
        names = [*map(render_stage, source_names), *map(deliver_stage, options.destinations)]
        folder = Path(options.templates.folder)
        reloading = Reloading(library, folder, lambda snapshot: renderer.tell(Hello(options, snapshot)), wakeups)
        source_watch = SourceWatch(journal, list(options.sources), wakeups, now_ms)
        gates: dict[str, LineGate] = {}
        standing = Standing(journal, gates, names, lambda: reloading.problems, source_watch.states, wakeups, now_ms)
        metrics = Metrics(
            standing.backlogs, standing.closed_gates, source_watch.states, standing.template_problems, now_ms
        )
        commits.append(metrics.commit)
        stages = Stages(
            options,
            journal,
            door,
            renderer,
            lambda: library.snapshot,
            wakeups,
            observer or metrics,
            first_wait_s,
            gates,
        )
        worker = None
        if splits:
            for name in names:
                await stages.gate(name).load()
            worker = await build_worker(loaded, wakeups, metrics, stack)
        works = role.works
        lines = {name: await stages.line(name, sources.get(name)) for name in source_names if works}
        deliveries = {name: await stages.delivery(name, one) for name, one in options.destinations.items() if works}
        keepers = build_keepers(sources, door) if role.takes else {}
        relay = Relay(
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
            retention=build_retention(options, journal, names, wakeups),
            source_watch=source_watch,
            keepers=keepers,
            site=None,
            worker=worker,
            url=url or "",
        )
        if url is not None:
            checked_by = await verifier(loaded, journal, lasting=True)
            intake = Intake(journal, sources, wakeups, metrics, now_ms, checked_by, keepers)
            relay.site = build_site(options, role, sources, intake, wakeups, Health(standing.readiness, metrics))
        yield relay


async def build_worker(loaded: Loaded, wakeups: Wakeups, metrics: Metrics, stack: AsyncExitStack) -> WorkerProcess:
    """A process at work, which is told of what comes in."""
    worker = WorkerProcess(loaded, wakeups, partial(heard, metrics))
    stack.push_async_callback(worker.close)
    await worker.start()
    wakeups.forward = worker.wake
    return worker


def build_retention(options: RelayOptions, journal: Journal, stages: list[str], wakeups: Wakeups) -> Retention:
    limits = options.retention
    keep = Keep(limits.events_days, limits.dead_days, limits.quarantine_days, limits.bodies_days)
    return Retention(journal, keep, stages, wakeups, now_ms)


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


def build_keepers(sources: Mapping[str, Source], door: HttpDoor) -> dict[str, KeyKeeper]:
    """Of the sources whose platform signs with keys that it publishes."""
    sets = {name: source.key_set for name, source in sources.items()}
    return {
        name: KeyKeeper(name, keys, door=door, clock=time.monotonic) for name, keys in sets.items() if keys is not None
    }
