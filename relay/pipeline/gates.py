"""A gate holds up one destination, or one source's commerce API, while it fails.

While a gate is closed nobody passes; when its wait is over one line probes, and the first success
opens it for all. The state is kept in the journal, so that a restart does not hammer, and so that
other processes can change it: another node that met a failure, a person who pauses or resumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import Gate
from relay.pipeline.backoff import delay_s
from relay.pipeline.wakeups import Wakeups

FIRST_WAIT_S = 0.5
MISCONFIGURED_CAP_S = 300.0
SLOWLY = 10


class LineGate:
    """The gate called ``name``; owned by one stage."""

    def __init__(
        self,
        name: str,
        journal: Journal,
        wakeups: Wakeups,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        *,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self.name = name
        self.state = Gate()
        self.paused = False
        """By a person; what waits is kept."""
        self.successes = 0
        """How often the other side took something since the start: tells an outage from a bad record."""
        self.failed = 0
        """How often it did not."""
        self._journal = journal
        self._wakeups = wakeups
        self._now_ms = now_ms
        self._random = random
        self._first_wait_s = first_wait_s
        self._probe = asyncio.Lock()
        self._turn = 0
        self._written = Gate()
        """What the journal is known to hold."""
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Take up the state of before a restart. A misconfiguration may be mended since: try at once."""
        self._written = state = await self._journal.gate(self.name)
        self.paused = await is_paused(self._journal, self.name)
        longest_ms = self._now_ms() + int(MISCONFIGURED_CAP_S * 1000)
        # A clock that was set back must not lengthen the wait.
        self.state = Gate(state.failures, min(state.not_before_ms, longest_ms), state.code, state.why)

    def retry_at_once(self) -> None:
        """Forget the wait, not the failures: the next attempt is a probe."""
        self.state = Gate(self.state.failures, 0, self.state.code, self.state.why)

    async def refresh(self) -> None:
        """Take over what another process wrote. Raises `JournalUnavailable`."""
        state, paused = await self._journal.gate(self.name), await is_paused(self._journal, self.name)
        if state == self._written and paused == self.paused:
            return
        if state != self._written:
            self._turn += 1
            self._written = self.state = state
        self.paused = paused
        self._changed.set()

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[int]:
        """Pass the gate to make one attempt; gives a token to report its end with.

        Raises `Stopping` when the relay stops meanwhile.
        """
        await self._while_paused()
        if self.state.failures == 0:
            yield self._turn
            return
        async with self._probe:
            while self.state.failures and (wait_ms := self.state.not_before_ms - self._now_ms()) > 0:
                self._changed.clear()
                await self._wakeups.pause(wait_ms / 1000, self._changed)
            await self._while_paused()
            if self.state.failures:
                yield self._turn
                return
        yield self._turn

    async def _while_paused(self) -> None:
        while self.paused:
            self._changed.clear()
            await self._wakeups.pause(None, self._changed)

    async def opened(self, token: int) -> None:
        """The other side took something. What was on its way before the gate closed does not open it."""
        self.successes += 1
        if self.state.failures and token == self._turn:
            await self._keep(Gate())

    async def closed(
        self, token: int, code: str, why: str, *, wait_s: float | None = None, cap_s: float = 60.0, slowly: bool = False
    ) -> float:
        """The other side failed; returns the seconds until the next attempt, ten times as many if ``slowly``.

        Attempts that were under way together count as one failure.
        """
        self.failed += 1
        another = token == self._turn or not self.state.failures
        failures = self.state.failures + another
        factor = SLOWLY if slowly else 1
        backoff_s = delay_s(failures, base_s=self._first_wait_s * factor, cap_s=cap_s * factor, random=self._random)
        seconds = backoff_s if wait_s is None else wait_s
        not_before_ms = max(self._now_ms() + int(seconds * 1000), self.state.not_before_ms)
        self._turn += another
        await self._keep(Gate(failures, not_before_ms, code, why))
        return (not_before_ms - self._now_ms()) / 1000

    async def _keep(self, state: Gate) -> None:
        self.state = self._written = state
        try:
            await self._journal.set_gate(self.name, state)
        except JournalUnavailable:
            # The state in memory rules; a restart would only try a little early.
            return


def _pause(name: str) -> str:
    return f"pause:{name}"


async def is_paused(journal: Journal, name: str) -> bool:
    """Whether a person paused what is behind this gate."""
    return bool((await journal.gate(_pause(name))).failures)


async def pause(journal: Journal, name: str) -> None:
    """Let nothing pass the gate until `resume`, over restarts too."""
    await journal.set_gate(_pause(name), Gate(failures=1, code="paused"))


async def resume(journal: Journal, name: str) -> None:
    """End a pause; and what rests after a failure tries again at once."""
    await journal.set_gate(_pause(name), Gate())
    state = await journal.gate(name)
    if state.failures:
        await journal.set_gate(name, Gate(state.failures, 0, state.code, state.why))
