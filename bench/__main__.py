"""`python -m bench`: intake and whole-way throughput, as ratios within one run.

Every figure is the median of several runs, all contenders in turn within each round, on one
machine, the load generator and the receiver on it too. Writes the same to a JSON file with --json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from bench import bodies

PACKAGES = ("uvicorn", "starlette", "httpx", "jsonatapy", "jsonata-python", "orjson")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def program(
    arguments: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server under test, from listening until it is terminated."""
    process = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **(environment or {})})
    try:
        deadline_s = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline_s or process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def load(port: int, requests: int, connections: int) -> dict[str, Any]:
    """Drive one server; the generator is a process of its own."""
    command = [sys.executable, "-m", "bench.load", f"http://127.0.0.1:{port}/webhooks/elasticpath"]
    output = subprocess.check_output([*command, "--requests", str(requests), "--connections", str(connections)])
    result: dict[str, Any] = json.loads(output)
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests failed")
    return result


def relay_environment(port: int, folder: str, receiver: str | None) -> dict[str, str]:
    environment = {
        "RELAY_SERVER__PORT": str(port),
        "RELAY_JOURNAL__URL": f"sqlite:///{folder}/relay.db",
        "RELAY_LOG__LEVEL": "warning",
        "RELAY_OUTGOING__ALLOW_PRIVATE": "true",
        "RELAY_SOURCES__ELASTICPATH__PLATFORM": "elasticpath",
        "RELAY_SOURCES__ELASTICPATH__SECRET": bodies.SECRET,
    }
    if receiver:
        environment |= {
            "RELAY_DESTINATIONS__SEGMENT__KIND": "segment",
            "RELAY_DESTINATIONS__SEGMENT__HOST": receiver,
            "RELAY_DESTINATIONS__SEGMENT__WRITE_KEY": "bench-write-key",
        }
    return environment


def peak_memory_mib(process: subprocess.Popen[bytes]) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def contend(kind: str, requests: int, connections: int) -> dict[str, float]:
    """One run of one contender; rates are events a second."""
    with ExitStack() as stack:
        port = free_port()
        receiver = None
        if kind in ("diy", "relay whole way"):
            receiver_port = free_port()
            receiver = f"http://127.0.0.1:{receiver_port}"
            stack.enter_context(program(["-m", "bench.receiver", str(receiver_port)], receiver_port))
        if kind.startswith("relay"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            arguments, environment = ["-m", "relay", "serve"], relay_environment(port, folder, receiver)
        else:
            arguments = ["-m", "bench.peers", kind, str(port)]
            environment = {"RECEIVER": receiver or ""}
        process = stack.enter_context(program(arguments, port, environment))
        result = load(port, requests, connections)
        seconds = result["seconds"]
        if receiver:
            counted = httpx.get(f"{receiver}/wait/{requests}", timeout=300).json()
            if kind.startswith("relay") and counted["calls"] != counted["unique"]:
                raise SystemExit(f"sent twice: {counted}")
            seconds = counted["last_s"] - result["started_s"]
        return {"rate": requests / seconds, "p99_ms": result["p99_ms"], "peak_mib": peak_memory_mib(process)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    requests = {
        "bare": options.requests,
        "relay intake": options.requests,
        "relay whole way": options.requests,
        "diy": 1_000,
    }
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in requests}
    for _ in range(options.rounds):
        for kind, count in requests.items():
            figures[kind].append(contend(kind, count, options.connections))
    report(figures, options.json)


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def report(figures: dict[str, list[dict[str, float]]], path: Path | None) -> None:
    """Print the table: minimum, median, maximum a second, and ratios of the medians."""
    print(machine(), *(f"{name} {number}" for name, number in versions().items()), sep=", ")
    median = {kind: statistics.median(run["rate"] for run in runs) for kind, runs in figures.items()}
    print(f"{'':18}{'min':>8}{'median':>8}{'max':>8}   p99 ms  peak MiB   to bare   to diy")
    for kind, runs in figures.items():
        rates = [run["rate"] for run in runs]
        p99 = statistics.median(run["p99_ms"] for run in runs)
        peak = max(run["peak_mib"] for run in runs)
        print(
            f"{kind:18}{min(rates):8.0f}{median[kind]:8.0f}{max(rates):8.0f}{p99:9.1f}{peak:10.0f}"
            f"{median[kind] / median['bare']:10.2f}{median[kind] / median['diy']:9.1f}"
        )
    if path:
        path.write_text(json.dumps({"machine": machine(), "versions": versions(), "runs": figures}, indent=2))


if __name__ == "__main__":
    main()
