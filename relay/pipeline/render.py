"""The render stage: events become calls. One line a source and partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from itertools import takewhile
from typing import Any, Protocol

from relay import logs
from relay.journal.protocol import Claim, Journal
from relay.model import (
    Event,
    EventId,
    Lane,
    NewCall,
    NewOutcome,
    OutcomeKind,
    PrivacyKind,
    Stage,
    render_stage,
)
from relay.pipeline.completing import CompletionMissing, CompletionWaits
from relay.pipeline.gates import MISCONFIGURED_CAP_S, LineGate
from relay.pipeline.handling import Handling, handled
from relay.pipeline.observing import Observer
from relay.pipeline.partitions import work_partitions
from relay.pipeline.privacy import carry_out, keys
from relay.pipeline.rendered import Rendered, Task, ended
from relay.pipeline.wakeups import Wakeups
from relay.sources.contract import Lookup, Source

BATCH_EVENTS = 100


class Renderer(Protocol):
    """`relay.pipeline.render_process`."""

    async def render(self, source: str, tasks: Sequence[Task], now_ms: int) -> Sequence[Rendered]:
        """What became of the first of the tasks, in order, and at least of one."""


class Fetcher(Protocol):
    """A source's commerce connection (`relay.pipeline.completing`)."""

    async def fetch(self, lookups: Sequence[Lookup]) -> Mapping[str, Any]: ...


class RenderLine:
    """Renders the events of one source, partition by partition."""

    def __init__(
        self,
        name: str,
        *,
        source: Source | None,
        fetcher: Fetcher | None,
        gate: LineGate,
        journal: Journal,
        renderer: Renderer,
        wakeups: Wakeups,
        observer: Observer,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._source = source
        self._fetcher = fetcher
        self._gate = gate
        self._journal = journal
        self._renderer = renderer
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._log = logs.get("render")

    async def run(self) -> None:
        """Work until the relay stops."""
        await self._gate.load()
        self._gate.retry_at_once()
        await work_partitions(
            render_stage(self._name),
            lambda partition: partial(self._work, partition),
            journal=self._journal,
            wakeups=self._wakeups,
            log=self._log,
        )

    async def _work(self, partition: int, claim: Claim) -> bool:
        """Render one batch of the first lane that has any; False when nothing waits any more."""
        waiting: Set[Lane] = {Lane.LIVE}
        for lane in Lane:
            if lane not in waiting:
                continue
            stage = Stage(render_stage(self._name), lane, partition)
            batch = await self._journal.read_events(stage, BATCH_EVENTS)
            if batch.events:
                rendered = await self._render(stage, batch.position, batch.events)
                return rendered < len(batch.events) or bool(batch.waiting)
            waiting = batch.waiting
        return False

    async def _render(self, stage: Stage, position: int, events: Sequence[Event]) -> int:
        """Returns how many of them were settled."""
        ahead = list(takewhile(lambda event: not self._stands_apart(event), events))
        if not ahead:
            await self._settle_apart(stage, position, events[0])
            return 1
        tasks = await self._complete(ahead)
        return await self._settle(stage, position, tasks) if tasks else 0

    def _stands_apart(self, event: Event) -> bool:
        """Whether it is nothing for templates: forgotten, without body by now, about privacy, or calls made before."""
        if event.forgotten_at_ms is not None or not event.body or Handling.of(event.options).as_rendered is not None:
            return True
        try:
            return self._source is not None and self._source.privacy(event) is not None
        except ValueError:
            # Said when it is carried out.
            return True

    async def _settle_apart(self, stage: Stage, position: int, event: Event) -> None:
        handling = Handling.of(event.options)
        if event.forgotten_at_ms is None and handling.as_rendered is not None:
            await self._repeat(stage, position, event, handling.as_rendered)
            return
        now_ms = self._now_ms()
        found: Sequence[str] = ()
        if event.forgotten_at_ms is not None:
            outcome = ended(event.id, OutcomeKind.SKIPPED, "forgotten", "", now_ms)
        elif not event.body:
            outcome = ended(event.id, OutcomeKind.SKIPPED, "body_expired", "", now_ms)
        else:
            outcome, found = await self._carry_out(event, now_ms)
        await self._journal.settle_events(
            stage,
            position=position,
            moved_to=event.id,
            calls=[],
            outcomes=[outcome],
            keys=[(event.id, key) for key in found],
        )
        self._report([outcome])

    async def _repeat(self, stage: Stage, position: int, event: Event, rendered_as: EventId) -> None:
        """Give the event the calls that another was rendered to then."""
        then = await self._journal.timeline(rendered_as)
        handling = Handling.of(event.options)
        calls = [
            handled(NewCall(event.id, call.tracked_event, call.message_id, call.text, call.template_version), handling)
            for call in (then.calls if then is not None else ())
            if call.text
        ]
        outcomes = [] if calls else [ended(event.id, OutcomeKind.SKIPPED, "no_calls_kept", "", self._now_ms())]
        keys = [(event.id, key) for key in then.keys] if then is not None else []
        await self._journal.settle_events(
            stage, position=position, moved_to=event.id, calls=calls, outcomes=outcomes, keys=keys
        )
        if calls:
            self._wakeups.wake_delivery(stage.partition)
        self._report(outcomes)

    async def _carry_out(self, event: Event, now_ms: int) -> tuple[NewOutcome, Sequence[str]]:
        """Do what a privacy request asks; how it ended, and by what to find it."""
        assert self._source is not None
        try:
            request = self._source.privacy(event)
        except ValueError as error:
            return ended(event.id, OutcomeKind.DEAD, "privacy_unread", str(error), now_ms), ()
        assert request is not None
        await carry_out(self._journal, self._name, self._source, request, event_id=event.id, now_ms=now_ms)
        if request.kind is PrivacyKind.DATA_REQUEST:
            return ended(event.id, OutcomeKind.IGNORED, "data_request", "", now_ms), keys(request.subjects)
        return ended(event.id, OutcomeKind.IGNORED, "privacy_done", "", now_ms), ()

    async def _complete(self, events: Sequence[Event]) -> list[Task]:
        """The tasks before the first event that has to wait for documents; that one when it is the first."""
        tasks: list[Task] = []
        for event in events:
            # Which documents it needs is told by its body, and reading that is a tenth of all the work on an event.
            fetches = self._fetcher is not None or event.replay_of is not None
            lookups = self._source.lookups(event) if fetches and self._source is not None else ()
            if not lookups:
                tasks.append(Task(event, {}))
                continue
            anew = self._fetcher is not None and Handling.of(event.options).fetch_anew
            fetched = {} if anew else dict(await self._journal.fetched(event.id))
            missing = [lookup for lookup in lookups if lookup.name not in fetched]
            if not missing or self._fetcher is None:
                tasks.append(Task(event, fetched))
                continue
            if tasks:
                # What is complete does not wait for an answer.
                return tasks
            try:
                tasks.append(Task(event, fetched | await self._fetch(event, missing)))
            except CompletionMissing as error:
                tasks.append(Task(event, fetched, str(error)))
            except CompletionWaits:
                return tasks
        return tasks

    async def _fetch(self, event: Event, lookups: Sequence[Lookup]) -> dict[str, Any]:
        """Fetched once and kept, so that a replay gives the same result."""
        assert self._fetcher is not None
        async with self._gate.passage() as token:
            try:
                documents = dict(await self._fetcher.fetch(lookups))
            except CompletionWaits as waits:
                await self._closed(token, waits)
                raise
        await self._gate.opened(token)
        await self._journal.store_fetched(event.id, documents)
        return documents

    async def _closed(self, token: int, waits: CompletionWaits) -> None:
        cap_s = MISCONFIGURED_CAP_S if waits.code == "completion_refused" else 60.0
        seconds = await self._gate.closed(token, waits.code, waits.detail, wait_s=waits.wait_s, cap_s=cap_s)
        self._log.warning(waits.code, source=self._name, detail=waits.detail, next_attempt_s=round(seconds, 1))

    async def _settle(self, stage: Stage, position: int, tasks: Sequence[Task]) -> int:
        rendered = await self._renderer.render(self._name, tasks, self._now_ms())
        tasks = tasks[: len(rendered)]
        handlings = [Handling.of(task.event.options) for task in tasks]
        calls = [
            handled(call, handling)
            for result, handling in zip(rendered, handlings, strict=True)
            for call in result.calls
        ]
        outcomes = [outcome for result in rendered for outcome in result.outcomes]
        keys = [(task.event.id, key) for task, result in zip(tasks, rendered, strict=True) for key in result.keys]
        await self._journal.settle_events(
            stage, position=position, moved_to=tasks[-1].event.id, calls=calls, outcomes=outcomes, keys=keys
        )
        if calls:
            self._wakeups.wake_delivery(stage.partition)
        self._report(outcomes)
        for result in rendered:
            for warned in result.warnings:
                self._observer.warned(self._name, warned.tracked_event, warned.code)
        return len(tasks)

    def _report(self, outcomes: Sequence[NewOutcome]) -> None:
        for outcome in outcomes:
            self._observer.ended(self._name, outcome.kind, outcome.code, 1)
            if outcome.kind is OutcomeKind.DEAD:
                # Without the detail: it may quote personal data. `relay show` tells it.
                self._log.error("dead", source=self._name, event_id=outcome.event_id, code=outcome.code)
