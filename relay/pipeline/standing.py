"""How the relay stands: ready or not and why, what waits, which lines rest after a failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from relay.codes import CODES, RelayError
from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import Backlog
from relay.pipeline.gates import LineGate
from relay.pipeline.source_states import SourceState, SourceWord
from relay.pipeline.wakeups import Wakeups
from relay.templates.diagnostics import Diagnostic

ASK_AGAIN_S = 0.02


class Standing:
    """Answers for `/readyz` and `/metrics`. Codes only: both are read without a password."""

    def __init__(
        self,
        journal: Journal,
        gates: Mapping[str, LineGate],
        stages: Sequence[str],
        problems: Callable[[], Sequence[Diagnostic]],
        sources: Callable[[], Awaitable[Sequence[SourceState]]],
        wakeups: Wakeups,
        now_ms: Callable[[], int],
    ) -> None:
        self._journal = journal
        self._gates = gates
        self._stages = stages
        self._problems = problems
        self._sources = sources
        self._wakeups = wakeups
        self._now_ms = now_ms
        self.refused: RelayError | None = None
        """Why a changed configuration is not in use."""

    async def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether webhooks can be taken, and the state of every line.

        A destination that is down does not make the relay unready, nor does a quiet source: intake goes on.
        """
        reasons = []
        if self._wakeups.closing:
            reasons.append(_reason("stopping"))
        try:
            await self._journal.check()
        except JournalUnavailable:
            reasons.append(_reason("journal_unavailable"))
        return not reasons, {
            "reasons": reasons,
            "lines": {name: self._line(gate) for name, gate in self._gates.items()},
            "sources": {state.name: self._source(state) for state in await self._sources()},
            "templates": self._templates(),
            "configuration": self._configuration(),
        }

    def _source(self, state: SourceState) -> dict[str, Any]:
        told: dict[str, Any] = {"state": str(state.word)}
        if state.word is SourceWord.QUIET:
            told |= _reason("source_quiet")
        if state.last_received_at_ms is not None:
            told["silent_s"] = max(0, self._now_ms() - state.last_received_at_ms) // 1000
        return told

    def _templates(self) -> dict[str, Any]:
        """Whether the user's folder is in use as it is, or the last good templates are."""
        problems = self._problems()
        return {"state": "last good" if problems else "ok", "problems": [problem.log_line() for problem in problems]}

    def _configuration(self) -> dict[str, str]:
        """Whether the configuration is in use as it was when it was last read; the text of an error has no secret."""
        if self.refused is None:
            return {"state": "ok"}
        return {"state": "last good", **_reason(self.refused.code), "problem": self.refused.message}

    def _line(self, gate: LineGate) -> dict[str, Any]:
        state = gate.state
        if gate.paused:
            return {"state": "paused", **_reason("paused")}
        if not state.failures:
            return {"state": "open"}
        return {
            "state": "waiting",
            **_reason(state.code),
            "failures": state.failures,
            "next_attempt_s": max(0, state.not_before_ms - self._now_ms()) / 1000,
        }

    async def backlogs(self) -> Sequence[Backlog]:
        try:
            return await self._journal.backlogs(self._stages)
        except JournalUnavailable:
            # The metrics keep their last value; `/readyz` says what is wrong.
            return ()

    async def drained(self) -> None:
        """Wait until nothing waits behind any stage. Raises `Stopping`.

        It asks the journal again and again: work may come from other processes, which send no signal.
        """
        while any(backlog.waiting for backlog in await self._journal.backlogs(self._stages)):
            await self._wakeups.pause(ASK_AGAIN_S)

    def template_problems(self) -> int:
        return len(self._problems())

    def closed_gates(self) -> dict[str, bool]:
        return {name: gate.paused or gate.state.failures > 0 for name, gate in self._gates.items()}


def _reason(code: str) -> dict[str, str]:
    known = CODES.get(code)
    return {"code": code, "meaning": known.meaning if known else "", "remedy": known.remedy if known else ""}
