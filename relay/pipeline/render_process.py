"""Rendering in a process of its own, which a hostile template may kill, and nothing else.

The engine's own limits end most runaway templates. Some built-in functions it cannot interrupt,
and memory it does not count: for these the operating system ends the process, by CPU time and by
memory. The event at fault is then dead, the others are rendered by a new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from relay import logs
from relay.model import EventId, OutcomeKind
from relay.pipeline import frames
from relay.pipeline.frames import IDLE, PROGRESS
from relay.pipeline.mapping import Ended, MappedCall, MapTask
from relay.pipeline.rendered import Rendered, Task, ended

BATCH_DEADLINE_S = 60.0
"""Longest wait for a batch; the process is ended then, whatever it does."""
ALLOCATOR = {"MIMALLOC_ARENA_RESERVE": "32M"}
"""The engine's allocator reserves a GiB at once, which a limit on memory would count."""
CHILD = (sys.executable, "-m", "relay.renderer")


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


class _Died(RuntimeError):
    """The process ended at the task with this index, or at none (`IDLE`)."""

    def __init__(self, index: int, returncode: int) -> None:
        super().__init__(f"the render process ended with {returncode}")
        self.index = index
        self.returncode = returncode


class RenderProcess:
    """Renders batches one after the other; `close` it when done.

    ``hello`` is the first message to each new process: what it needs to render.
    """

    def __init__(self, hello: Any) -> None:
        self.generation = 0
        """Grows whenever there is a new ``hello``."""
        self._hello = hello
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._progress_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._progress_file.truncate(mmap.PAGESIZE)
        self._progress = mmap.mmap(self._progress_file.fileno(), mmap.PAGESIZE)
        self._log = logs.get("render")

    @property
    def pid(self) -> int | None:
        """Of the process that is there now."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start ahead of the first batch, so that it need not wait."""
        async with self._turn:
            await self._running()

    async def tell(self, hello: Any) -> None:
        """Give this and every later process a new ``hello``; batches after this see it."""
        async with self._turn:
            self._hello = hello
            self.generation += 1
            if self._process is not None:
                await self._end()
                await self._running()

    async def render(self, source: str, tasks: Sequence[Task], now_ms: int) -> Sequence[Rendered]:
        """What became of the first of the tasks, in order, and at least of one."""
        return await self._do(RENDER, source, tasks, now_ms)

    async def map(self, destination: str, tasks: Sequence[MapTask], now_ms: int) -> Sequence[MappedCall]:
        """What became of the first of the tasks, in order, and at least of one."""
        return await self._do(MAP, destination, tasks, now_ms)

    async def _do(self, job: _Job[T, R], name: str, tasks: Sequence[T], now_ms: int) -> Sequence[R]:
        async with self._turn:
            idle_deaths = 0
            while True:
                try:
                    return await self._ask(job, name, tasks, now_ms)
                except _Died as death:
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

    async def close(self) -> None:
        async with self._turn:
            await self._end()
            self._progress.close()
            self._progress_file.close()

    async def _alone(self, job: _Job[T, R], name: str, task: T, now_ms: int, death: _Died) -> R:
        """Dead for good when its CPU time ran out; else tried once more, since others may have ended the process."""
        self._log.error(
            "renderer_ended", job=job.verb, of=name, event_id=job.event_id(task), returncode=death.returncode
        )
        if death.returncode != -signal.SIGPROF:
            try:
                return (await self._ask(job, name, [task], now_ms))[0]
            except _Died as second:
                if second.index == IDLE:
                    raise
                death = second
        out_of_time = death.returncode == -signal.SIGPROF
        code = "template_timeout" if out_of_time else "template_limit"
        detail = "it was ended by CPU time" if out_of_time else "it was ended, most likely for its use of memory"
        return job.dead(task, code, detail, now_ms)

    async def _ask(self, job: _Job[T, R], name: str, tasks: Sequence[T], now_ms: int) -> Sequence[R]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(BATCH_DEADLINE_S):
                process.stdin.write(frames.packed((job.verb, name, job.sent(tasks), now_ms)))
                await process.stdin.drain()
                return job.got(await frames.read(process.stdout))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            (index,) = PROGRESS.unpack_from(self._progress)
            raise _Died(index, await self._end()) from error
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next batch.
            await self._end()
            raise

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            PROGRESS.pack_into(self._progress, 0, IDLE)
            progress = self._progress_file.fileno()
            self._process = await asyncio.create_subprocess_exec(
                *CHILD,
                str(progress),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[progress],
                env={**os.environ, **ALLOCATOR},
            )
            assert self._process.stdin is not None
            self._process.stdin.write(frames.packed(self._hello))
        return self._process

    async def _end(self) -> int:
        """End the process if it still runs; returns how it ended."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended between the look and the kill
                process.kill()
        return await process.wait()
