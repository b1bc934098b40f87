"""A closed-loop load generator: keep-alive connections, each sends the next webhook when one is answered."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench import bodies


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = self._run.next_request()
        if request is None:
            self._transport.close()
            return
        self._sent_s = time.perf_counter()
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
        self._run.answered(head[9:12] == b"200", time.perf_counter() - self._sent_s)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.closed()


class Run:
    """Counts requests and answers of one run."""

    def __init__(self, url: str, requests: int, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        body = bodies.order_paid()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"X-MOLTIN-SECRET-KEY: {bodies.SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        first, second = sorted((bodies.MARK, bodies.ORDER_MARK), key=body.decode().index)
        assert first == bodies.MARK, second
        before, rest = (head.encode() + body).split(bodies.MARK.encode())
        between, after = rest.split(bodies.ORDER_MARK.encode())
        self._pieces = before, between, after
        self._run_id = f"{time.time_ns() % 10**12:012d}"
        self._left = requests
        self._open = connections
        self._connections = connections
        self.latencies_s: list[float] = []
        self.failed = 0

    def next_request(self) -> bytes | None:
        if not self._left:
            return None
        self._left -= 1
        number = f"{self._left:08d}-0000-4000-8000-{self._run_id}".encode()
        before, between, after = self._pieces
        return b"".join((before, number, between, number, after))

    def answered(self, accepted: bool, latency_s: float) -> None:
        self.latencies_s.append(latency_s)
        self.failed += not accepted

    def closed(self) -> None:
        self._open -= 1
        if not self._open:
            self._done.set_result(None)

    async def run(self) -> float:
        """Send everything; returns the seconds it took."""
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        self.started_s = time.time()
        started_s = time.perf_counter()
        for _ in range(self._connections):
            await loop.create_connection(lambda: Connection(self), self._host, self._port)
        await self._done
        return time.perf_counter() - started_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    run = Run(options.url, options.requests, options.connections)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(run.run())
    ordered = sorted(run.latencies_s)
    print(
        json.dumps(
            {
                "started_s": run.started_s,
                "seconds": seconds,
                "requests": len(ordered),
                "failed": run.failed,
                "p50_ms": ordered[len(ordered) // 2] * 1000,
                "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
