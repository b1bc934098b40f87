"""`relay serve`: a relay at work, and another in its place when the configuration was changed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from relay import logs
from relay.app.building import build
from relay.app.running import Relay, Role, Signals
from relay.codes import RelayError
from relay.destinations import build_destination
from relay.renderer import build_library, build_mapper, build_sources
from relay.settings.describing import secrets_of
from relay.settings.loading import Loaded
from relay.templates.expressions import RequestExpressions
from relay.web import server
from relay.web.entrance import Entrance, entrance

FIXED = ("server.host", "server.port", "journal.url")
"""What stays as it is until a restart: the socket stays bound, and what waits in a journal is not left behind."""


@asynccontextmanager
async def taking(relay: Relay, listener: socket.socket, signals: Signals) -> AsyncIterator[Entrance]:
    """Requests are taken on ``listener`` for ``relay``."""
    async with entrance(
        listener, stop=signals.first, force=signals.second, shutdown_s=relay.options.server.shutdown_s
    ) as door:
        assert relay.site is not None
        door.open(relay.site)
        yield door


async def serve(read: Callable[[], Loaded], *, role: Role = Role.ALL) -> int:
    """Run until SIGTERM or SIGINT, with what ``read`` gives, and gives anew at SIGHUP.

    Returns the exit code: 0, or 128 and the number of the signal that did not wait for the work in hand.
    Raises RelayError when it cannot start.
    """
    loaded = read()
    signals = Signals()
    with server.bind(loaded.options.server.host, loaded.options.server.port) as listener:
        signals.install(reloads=True)
        async with AsyncExitStack() as stack:
            serving = Serving(loaded, read, server.url(listener), role, signals, stack)
            relay = await serving.built(loaded)
            async with taking(relay, listener, signals) as door:
                await serving.run(relay, door)
    return 128 + signals.forced_by if signals.forced_by else 0


class Serving:
    """Runs one relay after the other; ``stack`` holds the one that is there."""

    def __init__(
        self,
        loaded: Loaded,
        read: Callable[[], Loaded],
        url: str,
        role: Role,
        signals: Signals,
        stack: AsyncExitStack,
    ) -> None:
        self._loaded = loaded
        self._read = read
        self._url = url
        self._role = role
        self._signals = signals
        self._stack = stack
        self._log = logs.get("relay")

    async def built(self, loaded: Loaded) -> Relay:
        """A relay of this configuration, which also says how and what is logged."""
        options = loaded.options
        logs.configure(options.log.format, options.log.level, secrets_of(options))
        return await self._stack.enter_async_context(build(loaded, self._url, role=self._role))

    async def run(self, relay: Relay, door: Entrance) -> None:
        """Until a signal."""
        while True:
            async with asyncio.TaskGroup() as group:
                changed = group.create_task(self._changed(relay))
                await relay.run(self._signals)
                changed.cancel()
            if self._signals.first.is_set():
                return
            await door.close(within_s=relay.options.server.shutdown_s)
            await self._stack.aclose()
            relay = await self._replaced(changed.result())
            assert relay.site is not None
            door.open(relay.site)

    async def _replaced(self, loaded: Loaded) -> Relay:
        try:
            relay = await self.built(loaded)
        except Exception as error:  # of whatever kind: what ran before goes on
            relay = await self.built(self._loaded)
            self._refuse(relay, error)
        else:
            self._loaded = loaded
            self._log.info("reloaded")
        return relay

    async def _changed(self, relay: Relay) -> Loaded:
        """The next good configuration, for which ``relay`` is retired."""
        while True:
            await self._signals.reload.wait()
            self._signals.reload.clear()
            try:
                loaded = self._good()
            except Exception as error:  # of whatever kind: what runs goes on
                self._refuse(relay, error)
            else:
                relay.retired.set()
                return loaded

    def _good(self) -> Loaded:
        """The configuration as it is now. Raises RelayError when it cannot be put in use."""
        loaded = self._read()
        changed = [name for name in FIXED if _value(loaded, name) != _value(self._loaded, name)]
        if changed:
            raise RelayError("needs_restart", f"{' and '.join(changed)} changed.")
        build_sources(loaded.options)
        build_mapper(loaded.options, build_library(loaded, in_use=True).snapshot)
        for name, options in loaded.options.destinations.items():
            build_destination(name, options, RequestExpressions())
        return loaded

    def _refuse(self, relay: Relay, error: Exception) -> None:
        if isinstance(error, RelayError):
            relay.standing.refused = error
            self._log.error("reload_refused", code=error.code, detail=error.message)
        else:
            relay.standing.refused = RelayError("bug", type(error).__name__)
            self._log.exception("reload_refused", code="bug")


def _value(loaded: Loaded, name: str) -> object:
    table, _, option = name.partition(".")
    return getattr(getattr(loaded.options, table), option)
