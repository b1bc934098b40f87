"""Whose turn it is to write, among the processes on one file.

SQLite itself makes who finds the file locked sleep and look again, longer each time, so that one
busy writer starves the others. The operating system's lock wakes them in turn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":

    class Turns:
        """SQLite's own way of waiting."""

        def __init__(self, path: Path) -> None:
            pass

        @contextmanager
        def mine(self) -> Iterator[None]:
            yield

        def close(self) -> None:
            pass
else:
    import fcntl

    class Turns:
        """By the file ``<file>-turn``. Raises OSError when that cannot be made."""

        def __init__(self, path: Path) -> None:
            self._descriptor = os.open(f"{path}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

        @contextmanager
        def mine(self) -> Iterator[None]:
            """Held by one process at a time; one that ends lets go."""
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

        def close(self) -> None:
            os.close(self._descriptor)
