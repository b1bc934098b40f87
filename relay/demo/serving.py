"""Serves an ASGI app on a real socket of this machine, inside the running event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

STOP_S = 1.0


class _Connection(HttpToolsProtocol):
    """Lets an app cut the connection, as a server does that dies: ``request.state.cut_connection()``."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["cut_connection"] = self.transport.abort


@asynccontextmanager
async def serve(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve until the context ends; gives the base URL. Port 0 takes a free one.

    Uses uvicorn's protocol without its `Server`, which takes over signals and polls to stop.
    """
    config = uvicorn.Config(app, log_config=None, ws="none")
    config.load()
    lifespan = config.lifespan_class(config)
    await lifespan.startup()
    state = ServerState()

    def connection() -> _Connection:
        return _Connection(config, state, lifespan.state)

    listener = await asyncio.get_running_loop().create_server(connection, host, port, ssl=tls)
    try:
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        name = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield f"{'https' if tls else 'http'}://{name}:{bound_port}"
    finally:
        listener.close()
        await _end_connections(state)
        await listener.wait_closed()
        await lifespan.shutdown()


async def _end_connections(state: ServerState) -> None:
    """Cut what is open; whoever waits for the other side then sees that it has gone."""
    for open_connection in list(state.connections):
        open_connection.transport.abort()
    if state.tasks:
        _, busy = await asyncio.wait(state.tasks, timeout=STOP_S)
        for task in busy:
            task.cancel()
