"""One relay per file: a lock that the operating system drops when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from relay.codes import RelayError
from relay.journal.sqlite.connecting import unavailable

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Holds ``<file>-lock`` until `release`. Raises `RelayError` ``journal_in_use`` and `JournalUnavailable`."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unavailable(path, error) from error
        try:
            _take(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise RelayError("journal_in_use", f"Another relay runs on the journal {path}.") from error

    def release(self) -> None:
        os.close(self._descriptor)
