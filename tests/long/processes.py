"""Real relay processes for tests that kill them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

SECRET = "long-test-secret"
WRITE_KEY = "long-test-key"
READY_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path, port: int, destinations: Mapping[str, str], **more: str) -> dict[str, str]:
    """A relay on a SQLite file in ``folder``; ``destinations`` are Segment hosts by name."""
    options = {
        "SERVER__PORT": str(port),
        "JOURNAL__URL": f"sqlite:///{folder}/relay.db",
        "LOG__FORMAT": "json",
        "OUTGOING__ALLOW_PRIVATE": "true",
        "SOURCES__ELASTICPATH__PLATFORM": "elasticpath",
        "SOURCES__ELASTICPATH__SECRET": SECRET,
    }
    for name, host in destinations.items():
        options[f"DESTINATIONS__{name.upper()}__KIND"] = "segment"
        options[f"DESTINATIONS__{name.upper()}__HOST"] = host
        options[f"DESTINATIONS__{name.upper()}__WRITE_KEY"] = WRITE_KEY
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return kept | {f"RELAY_{name}": value for name, value in (options | more).items()}


class RelayProcess:
    """`relay serve` as a process of its own; its log goes to a file."""

    def __init__(self, folder: Path, environment: Mapping[str, str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        return (self._folder / "relay.log").read_text()

    async def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        with (self._folder / "relay.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "relay", "serve", env=self._environment, cwd=self._folder, stderr=log
            )
        async with asyncio.timeout(READY_S), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{self.url}/healthz")
                except httpx.TransportError:
                    assert self._process.returncode is None, f"the relay ended:\n{self.log[-3000:]}"
                    await asyncio.sleep(0.02)
                else:
                    return

    async def kill(self) -> None:
        """As a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


async def drained(url: str, timeout_s: float = 120.0) -> None:
    """Wait until the metrics show no backlog; there is no signal for it from another process."""
    async with asyncio.timeout(timeout_s), httpx.AsyncClient(timeout=10) as client:
        while True:
            lines = (await client.get(f"{url}/metrics")).text.splitlines()
            backlogs = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("relay_backlog{")]
            if backlogs and not any(backlogs):
                return
            await asyncio.sleep(0.1)
