"""A load generator: keep-alive connections to one or more relays, in one of two manners.

Closed loop: each connection sends the next webhook when one is answered; finds the greatest rate.
Open loop (`--rate`): every webhook has its time, whether those before it are answered or not, and its
latency counts from then (no coordinated omission: a server that stalls is charged for all who would have waited).
Prints JSON. Seconds are of the machine's monotonic clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.bodies import Webhooks

LEAD_S = 0.5
"""From the start of an open loop to its first webhook, so that its connections are there."""


class Connection(asyncio.Protocol):
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = b""
        self._number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.connecting -= 1
        self._run.free(self)

    def send(self, number: int, request: bytes) -> None:
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer = b""
        number, self._number = self._number, -1
        self._run.answered(number, head[9:12] == b"200")
        self._run.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(self)
        if self._number >= 0:
            self._run.answered(self._number, accepted=False)


class Run:
    """Sends webhooks 0, 1, … and remembers when each was due and when it was answered."""

    def __init__(self, urls: Sequence[str], webhooks: int, rate: float | None) -> None:
        self._addresses = [(urlsplit(url).hostname or "", urlsplit(url).port or 80) for url in urls]
        self.webhooks = Webhooks()
        self._request = self.webhooks.requests(urls[0])
        self._count = webhooks
        self._rate = rate
        self._next = 0
        self._answered = 0
        self._idle: deque[Connection] = deque()
        self.due_s = [0.0] * webhooks
        self.sent_s = [0.0] * webhooks
        self.latencies_s = [0.0] * webhooks
        self.failed = 0
        self.connecting = 0

    def free(self, connection: Connection) -> None:
        if self._rate is None or self._overdue():
            self._send(connection)
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def answered(self, number: int, accepted: bool) -> None:
        self.latencies_s[number] = time.monotonic() - self.due_s[number]
        self.failed += not accepted
        self._answered += 1
        if self._answered == self._count:
            self._done.set_result(None)

    def _overdue(self) -> bool:
        return self._next < self._count and self.due_s[self._next] <= time.monotonic()

    def _send(self, connection: Connection) -> None:
        if self._next == self._count:
            return
        number, self._next = self._next, self._next + 1
        self.sent_s[number] = time.monotonic()
        if self._rate is None:
            self.due_s[number] = self.sent_s[number]
        connection.send(number, self._request(number))

    async def run(self, connections: int) -> float:
        """Send everything; returns the seconds it took."""
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        self.started_s = time.monotonic()
        if self._rate is not None:
            self.started_s += LEAD_S
            self.due_s = [self.started_s + number / self._rate for number in range(self._count)]
        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                self._connect(group, number)
        if self._rate is not None:
            await self._keep_time()
        await self._done
        return time.monotonic() - self.started_s

    def _connect(self, group: asyncio.TaskGroup, number: int) -> None:
        host, port = self._addresses[number % len(self._addresses)]
        self.connecting += 1
        loop = asyncio.get_running_loop()
        group.create_task(loop.create_connection(lambda: Connection(self), host, port))

    async def _keep_time(self) -> None:
        """Send what is due; what finds every connection waiting for an answer goes on a new one."""
        async with asyncio.TaskGroup() as group:
            while self._next < self._count:
                while self._overdue() and self._idle:
                    self._send(self._idle.popleft())
                due = bisect_right(self.due_s, time.monotonic(), self._next) - self._next
                for number in range(due - self.connecting):
                    self._connect(group, self._next + number)
                if self._next < self._count:
                    await asyncio.sleep(max(0.001, self.due_s[self._next] - time.monotonic()))


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    run = Run(options.urls, options.webhooks, options.rate)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(run.run(options.connections))
    late_s = [sent_s - due_s for sent_s, due_s in zip(run.sent_s, run.due_s, strict=True)]
    told: dict[str, object] = {
        "started_s": run.started_s,
        "seconds": seconds,
        "failed": run.failed,
        "p50_ms": percentile_ms(run.latencies_s, 50),
        "p99_ms": percentile_ms(run.latencies_s, 99),
        "sent_late_p99_ms": percentile_ms(late_s, 99),
    }
    if options.rate:
        told["due_s"] = {run.webhooks.order_id(number): due_s for number, due_s in enumerate(run.due_s)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
