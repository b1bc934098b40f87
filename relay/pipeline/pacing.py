"""Pacing: at most so many turns a second, evenly spread, with a small burst."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Pace:
    """A rate limit. ``clock`` gives seconds, ``sleep`` waits them."""

    def __init__(
        self,
        turns_per_second: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        burst: int = 5,
    ) -> None:
        self._interval_s = 1.0 / turns_per_second
        self._slack_s = self._interval_s * (burst - 1)
        self._clock = clock
        self._sleep = sleep
        self._next_s = float("-inf")

    async def turn(self) -> None:
        """Wait for one's turn; those who wait are served in the order they came."""
        await self.turns(1)

    async def turns(self, number: int) -> None:
        """Wait for so many turns at once; the next one waits for all of them."""
        now_s = self._clock()
        mine_s = max(self._next_s, now_s - self._slack_s)
        self._next_s = mine_s + self._interval_s * number
        if mine_s > now_s:
            await self._sleep(mine_s - now_s)

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before this has passed."""
        self._next_s = max(self._next_s, self._clock() + seconds)
