"""Programs under test, from ready until they are ended, and what they take of the machine."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]

HOST = "127.0.0.1"
START_S = 60.0
POLL_S = 0.005
SAMPLE_S = 0.25


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Program:
    """A server under test. Seconds are of the machine's monotonic clock."""

    process: subprocess.Popen[bytes]
    port: int
    started_s: float
    ready_s: float

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def program(
    command: Sequence[object], port: int, ready_path: str, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Start it, wait until ``ready_path`` is answered with 200; end it at last."""
    started_s = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], env={**os.environ, **(environment or {})})
    try:
        while get_status(port, ready_path) != 200:
            if time.monotonic() > started_s + START_S or process.poll() is not None:
                raise SystemExit(f"It did not get ready: {' '.join(map(str, command))}")
            time.sleep(POLL_S)
        yield Program(process, port, started_s, time.monotonic())
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def get_status(port: int, path: str) -> int:
    """Of a GET; 0 when nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Watch:
    """Memory and processor time of programs with all their processes, while the block runs.

    ``mib`` is the greatest sum of their proportional set sizes (PSS), ``cpu_s`` their processor time, ``foreign``
    the share of the machine's processor time that went to anything but this benchmark.
    """

    def __init__(self, programs: Sequence[Program], benchmark_pids: Sequence[int] = ()) -> None:
        self._roots = [one.process.pid for one in programs]
        self._benchmark = [os.getpid(), *benchmark_pids]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.mib = 0.0
        self.cpu_s = 0.0
        self.foreign = 0.0

    def __enter__(self) -> Self:
        self._before = self._cpu_s(self._roots), self._machine_s(), self._benchmark_s()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        cpu_s, (busy_s, all_s), benchmark_s = self._cpu_s(self._roots), self._machine_s(), self._benchmark_s()
        self.cpu_s = cpu_s - self._before[0]
        foreign_s = (busy_s - self._before[1][0]) - (benchmark_s - self._before[2])
        self.foreign = max(0.0, foreign_s / max(0.01, all_s - self._before[1][1]))

    def _sample(self) -> None:
        while True:
            self.mib = max(self.mib, sum(_pss_mib(process.pid) for process in _trees(self._roots)))
            if self._ended.wait(SAMPLE_S):
                return

    def _cpu_s(self, roots: Sequence[int]) -> float:
        total_s = 0.0
        for process in _trees(roots):
            with suppress(psutil.Error):  # it has ended
                times = process.cpu_times()
                total_s += times.user + times.system
        return total_s

    def _benchmark_s(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return self._cpu_s(self._benchmark) + ended.ru_utime + ended.ru_stime

    def _machine_s(self) -> tuple[float, float]:
        times = psutil.cpu_times()._asdict()
        idle_s = times["idle"] + times.get("iowait", 0.0)
        # Guests' time is part of the users'.
        all_s = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
        return all_s - idle_s, all_s


def _trees(roots: Sequence[int]) -> list[psutil.Process]:
    found = []
    for pid in roots:
        with suppress(psutil.Error):  # it has ended
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def _pss_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended, or this is not Linux
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
