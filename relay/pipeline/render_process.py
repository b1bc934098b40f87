"""Rendering in a process of its own, which a hostile template may kill, and nothing else.

The engine's own limits end most runaway templates. Some built-in functions it cannot interrupt,
and memory it does not count: for these the operating system ends the process, by CPU time and by
memory. The event at fault is then dead, the others are rendered by a new process.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from relay import logs
from relay.model import EventId, OutcomeKind
from relay.pipeline import frames
from relay.pipeline.frames import IDLE
from relay.pipeline.mapping import Ended, MappedCall, MapTask
from relay.pipeline.render_child import Asked, Died, RenderChild
from relay.pipeline.rendered import Rendered, Task, ended

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class _Job(Generic[T, R]):
    """What is asked of the process, as ``verb``; ``dead`` tells the end of a task that ended the process."""

    verb: str
    sent: Callable[[Sequence[T]], Any]
    got: Callable[[Any], Sequence[R]]
    event_id: Callable[[T], EventId]
    dead: Callable[[T, str, str, int], R]


def _dead_event(task: Task, code: str, detail: str, now_ms: int) -> Rendered:
    return Rendered([], [ended(task.event.id, OutcomeKind.DEAD, code, detail, now_ms)], [])


def _dead_call(task: MapTask, code: str, detail: str, now_ms: int) -> MappedCall:
    return MappedCall(ended=Ended(OutcomeKind.DEAD, code, detail))


RENDER = _Job[Task, Rendered]("render", frames.tasks_sent, frames.rendered_got, lambda task: task.event.id, _dead_event)
MAP = _Job[MapTask, MappedCall](
    "map", frames.map_tasks_sent, frames.mapped_got, lambda task: task.call.event_id, _dead_call
)


class RenderProcess:
    """Renders batches in the order in which they come; `close` it when done.

    ``hello`` is the first message to each new process: what it needs to render.
    """

    def __init__(self, hello: Any) -> None:
        self.generation = 0
        """Grows whenever there is a new ``hello``."""
        self._child = RenderChild(hello)
        self._next = asyncio.Lock()
        """Held by the batch that waits, already written, until the one at work is done."""
        self._turn = asyncio.Lock()
        self._log = logs.get("render")

    @property
    def pid(self) -> int | None:
        """Of the process that is there now."""
        return self._child.process.pid if self._child.process is not None else None

    async def start(self) -> None:
        """Start ahead of the first batch, so that it need not wait."""
        async with self._turn:
            await self._child.start()

    async def tell(self, hello: Any) -> None:
        """Give this and every later process a new ``hello``; batches after this see it."""
        async with self._turn:
            self._child.hello = hello
            self.generation += 1
            if self._child.process is not None:
                await self._child.end()
                await self._child.start()

    async def render(self, source: str, tasks: Sequence[Task], now_ms: int) -> Sequence[Rendered]:
        """What became of the first of the tasks, in order, and at least of one."""
        return await self._do(RENDER, source, tasks, now_ms)

    async def map(self, destination: str, tasks: Sequence[MapTask], now_ms: int) -> Sequence[MappedCall]:
        """What became of the first of the tasks, in order, and at least of one."""
        return await self._do(MAP, destination, tasks, now_ms)

    async def close(self) -> None:
        async with self._turn:
            await self._child.close()

    async def _do(self, job: _Job[T, R], name: str, tasks: Sequence[T], now_ms: int) -> Sequence[R]:
        message = (job.verb, name, job.sent(tasks), now_ms)
        async with self._in_turn(message) as asked:
            idle_deaths = 0
            while True:
                try:
                    return job.got(await self._child.answer(asked))
                except Died as death:
                    if death.index == 0:
                        return [await self._alone(job, name, tasks[0], now_ms, death)]
                    idle_deaths += death.index == IDLE
                    if death.index != IDLE:
                        tasks = tasks[: death.index]
                    elif idle_deaths > 1 and len(tasks) == 1:
                        # Not once ended from outside: it cannot even start, which is no event's fault.
                        raise
                    elif idle_deaths > 1:
                        tasks = tasks[: len(tasks) // 2]
                asked = await self._child.ask((job.verb, name, job.sent(tasks), now_ms))

    @asynccontextmanager
    async def _in_turn(self, message: Any) -> AsyncIterator[Asked]:
        """Written before its turn if the process lives so long, and then anew if that has ended since."""
        async with self._next:
            asked = self._child.ask_ahead(message)
            try:
                await self._turn.acquire()
            except asyncio.CancelledError:
                if asked is not None:
                    self._child.give_up(asked)
                raise
            try:
                if asked is None or asked.process is not self._child.process:
                    asked = await self._child.ask(message)
            except BaseException:
                self._turn.release()
                raise
        try:
            yield asked
        finally:
            self._turn.release()

    async def _alone(self, job: _Job[T, R], name: str, task: T, now_ms: int, death: Died) -> R:
        """Dead for good when its CPU time ran out; else tried once more, since others may have ended the process."""
        self._log.error(
            "renderer_ended", job=job.verb, of=name, event_id=job.event_id(task), returncode=death.returncode
        )
        if death.returncode != -signal.SIGPROF:
            try:
                asked = await self._child.ask((job.verb, name, job.sent([task]), now_ms))
                return job.got(await self._child.answer(asked))[0]
            except Died as second:
                if second.index == IDLE:
                    raise
                death = second
        out_of_time = death.returncode == -signal.SIGPROF
        code = "template_timeout" if out_of_time else "template_limit"
        detail = "it was ended by CPU time" if out_of_time else "it was ended, most likely for its use of memory"
        return job.dead(task, code, detail, now_ms)
