"""The relay under test: its processes, its configuration, its receiver, its load."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import bodies
from bench.programs import HOST, Program, free_port, program, python

WAIT_S = 900
SETTLE_POLL_S = 0.02
_BACKLOG = re.compile(r"^relay_backlog\{[^}]*\} (\S+)$", re.MULTILINE)
TWO_PROCESSES = {"RELAY_SERVER__PROCESSES": "2"}
NOTHING_MORE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Receiver:
    url: str
    port: int

    def wait(self, name: str, calls: int) -> dict[str, float]:
        """What `Tally.told` tells, once so many different calls have come."""
        return dict(_get(self.port, f"/wait/{name}/{calls}"))

    def orders(self, name: str) -> Mapping[str, float]:
        """When each order came first."""
        return dict(_get(self.port, f"/orders/{name}"))


@contextmanager
def receiving() -> Iterator[Receiver]:
    port = free_port()
    with program(python("bench.receiver", str(port)), port, "/ready") as running:
        yield Receiver(running.url, port)


@contextmanager
def relay(
    folder: Path,
    receiver: Receiver | None = None,
    destinations: Sequence[str] = ("one",),
    more: Mapping[str, str] = NOTHING_MORE,
    arguments: Sequence[str] = (),
) -> Iterator[Program]:
    """A relay with a Segment destination for each name, on the journal of ``folder`` unless ``more`` names one."""
    port = free_port()
    (folder / "relay.toml").touch()
    environment = {
        "RELAY_CONFIG": str(folder / "relay.toml"),
        "RELAY_SERVER__PORT": str(port),
        "RELAY_JOURNAL__URL": f"sqlite:///{folder}/relay.db",
        "RELAY_LOG__LEVEL": "warning",
        "RELAY_OUTGOING__ALLOW_PRIVATE": "true",
        **bodies.SOURCE,
        **more,
    }
    for name in destinations if receiver else ():
        assert receiver is not None
        environment |= {
            f"RELAY_DESTINATIONS__{name.upper()}__{option}": value
            for option, value in {
                "KIND": "segment",
                "HOST": receiver.url,
                "PATH": f"/{name}/v1/batch",
                "WRITE_KEY": "bench-write-key",
                "START": "beginning",
            }.items()
        }
    with program(python("relay", "serve", *arguments), port, "/readyz", environment) as running:
        yield running


@contextmanager
def nodes(folder: Path, receiver: Receiver, number: int, more: Mapping[str, str]) -> Iterator[Sequence[Program]]:
    with ExitStack() as stack:
        yield [stack.enter_context(relay(folder, receiver, more=more)) for _ in range(number)]


@contextmanager
def peer(kind: str, receiver: Receiver | None = None) -> Iterator[Program]:
    port = free_port()
    environment = {"RECEIVER": f"{receiver.url}/one"} if receiver else {}
    with program(python("bench.peers", kind, str(port)), port, "/ready", environment) as running:
        yield running


def load(servers: Sequence[Program], webhooks: int, connections: int, rate: float | None = None) -> dict[str, Any]:
    """Drive them from a process of its own; with a ``rate`` by an open loop."""
    urls = [f"{server.url}/webhooks/elasticpath" for server in servers]
    numbers = ["--webhooks", str(webhooks), "--connections", str(connections)]
    command = [*python("bench.load", *urls), *numbers, *(["--rate", str(rate)] if rate else [])]
    told: dict[str, Any] = json.loads(subprocess.check_output(command))
    if told["failed"]:
        raise SystemExit(f"{told['failed']} webhooks were not answered with 200")
    return told


def settled_s(server: Program) -> float:
    """When nothing waits at any stage; call it when all has arrived."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        waiting = _BACKLOG.findall(_text(server.port, "/metrics"))
        if waiting and not any(float(number) for number in waiting):
            return time.monotonic()
        time.sleep(SETTLE_POLL_S)
    raise SystemExit("It was delivered and is not settled.")


def _get(port: int, path: str) -> Any:
    return json.loads(_text(port, path))


def _text(port: int, path: str) -> str:
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def once(told: Mapping[str, float]) -> None:
    """Raises SystemExit when a call came twice."""
    if told["calls"] != told["unique"]:
        raise SystemExit(f"sent twice: {told}")
