"""Rendering and delivering in a process of their own, on the same journal, so that taking webhooks has its own core."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Any

from relay import logs
from relay.codes import RelayError
from relay.pipeline import frames
from relay.pipeline.wakeups import Wakeups

CHILD = (sys.executable, "-m", "relay.worker")
RESTART_AFTER_S = 1.0
READY, FAILED, TOLD = "ready", "failed", "told"
"""First part of what the process says: it works; it cannot, and why; what it observed."""


class WorkerProcess:
    """Keeps the process at work; ``hello`` is the first message to it, ``hear`` gets what it observes."""

    def __init__(self, hello: Any, wakeups: Wakeups, hear: Callable[[Any], None]) -> None:
        self._hello = hello
        self._wakeups = wakeups
        self._hear = hear
        self._process: asyncio.subprocess.Process | None = None
        self._hears = False
        """Only once it works: what it is told beside its first message, it would lose or misread."""
        self._woken: set[tuple[str, int]] = set()
        self._log = logs.get("worker")

    @property
    def pid(self) -> int | None:
        """Of the process that is there now."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it, and wait until it works. Raises RelayError when it cannot."""
        self._hears = False
        self._process = await asyncio.create_subprocess_exec(
            *CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(frames.packed(self._hello))
        try:
            verb, said = await frames.read(self._process.stdout)
        except asyncio.IncompleteReadError:
            raise RelayError("worker_ended", f"It ended with {await self._process.wait()} at its start.") from None
        if verb == FAILED:
            await self._process.wait()
            raise RelayError(*said)
        self._hears = True

    async def run(self) -> None:
        """Listen to it, and start it anew when it ends, until the relay stops."""
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(self._end_with_relay())
            try:
                while not self._wakeups.stopping:
                    await self._listen()
                    if not self._wakeups.stopping:
                        await self._wakeups.pause(RESTART_AFTER_S)
                        await self._start_again()
            finally:
                ending.cancel()

    def wake(self, stage: str, partition: int) -> None:
        """Tell it of work; what comes together is told together."""
        if not self._woken:
            asyncio.get_running_loop().call_soon(self._tell)
        self._woken.add((stage, partition))

    async def close(self) -> None:
        """End it at once if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended between the look and the kill
                self._process.kill()
            await self._process.wait()

    def _tell(self) -> None:
        woken, self._woken = self._woken, set()
        process = self._process
        if self._hears and process is not None and process.stdin is not None and not process.stdin.is_closing():
            # One that does not hear yet reads everything that waits when it begins, so it misses nothing.
            process.stdin.write(frames.packed(sorted(woken)))

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError):  # it has ended; said below
            while True:
                verb, said = await frames.read(self._process.stdout)
                if verb == TOLD:
                    self._hear(said)
        returncode = await self._process.wait()
        if not self._wakeups.stopping:
            self._log.error("worker_ended", returncode=returncode, restart_after_s=RESTART_AFTER_S)

    async def _start_again(self) -> None:
        try:
            await self.start()
        except RelayError as error:
            self._log.error("worker_ended", code=error.code, detail=error.message)

    async def _end_with_relay(self) -> None:
        await self._wakeups.stop_event.wait()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                self._process.send_signal(signal.SIGTERM)
