"""Who may have work: one flag a line, and the flag that says the relay is stopping."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable


class Stopping(Exception):
    """Raised out of a wait when the relay is stopping."""


class Wakeups:
    """Flags are set by whoever wrote, and by the watcher of other processes' writes.

    A line clears its flag, reads, and waits only when it left nothing behind: a wake-up between clearing
    and waiting is therefore never lost.
    """

    def __init__(self) -> None:
        self._flags: dict[tuple[str, int], asyncio.Event] = {}
        self._partitions: dict[int, list[asyncio.Event]] = defaultdict(list)
        self._stop = asyncio.Event()
        self.closing = False
        """The relay stops for good, and takes nothing more."""
        self.forward: Callable[[str, int], None] | None = None
        """Gets what wakes a line, where lines run in another process."""
        self._awaited: set[asyncio.Event] = set()

    def flag(self, stage: str, partition: int) -> asyncio.Event:
        """The flag of one line, made on first use."""
        key = (stage, partition)
        if key not in self._flags:
            self._flags[key] = asyncio.Event()
            if stage.startswith("deliver:"):
                self._partitions[partition].append(self._flags[key])
        return self._flags[key]

    def wake(self, stage: str, partition: int) -> None:
        if self.forward is not None:
            self.forward(stage, partition)
        flag = self._flags.get((stage, partition))
        if flag is not None:
            flag.set()

    def wake_delivery(self, partition: int) -> None:
        """New calls are there for every destination."""
        for flag in self._partitions[partition]:
            flag.set()

    def wake_all(self) -> None:
        for flag in self._flags.values():
            flag.set()

    # -- stopping

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def stop_event(self) -> asyncio.Event:
        """Set when the relay is stopping."""
        return self._stop

    def stop(self, *, for_good: bool = True) -> None:
        """Let every line end after the work it has in hand."""
        self.closing = for_good
        self._stop.set()
        self.wake_all()
        for event in self._awaited:
            event.set()

    async def pause(self, seconds: float | None, until: asyncio.Event | None = None) -> None:
        """Wait so long or for the event, but not beyond a stop. Raises `Stopping`."""
        event = until or self._stop
        self._awaited.add(event)
        try:
            async with asyncio.timeout(None if seconds is None else max(seconds, 0.0)):
                if not self.stopping:
                    await event.wait()
        except TimeoutError:
            return
        finally:
            self._awaited.discard(event)
        if self.stopping:
            raise Stopping
