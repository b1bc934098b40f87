"""What a run needs around it: its scale, a folder, and what is installed or started once for all rounds."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.node_red import NodeRed
from bench.postgres import Postgres
from bench.waiting import Waiting


@dataclass
class Surroundings:
    """``scale`` multiplies every number of events."""

    kept: Path
    """For what is costly to make, and may be there from an earlier run."""
    folder: Path
    """Of this run."""
    stack: ExitStack
    scale: float = 1.0
    connections: int = 64
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def events(self, at_full_scale: int) -> int:
        return max(20, round(at_full_scale * self.scale))

    def new_folder(self) -> Path:
        folder = self.folder / f"run-{next(self._numbers)}"
        folder.mkdir()
        return folder

    @cached_property
    def node_red(self) -> NodeRed | None:
        """None where it cannot run, which was told."""
        return NodeRed.installed(self.kept)

    @cached_property
    def postgres(self) -> Postgres | None:
        """None where there is no server to be had, which was told."""
        return self.stack.enter_context(Postgres.started(self.folder))

    @cached_property
    def waiting(self) -> Waiting:
        return Waiting(self.kept)
