"""Templates are taken over as they change: all or nothing, and the last good ones stay in use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from watchfiles import awatch

from relay import logs
from relay.pipeline.wakeups import Stopping, Wakeups
from relay.templates.diagnostics import Diagnostic
from relay.templates.library import Library, Snapshot

LOOK_FOR_FOLDER_S = 5.0


class Reloading:
    """Watches the user's templates folder; ``apply`` gets each good snapshot."""

    def __init__(
        self, library: Library, folder: Path, apply: Callable[[Snapshot], Awaitable[None]], wakeups: Wakeups
    ) -> None:
        self.problems: Sequence[Diagnostic] = ()
        """Of the last change; empty when what is in the folder is in use."""
        self._library = library
        self._folder = folder
        self._apply = apply
        self._wakeups = wakeups
        self._log = logs.get("templates")

    async def run(self) -> None:
        """Watch until the relay stops."""
        try:
            while not self._folder.is_dir():
                await self._wakeups.pause(LOOK_FOR_FOLDER_S)
        except Stopping:
            return
        self._library.overlay = self._folder
        await self.reload()
        async for _ in awatch(self._folder, stop_event=self._wakeups.stop_event, recursive=True):
            await self.reload()

    async def reload(self) -> None:
        """Read the folder again, and take it over if every template in it is good."""
        # Not in a thread: the engine's compiled forms must not outlive theirs, and only what changed is compiled.
        reloaded = self._library.reload()
        self.problems = reloaded.problems
        for problem in reloaded.problems:
            self._log.error("template_refused", problem=problem.log_line())
        if reloaded.changed or reloaded.removed:
            await self._apply(self._library.snapshot)
            names = [f"{template.platform}/{template.tracked_event}" for template in reloaded.changed]
            self._log.info("templates_reloaded", changed=names, removed=len(reloaded.removed))
