"""How each source stands: when it last sent, whether it has gone quiet, what of it was refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay import logs
from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import Refusals
from relay.pipeline.silence import WINDOW_MS, silence
from relay.pipeline.wakeups import Stopping, Wakeups

LOOK_AGAIN_S = 60.0


class SourceWord(StrEnum):
    OK = "ok"
    QUIET = "quiet"
    NEW = "new"
    """It sends, but not yet for so long that anything is normal."""
    NOTHING = "nothing came"
    """None of its webhooks is kept."""
    REMOVED = "removed"
    """It is no longer configured."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """``usual_silence_ms`` is None while nothing is known to be normal."""

    name: str
    word: SourceWord
    last_received_at_ms: int | None
    usual_silence_ms: int | None
    refusals: Sequence[Refusals]


async def source_state(journal: Journal, name: str, *, configured: bool, now_ms: int) -> SourceState:
    arrivals = await journal.arrivals(name, window_ms=WINDOW_MS)
    found = silence(arrivals, now_ms)
    if not configured:
        word = SourceWord.REMOVED
    elif arrivals.last_received_at_ms is None:
        word = SourceWord.NOTHING
    elif found.usual_ms is None:
        word = SourceWord.NEW
    else:
        word = SourceWord.QUIET if found.is_quiet else SourceWord.OK
    return SourceState(name, word, arrivals.last_received_at_ms, found.usual_ms, await journal.refusals(name))


class SourceWatch:
    """Looks at the configured sources every minute, and whenever asked; logs each silence once."""

    def __init__(self, journal: Journal, names: Sequence[str], wakeups: Wakeups, now_ms: Callable[[], int]) -> None:
        self._journal = journal
        self._names = names
        self._wakeups = wakeups
        self._now_ms = now_ms
        self._quiet: Collection[str] = ()
        self._log = logs.get("sources")

    async def run(self) -> None:
        """Until the relay stops."""
        try:
            while True:
                await self.states()
                await self._wakeups.pause(LOOK_AGAIN_S)
        except Stopping:
            return

    async def states(self) -> Sequence[SourceState]:
        """Empty while the journal cannot be read: who asks says that already."""
        now_ms = self._now_ms()
        try:
            found = [await source_state(self._journal, name, configured=True, now_ms=now_ms) for name in self._names]
        except JournalUnavailable:
            return ()
        for state in found:
            self._tell(state, now_ms)
        self._quiet = [state.name for state in found if state.word is SourceWord.QUIET]
        return found

    def _tell(self, state: SourceState, now_ms: int) -> None:
        if state.last_received_at_ms is None or state.usual_silence_ms is None:
            return
        silent_s = (now_ms - state.last_received_at_ms) // 1000
        if state.word is SourceWord.QUIET and state.name not in self._quiet:
            self._log.warning(
                "source_quiet", source=state.name, silent_s=silent_s, usual_s=state.usual_silence_ms // 1000
            )
        elif state.word is not SourceWord.QUIET and state.name in self._quiet:
            self._log.info("source_back", source=state.name)
