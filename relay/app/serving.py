"""`relay serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relay.app.building import build
from relay.app.running import Relay, Role, Signals
from relay.settings.loading import Loaded
from relay.web import server


async def serve(loaded: Loaded, on_ready: Callable[[Relay], Any] | None = None, *, role: Role = Role.ALL) -> None:
    """Run until SIGTERM or SIGINT."""
    listener = server.bind(loaded.options.server.host, loaded.options.server.port)
    signals = Signals()
    signals.install()
    with listener:
        async with build(loaded, listener, role=role) as relay:
            if on_ready is not None:
                on_ready(relay)
            await relay.run(signals)
