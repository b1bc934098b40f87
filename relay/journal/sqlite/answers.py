"""From a journal thread back to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


def hand_back(loop: asyncio.AbstractEventLoop, answers: Sequence[Answer], then: Callable[[], None]) -> None:
    """Resolve all with one wake-up of the loop, and call ``then`` there."""
    with suppress(RuntimeError):  # The loop is closed: nobody waits for the answers any more.
        loop.call_soon_threadsafe(_resolve, answers, then)


def _resolve(answers: Sequence[Answer], then: Callable[[], None]) -> None:
    for answer in answers:
        if answer.future.done():
            continue  # Its task was cancelled while it waited.
        if answer.error is None:
            answer.future.set_result(answer.result)
        else:
            answer.future.set_exception(answer.error)
    then()
