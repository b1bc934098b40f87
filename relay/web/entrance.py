"""The way in: one server for the life of the process, before the site of the relay that runs at the time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from relay.web.server import Server


class Entrance:
    """The ASGI application. Requests go to the site that is there; while there is none, they wait."""

    def __init__(self) -> None:
        self._site: ASGIApp | None = None
        self._opened = asyncio.Event()
        self._left = asyncio.Event()
        self._left.set()
        self._inside = 0

    def open(self, site: ASGIApp) -> None:
        self._site = site
        self._opened.set()

    async def close(self, *, within_s: float) -> None:
        """Let requests wait from now on; returns when those inside have left, or after this time."""
        self._opened.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._left.wait()
        except TimeoutError:
            # Somebody sends a body very slowly; its sender sees no 2xx, and sends again.
            return

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self._site is None or not self._opened.is_set():
            await self._opened.wait()
        self._inside += 1
        self._left.clear()
        try:
            await self._site(scope, receive, send)
        finally:
            self._inside -= 1
            if not self._inside:
                self._left.set()


@asynccontextmanager
async def entrance(
    listener: socket.socket, *, stop: asyncio.Event, force: asyncio.Event, shutdown_s: float
) -> AsyncIterator[Entrance]:
    """Serves on ``listener``. From ``stop`` on, or at the end of the context, only requests under way are answered."""
    door = Entrance()
    server = Server(door, listener, shutdown_s=shutdown_s)
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(server, stop, force, shutdown_s), name="web")
        try:
            yield door
        finally:
            stop.set()


async def _serve(server: Server, stop: asyncio.Event, force: asyncio.Event, shutdown_s: float) -> None:
    serving = asyncio.ensure_future(server.run_until_stopped())
    forced = asyncio.ensure_future(force.wait())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.stop()
        await asyncio.wait({serving, forced}, timeout=shutdown_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (serving, forced, stopped):
            task.cancel()
