"""A relay at work, until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from relay import logs
from relay.journal.protocol import Journal
from relay.model import deliver_stage, render_stage
from relay.pipeline.deliver import Delivery
from relay.pipeline.gates import LineGate
from relay.pipeline.key_keeping import KeyKeeper
from relay.pipeline.reloading import Reloading
from relay.pipeline.render import RenderLine
from relay.pipeline.retention import Retention
from relay.pipeline.source_states import SourceWatch
from relay.pipeline.standing import Standing
from relay.pipeline.supervising import supervise
from relay.pipeline.wakeups import Wakeups
from relay.pipeline.watching import watch
from relay.pipeline.worker_process import WorkerProcess
from relay.settings.options import RelayOptions
from relay.web.metrics import Metrics
from relay.web.site import Site


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
    site: Site | None
    """None in a worker process."""
    worker: WorkerProcess | None
    url: str
    retired: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when another relay is to take its place, while webhooks go on coming in."""

    async def run(self, signals: Signals) -> None:
        """Work until a signal, or until retired; then end what is in hand, at most ``server.shutdown_s`` long."""
        async with asyncio.TaskGroup() as group:
            work = []
            if self.site is not None:
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
            await any_of(signals.first, self.retired)
            await self._end(signals, work)

    async def _end(self, signals: Signals, work: list[asyncio.Task[None]]) -> None:
        for_good = signals.first.is_set()
        log = logs.get("relay")
        within_s = self.options.server.shutdown_s
        if for_good:
            log.info("stopping", within_s=within_s)
        else:
            log.info("reloading", within_s=within_s)
        self.wakeups.stop(for_good=for_good)
        forced = asyncio.ensure_future(signals.second.wait())
        finished = asyncio.ensure_future(asyncio.wait(work))
        await asyncio.wait({forced, finished}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        unfinished = [task for task in work if not task.done()]
        for task in [*unfinished, forced, finished]:
            task.cancel()
        log.info("stopped", cut_off=len(unfinished))


class Signals:
    """SIGTERM and SIGINT: the first asks to stop, the second forces. SIGHUP: read the configuration again."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.reload = asyncio.Event()
        self.forced_by = 0
        """The number of the second signal."""

    def install(self, *, reloads: bool = False) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.caught, number)
        if reloads:
            nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            loop.add_signal_handler(signal.SIGHUP, self._hung_up, has_terminal() and not nohup)

    def caught(self, number: int = signal.SIGTERM) -> None:
        if self.first.is_set():
            self.forced_by = number
            self.second.set()
        self.first.set()

    def _hung_up(self, had_terminal: bool) -> None:
        # The same signal comes when the terminal that the relay runs in is closed.
        if had_terminal and not has_terminal():
            self.caught(signal.SIGHUP)
        else:
            self.reload.set()


def has_terminal() -> bool:
    """Whether this process belongs to a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        # That is the answer.
        return False
    return True


async def any_of(*events: asyncio.Event) -> None:
    """Wait for the first of them."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
