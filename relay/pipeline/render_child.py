"""The render process itself: started when it is needed, asked, and ended.

One request may be written while another is at work, so that the process need not wait for a busy
relay between two batches. It answers in the order in which it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import socket
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from relay.pipeline import frames
from relay.pipeline.frames import IDLE, PROGRESS

BATCH_DEADLINE_S = 60.0
"""Longest wait for an answer; the process is ended then, whatever it does."""
ENDING_S = 1.0
"""Longest wait for a process that has closed its end to be gone."""
BATCH_BYTES = 1 << 20
"""So much of a request waits outside the relay for the process, and of an answer inside for whoever asked."""
ALLOCATOR = {"MIMALLOC_ARENA_RESERVE": "32M"}
"""The engine's allocator reserves a GiB at once, which a limit on memory would count."""
CHILD = (sys.executable, "-m", "relay.renderer")


class Died(RuntimeError):
    """The process ended at the task with this index, or at none (`IDLE`)."""

    def __init__(self, index: int, returncode: int) -> None:
        super().__init__(f"the render process ended with {returncode}")
        self.index = index
        self.returncode = returncode


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way; ``behind`` so many answers that nobody waits for any more comes its own."""

    process: asyncio.subprocess.Process
    behind: int


class RenderChild:
    """``hello`` is the first message to each new process: what it needs to render."""

    def __init__(self, hello: Any) -> None:
        self.hello = hello
        self._process: asyncio.subprocess.Process | None = None
        self._unwanted = 0
        self._progress_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._progress_file.truncate(mmap.PAGESIZE)
        self._progress = mmap.mmap(self._progress_file.fileno(), mmap.PAGESIZE)

    @property
    def process(self) -> asyncio.subprocess.Process | None:
        """The one that is there now."""
        return self._process

    async def start(self) -> asyncio.subprocess.Process:
        """The process that runs; a new one where there is none."""
        process = self._process
        if process is None or not _hears(process):
            await self.end()
            self._process = process = await self._new()
            self._unwanted = 0
            _make_room(process)
            _write(process, self.hello)
        return process

    async def ask(self, message: Any) -> Asked:
        return self._asked(await self.start(), message)

    def ask_ahead(self, message: Any) -> Asked | None:
        """Ask while it is at work for somebody else; None when there is no process that hears."""
        process = self._process
        return self._asked(process, message) if process is not None and _hears(process) else None

    async def answer(self, asked: Asked) -> Any:
        """Raises `Died`. The process is ended when the wait is cancelled: its answer would be taken for the next."""
        assert asked.process.stdout is not None
        behind = asked.behind
        try:
            async with asyncio.timeout(BATCH_DEADLINE_S):
                while behind:
                    await frames.read(asked.process.stdout)
                    behind -= 1
                return await frames.read(asked.process.stdout)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            (index,) = PROGRESS.unpack_from(self._progress)
            ending_s = 0.0 if isinstance(error, TimeoutError) else ENDING_S
            raise Died(IDLE if behind else index, await self.end(ending_s)) from error
        except asyncio.CancelledError:
            await self.end()
            raise

    def give_up(self, asked: Asked) -> None:
        """Nobody waits for its answer any more."""
        if asked.process is self._process:
            self._unwanted += asked.behind + 1

    async def end(self, ending_s: float = 0.0) -> int:
        """End the process unless it ends by itself within this time; returns how it ended."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        try:
            if ending_s:
                # A signal to one that has just ended would lose its return code, which tells why (asyncio's own loop).
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ending_s):
                        await process.wait()
        finally:
            # Also when the wait is cancelled: nobody else knows of it any more.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it ended between the look and the kill
                    process.kill()
        return await process.wait()

    async def close(self) -> None:
        await self.end()
        self._progress.close()
        self._progress_file.close()

    def _asked(self, process: asyncio.subprocess.Process, message: Any) -> Asked:
        _write(process, message)
        behind, self._unwanted = self._unwanted, 0
        return Asked(process, behind)

    async def _new(self) -> asyncio.subprocess.Process:
        PROGRESS.pack_into(self._progress, 0, IDLE)
        progress = self._progress_file.fileno()
        return await asyncio.create_subprocess_exec(
            *CHILD,
            str(progress),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=BATCH_BYTES,
            pass_fds=[progress],
            env={**os.environ, **ALLOCATOR},
        )


def _make_room(process: asyncio.subprocess.Process) -> None:
    """Let a whole batch wait in the hands of the operating system, as far as it allows."""
    assert process.stdin is not None
    sends_to = process.stdin.get_extra_info("socket")
    if sends_to is not None:  # uvloop speaks to it over a socket
        with socket.socket(fileno=os.dup(sends_to.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BATCH_BYTES)


def _hears(process: asyncio.subprocess.Process) -> bool:
    assert process.stdin is not None
    return process.returncode is None and not process.stdin.is_closing()


def _write(process: asyncio.subprocess.Process, message: Any) -> None:
    """At most two requests are on their way, so nothing has to wait until they are taken."""
    assert process.stdin is not None
    process.stdin.write(frames.packed(message))
