"""A whole relay inside the test's event loop, on real sockets and a real SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from relay.app import Relay, Role, Signals, build, taking
from relay.settings.loading import load
from relay.web import server

SECRET = "test-webhook-secret"
WRITE_KEY = "test-write-key"
HEADERS = {"X-MOLTIN-SECRET-KEY": SECRET}
DEADLINE_S = 30.0


def configuration(folder: Path, destinations: Mapping[str, str], **more: str) -> dict[str, str]:
    """Environment variables for a relay with an `elasticpath` source and Segment destinations by name."""
    options = {
        "JOURNAL__URL": f"sqlite:///{folder}/relay.db",
        "OUTGOING__ALLOW_PRIVATE": "true",
        "SOURCES__ELASTICPATH__PLATFORM": "elasticpath",
        "SOURCES__ELASTICPATH__SECRET": SECRET,
    }
    for name, host in destinations.items():
        options[f"DESTINATIONS__{name.upper()}__KIND"] = "segment"
        options[f"DESTINATIONS__{name.upper()}__HOST"] = host
        options[f"DESTINATIONS__{name.upper()}__WRITE_KEY"] = WRITE_KEY
    # An empty file: one that lies in the working directory must have no say.
    file = folder / "relay.toml"
    file.touch()
    return {"RELAY_CONFIG": str(file)} | {f"RELAY_{name}": value for name, value in (options | more).items()}


@asynccontextmanager
async def running(
    environ: Mapping[str, str], *, role: Role = Role.ALL, first_wait_s: float = 0.005
) -> AsyncIterator[Relay]:
    """The relay, serving, until the block ends; then it drains as after SIGTERM."""
    signals = Signals()
    with server.bind("127.0.0.1", 0) as listener:
        loaded = load(None, environ)
        async with (
            build(loaded, server.url(listener), role=role, first_wait_s=first_wait_s) as relay,
            taking(relay, listener, signals),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(relay.run(signals))
            try:
                yield relay
            finally:
                signals.caught()


async def drained(relay: Relay) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await relay.standing.drained()
