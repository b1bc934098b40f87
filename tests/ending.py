"""Ends a PostgreSQL server of the tests when they are gone, however they went: `python -m tests.ending FOLDER`.

The wheel that starts it stops it at exit, to which a killed process does not come.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_NOTHING = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]


def end_with_us(data: Path) -> None:
    """See that the server in this folder ends when all processes that called this have ended."""
    lock = os.open(_lock(data), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)  # for good: the system takes it back when this process ends
    with contextlib.suppress(FileExistsError):
        os.close(os.open(f"{_lock(data)}.watched", os.O_CREAT | os.O_EXCL))
        command = [sys.executable, "-m", "tests.ending", str(data)]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        os.posix_spawn(sys.executable, command, environ, file_actions=_NOTHING, setsid=True)


def main(data: Path) -> None:
    lock = os.open(_lock(data), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        if server.name() == "postgres":
            server.send_signal(signal.SIGQUIT)  # at once: what is in it is wanted no more
            server.wait(30)
    shutil.rmtree(data, ignore_errors=True)
    for file in (_lock(data), f"{_lock(data)}.watched"):
        Path(file).unlink(missing_ok=True)


def _lock(data: Path) -> str:
    return f"{data}.lock"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
