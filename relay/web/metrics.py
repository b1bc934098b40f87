"""Prometheus metrics, counted from what the pipeline tells. Labels are names and codes, never data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from relay.model import Backlog, OutcomeKind
from relay.pipeline.source_states import SourceState, SourceWord

COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
ATTEMPT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Backlogs = Callable[[], Awaitable[Sequence[Backlog]]]
Gates = Callable[[], dict[str, bool]]
SourceStates = Callable[[], Awaitable[Sequence[SourceState]]]


class Metrics:
    """Implements `relay.pipeline.observing.Observer`.

    ``backlogs``, ``gates`` and ``sources`` are asked when somebody asks for the metrics.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(
        self,
        backlogs: Backlogs,
        gates: Gates,
        sources: SourceStates,
        template_problems: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self.registry = CollectorRegistry()
        self._ask_backlogs = backlogs
        self._ask_gates = gates
        self._ask_sources = sources
        self._ask_template_problems = template_problems
        self._now_ms = now_ms
        self._webhooks = Counter(
            "relay_webhooks", "Webhooks by source and result.", ["source", "result"], registry=self.registry
        )
        self._webhooks_of = cache(self._webhooks.labels)
        self._outcomes = Counter(
            "relay_outcomes",
            "Ends of events (by source) and calls (by destination).",
            ["name", "outcome", "code"],
            registry=self.registry,
        )
        self._warnings = Counter(
            "relay_template_warnings",
            "Calls that depart from the specification or the tracking plan, and were sent all the same.",
            ["source", "tracked_event", "code"],
            registry=self.registry,
        )
        self._attempts = Counter(
            "relay_attempts",
            "Requests to a destination by verdict.",
            ["destination", "verdict", "code"],
            registry=self.registry,
        )
        self._attempt_calls = Counter(
            "relay_attempt_calls", "Calls in those requests.", ["destination", "verdict"], registry=self.registry
        )
        self._attempt_seconds = Histogram(
            "relay_attempt_duration_seconds",
            "Duration of requests to a destination.",
            ["destination"],
            buckets=ATTEMPT_BUCKETS,
            registry=self.registry,
        )
        self._commit_seconds = Histogram(
            "relay_journal_commit_seconds",
            "Duration of journal commits.",
            buckets=COMMIT_BUCKETS,
            registry=self.registry,
        )
        self._backlog = Gauge("relay_backlog", "What waits behind a stage.", ["stage"], registry=self.registry)
        self._oldest = Gauge(
            "relay_oldest_waiting_seconds", "Age of the oldest that waits.", ["stage"], registry=self.registry
        )
        self._closed = Gauge(
            "relay_waiting_after_failure",
            "1 while a destination or commerce API is given a rest after a failure.",
            ["name"],
            registry=self.registry,
        )

        self._template_problems = Gauge(
            "relay_template_problems",
            "Problems of the last template change; while there are any, the last good templates are in use.",
            registry=self.registry,
        )

        self._last_received = Gauge(
            "relay_source_last_received_timestamp_seconds",
            "When the last webhook of a source came, Unix time.",
            ["source"],
            registry=self.registry,
        )
        self._quiet = Gauge(
            "relay_source_quiet",
            "1 while nothing has come from a source for much longer than is usual.",
            ["source"],
            registry=self.registry,
        )
        self._quarantined = Gauge(
            "relay_quarantined",
            "Refused requests that are kept, by source and reason.",
            ["source", "code"],
            registry=self.registry,
        )

    def webhook(self, source: str, result: str) -> None:
        self._webhooks_of(source, result).inc()

    def ended(self, source_or_destination: str, kind: OutcomeKind, code: str, count: int) -> None:
        self._outcomes.labels(source_or_destination, kind.value, code).inc(count)

    def attempt(self, destination: str, verdict: str, code: str, duration_s: float, calls: int) -> None:
        self._attempts.labels(destination, str(verdict), code).inc()
        self._attempt_calls.labels(destination, str(verdict)).inc(calls)
        self._attempt_seconds.labels(destination).observe(duration_s)

    def warned(self, source: str, tracked_event: str, code: str) -> None:
        self._warnings.labels(source, tracked_event, code).inc()

    def commit(self, duration_s: float) -> None:
        self._commit_seconds.observe(duration_s)

    async def refresh(self) -> None:
        """Bring the gauges up to date."""
        now_ms = self._now_ms()
        for backlog in await self._ask_backlogs():
            self._backlog.labels(backlog.stage).set(backlog.waiting)
            oldest_ms = backlog.oldest_received_at_ms
            self._oldest.labels(backlog.stage).set(0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000)
        await self._refresh_sources()
        self._template_problems.set(self._ask_template_problems())
        for name, closed in self._ask_gates().items():
            self._closed.labels(name).set(int(closed))

    async def _refresh_sources(self) -> None:
        states = await self._ask_sources()
        if states:
            self._quarantined.clear()  # a reason may be gone
        for state in states:
            if state.last_received_at_ms is not None:
                self._last_received.labels(state.name).set(state.last_received_at_ms / 1000)
            self._quiet.labels(state.name).set(int(state.word is SourceWord.QUIET))
            for refused in state.refusals:
                self._quarantined.labels(state.name, refused.code).set(refused.count)

    def text(self) -> bytes:
        return generate_latest(self.registry)
