"""Reading a platform's own list of orders, page by page, however long it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from relay.codes import RelayError
from relay.model import Json, JsonObject
from relay.pipeline.backoff import delay_s
from relay.pipeline.completing import Completer, CompletionMissing, CompletionWaits
from relay.sources.history import History

TRIES = 10
"""Of one page, before it is given up."""


async def orders(
    history: History,
    completer: Completer,
    since_ms: int,
    until_ms: int,
    *,
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float],
) -> AsyncIterator[Sequence[JsonObject]]:
    """Pages of orders, oldest first. Raises RelayError when the platform refuses, or does not answer for long."""
    path: str | None = history.first(since_ms, until_ms)
    latest = ""
    while path is not None:
        page, headers = await _page(completer, path, latest, sleep, random)
        try:
            read = history.read(path, page, headers)
        except ValueError as error:
            raise RelayError("connection_check", f"The platform's list cannot be read: {error}.") from None
        if read.orders:
            latest = history.made_at(read.orders[-1])
            yield read.orders
        path = read.next_path


async def _page(
    completer: Completer,
    path: str,
    latest: str,
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float],
) -> tuple[Json, Mapping[str, str]]:
    go_on = f"Go on with --since {latest}." if latest else "Try again later."
    failures = 0
    while True:
        try:
            return await completer.page(path)
        except CompletionMissing as error:
            raise RelayError("connection_check", f"{error}.", "Check commerce.base_url.") from None
        except CompletionWaits as waits:
            failures += 1
            if waits.code == "completion_refused":
                raise RelayError(waits.code, waits.detail) from None
            if failures == TRIES:
                raise RelayError(waits.code, f"{waits.detail}, {TRIES} times.", go_on) from None
            await sleep(
                waits.wait_s if waits.wait_s is not None else delay_s(failures, base_s=0.5, cap_s=60.0, random=random)
            )
