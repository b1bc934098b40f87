"""Listening: a socket bound before anything starts, and uvicorn on it without its own signal handling."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from relay.codes import RelayError
from relay.web.protocol import Protocol

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises RelayError `port_in_use` or `config_invalid`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With the protocol named, asyncio turns off Nagle's algorithm: answers would wait 40 ms else.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except socket.gaierror as error:
        raise RelayError("config_invalid", f"server.host {host!r} has no address: {error.strerror}") from error
    except OSError as error:
        raise RelayError("port_in_use", f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    listener.setblocking(False)
    return listener


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn on a bound socket; who runs it decides when to stop it."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, shutdown_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=Protocol,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=max(1, int(shutdown_s)),
            )
        )
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the application's business."""
        yield

    async def run_until_stopped(self) -> None:
        """Serve until `stop`; then finish the requests under way."""
        await self.serve(sockets=[self._listener])

    def stop(self) -> None:
        self.should_exit = True
