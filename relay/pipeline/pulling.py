"""Reading a platform's own list of orders, page by page, however long it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from relay.codes import RelayError
from relay.model import Event, Json, JsonObject
from relay.pipeline.backoff import delay_s
from relay.pipeline.completing import Completer, CompletionMissing, CompletionWaits
from relay.pipeline.rendered import Task
from relay.sources.contract import Source
from relay.sources.history import History

T = TypeVar("T")

TRIES = 10
"""Of one page or document, before it is given up."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Asks again, later and later, what the platform does not answer now."""

    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]

    async def until_answered(self, ask: Callable[[], Awaitable[T]], latest: str) -> T:
        """Raises RelayError when the platform refuses, or does not answer for long; else what ``ask`` raises."""
        failures = 0
        while True:
            try:
                return await ask()
            except CompletionWaits as waits:
                failures += 1
                if waits.code == "completion_refused":
                    raise RelayError(waits.code, waits.detail) from None
                if failures == TRIES:
                    go_on = f"Go on with --since {latest}." if latest else "Try again later."
                    raise RelayError(waits.code, f"{waits.detail}, {TRIES} times.", go_on) from None
                backoff_s = delay_s(failures, base_s=0.5, cap_s=60.0, random=self.random)
                await self.sleep(backoff_s if waits.wait_s is None else waits.wait_s)


async def orders(
    history: History,
    completer: Completer,
    since_ms: int,
    until_ms: int,
    waiting: Waiting,
) -> AsyncIterator[Sequence[JsonObject]]:
    """Pages of orders, oldest first. Raises RelayError when the platform refuses, or does not answer for long."""
    path: str | None = history.first(since_ms, until_ms)
    latest = ""
    while path is not None:
        page, headers = await _page(completer, path, latest, waiting)
        try:
            read = history.read(path, page, headers)
        except ValueError as error:
            raise RelayError("connection_check", f"The platform's list cannot be read: {error}.") from None
        if read.orders:
            latest = history.made_at(read.orders[-1])
            yield read.orders
        path = read.next_path


async def completed(completer: Completer, source: Source, event: Event, waiting: Waiting) -> Task:
    """The event with what its source wants fetched. Raises RelayError as `orders` does."""
    try:
        return Task(event, await waiting.until_answered(lambda: completer.fetch(source.lookups(event)), ""))
    except CompletionMissing as error:
        return Task(event, {}, str(error))


async def _page(completer: Completer, path: str, latest: str, waiting: Waiting) -> tuple[Json, Mapping[str, str]]:
    try:
        return await waiting.until_answered(lambda: completer.page(path), latest)
    except CompletionMissing as error:
        raise RelayError("connection_check", f"{error}.", "Check commerce.base_url.") from None
