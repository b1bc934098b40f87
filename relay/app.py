"""Builds the relay from its configuration and runs it. The only file that makes concrete things."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from relay import logs
from relay.codes import RelayError
from relay.destinations import build_destination
from relay.destinations.contract import Decision, RefusesLater
from relay.http import HttpDoor
from relay.journal.protocol import Journal
from relay.model import VerdictKind, deliver_stage, render_stage
from relay.opening import existing_journal as existing_journal
from relay.opening import open_journal as open_journal
from relay.opening import verifier as verifier
from relay.pipeline import trying
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
from relay.pipeline.supervising import supervise
from relay.pipeline.wakeups import Wakeups
from relay.pipeline.watching import watch
from relay.pipeline.worker_process import WorkerProcess
from relay.renderer import Hello, build_library, build_mapper, build_sources, is_mapped, wants_earlier
from relay.settings.loading import Loaded
from relay.settings.options import CommerceOptions, DestinationOptions, RelayOptions, SourceOptions
from relay.sources.contract import Source
from relay.sources.segment.source import Segment
from relay.templates.expressions import RequestExpressions
from relay.web import server
from relay.web.health import Health
from relay.web.metrics import Metrics
from relay.web.site import Site
from relay.web.tracking import TrackingApi
from relay.web.webhooks import Webhooks


def now_ms() -> int:
    """The wall clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Role(StrEnum):
    """What a process does: nodes that share a journal may share the work as well."""

    ALL = "all"
    INTAKE = "intake"
    WORKER = "worker"

    @property
    def works(self) -> bool:
        """Whether it renders, delivers and drops what is old."""
        return self is not Role.INTAKE

    @property
    def takes(self) -> bool:
        """Whether it takes webhooks."""
        return self is not Role.WORKER


@dataclass
class Relay:
    """Everything a running relay consists of."""

    options: RelayOptions
    role: Role
    journal: Journal
    wakeups: Wakeups
    standing: Standing
    metrics: Metrics
    lines: dict[str, RenderLine]
    deliveries: dict[str, Delivery]
    gates: Sequence[LineGate]
    reloading: Reloading
    retention: Retention
    source_watch: SourceWatch
    keepers: dict[str, KeyKeeper]
    server: server.Server | None
    """None in a worker process."""
    worker: WorkerProcess | None
    url: str

    async def run(self, signals: Signals) -> None:
        """Work until a signal; then end what is in hand, at most ``server.shutdown_s`` long."""
        async with asyncio.TaskGroup() as group:
            work = []
            if self.server is not None:
                work.append(group.create_task(self.server.run_until_stopped(), name="web"))
                work.append(group.create_task(supervise("sources", self.source_watch.run, self.wakeups)))
            if self.worker is not None:
                work.append(group.create_task(supervise("worker", self.worker.run, self.wakeups)))
            for name, line in self.lines.items():
                work.append(group.create_task(supervise(render_stage(name), line.run, self.wakeups)))
            for name, delivery in self.deliveries.items():
                work.append(group.create_task(supervise(deliver_stage(name), delivery.run, self.wakeups)))
            if self.role.works:
                work.append(group.create_task(supervise("retention", self.retention.run, self.wakeups)))
                work.append(group.create_task(supervise("templates", self.reloading.run, self.wakeups)))
            for name, keeper in self.keepers.items():
                work.append(
                    group.create_task(supervise(f"keys:{name}", partial(keeper.run, self.wakeups), self.wakeups))
                )
            work.append(group.create_task(watch(self.journal, self.wakeups, self.gates)))
            logs.get("relay").info("ready", url=self.url, role=str(self.role))
            await signals.first.wait()
            await self._end(signals, work)

    async def _end(self, signals: Signals, work: list[asyncio.Task[None]]) -> None:
        logs.get("relay").info("stopping", within_s=self.options.server.shutdown_s)
        self.wakeups.stop()
        if self.server is not None:
            self.server.stop()
        forced = asyncio.ensure_future(signals.second.wait())
        finished = asyncio.ensure_future(asyncio.wait(work))
        await asyncio.wait(
            {forced, finished}, timeout=self.options.server.shutdown_s, return_when=asyncio.FIRST_COMPLETED
        )
        unfinished = [task for task in work if not task.done()]
        for task in [*unfinished, forced, finished]:
            task.cancel()
        logs.get("relay").info("stopped", cut_off=len(unfinished))


class Signals:
    """SIGTERM and SIGINT: the first asks to stop, the second forces."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.caught)

    def caught(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


@asynccontextmanager
async def build(
    loaded: Loaded,
    listener: socket.socket | None,
    *,
    role: Role = Role.ALL,
    first_wait_s: float = FIRST_WAIT_S,
    observer: Observer | None = None,
) -> AsyncIterator[Relay]:
    """A relay that is ready to run on ``listener``; ``first_wait_s`` is its wait after a first failure.

    Without a ``listener`` it works for another process, whose metrics ``observer`` stands for.
    """
    options = loaded.options
    splits = listener is not None and role is Role.ALL and options.server.processes == 2
    role = Role.INTAKE if splits else role
    async with AsyncExitStack() as stack:
        wakeups = Wakeups()
        gates: dict[str, LineGate] = {}
        sources = build_sources(options)
        library = build_library(loaded)
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
        webhooks = Webhooks(
            intake,
            wakeups,
            max_body_bytes=options.server.max_body_bytes,
            trusted_proxies=options.server.trusted_proxies,
        )
        callers = {name: source for name, source in sources.items() if isinstance(source, Segment)}
        tracking = TrackingApi(
            callers,
            intake,
            wakeups,
            now_ms,
            max_body_bytes=options.server.max_body_bytes,
            trusted_proxies=options.server.trusted_proxies,
        )
        health = Health(standing.readiness, metrics)
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
            server=server.Server(
                Site(webhooks, tracking, health, takes=role.takes), listener, shutdown_s=options.server.shutdown_s
            )
            if listener is not None
            else None,
            worker=worker,
            url=server.url(listener) if listener is not None else "",
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
    """Slow ones without a burst, which would go beyond what their vendor allows in a second."""
    burst = max(1, min(5, int(requests_per_second / 20)))
    return Pace(requests_per_second, clock=time.monotonic, sleep=asyncio.sleep, burst=burst)


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


async def fetch_keys(loaded: Loaded, sources: Mapping[str, Source]) -> list[tuple[str, bool, str]]:
    """Fetch the public keys of ``sources``: the source's name, whether that failed, and what was said."""
    async with HttpDoor(loaded.options.outgoing) as door:
        keepers = build_keepers(sources, door)
        return [(name, not await keeper.fresh(), f"{keeper.why}.") for name, keeper in keepers.items()]


async def probe_commerce(loaded: Loaded) -> list[tuple[str, bool, str]]:
    """For each commerce connection: the source's name, whether it failed, and what it said."""
    told = []
    async with HttpDoor(loaded.options.outgoing) as door:
        for name, source in build_sources(loaded.options).items():
            completer = build_completer(source, loaded.options.sources[name], door)
            if completer is None:
                continue
            try:
                told.append((name, False, await completer.probe()))
            except RelayError as error:
                told.append((name, True, str(error)))
    return told


async def probe_destinations(loaded: Loaded) -> list[tuple[str, Decision]]:
    """How each destination answers a request without side effects."""
    return [(name, await probe_destination(loaded, name)) for name in loaded.options.destinations]


async def probe_destination(loaded: Loaded, name: str) -> Decision:
    """How it answers a request without side effects; ``no_probe`` where its vendor has none."""
    options = loaded.options.destinations[name]
    destination = build_destination(name, options, RequestExpressions())
    probe = destination.probe()
    if probe is None:
        return Decision(VerdictKind.RETRY, "no_probe", "The vendor has no check without side effects.")
    async with HttpDoor(loaded.options.outgoing) as door:
        return destination.read_probe(await door.send(probe, timeout_s=options.timeout_s))


async def send_test_record(loaded: Loaded, name: str) -> Sequence[trying.Tried]:
    """Send a marked record to a destination, whatever its mode. Raises RelayError when it maps none."""
    options = loaded.options.destinations[name]
    mapper = build_mapper(loaded.options, build_library(loaded).snapshot)
    async with HttpDoor(loaded.options.outgoing) as door:
        return await trying.send_test_record(
            name,
            build_destination(name, options, RequestExpressions()),
            mapper,
            door,
            timeout_s=options.timeout_s,
            now_ms=now_ms(),
        )


async def serve(loaded: Loaded, on_ready: Callable[[Relay], Any] | None = None, *, role: Role = Role.ALL) -> None:
    """Run until SIGTERM or SIGINT."""
    listener = server.bind(loaded.options.server.host, loaded.options.server.port)
    signals = Signals()
    signals.install()
    with listener:
        async with build(loaded, listener, role=role) as relay:
            if on_ready is not None:
                on_ready(relay)
            await relay.run(signals)
