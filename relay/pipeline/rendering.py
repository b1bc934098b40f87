"""From a stored event to calls: normalise, render each tracked event, guard. Pure but for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.model import Event, JsonObject, NewCall, NewOutcome, OutcomeKind
from relay.pipeline.rendered import Rendered, Task, Warned, ended
from relay.sources.contract import Source
from relay.templates.diagnostics import TemplateFailure
from relay.templates.engine import Engine
from relay.templates.helpers.instants import iso_milliseconds
from relay.templates.library import Snapshot, Template
from relay.templates.rendering import RenderResult, render_calls


@dataclass(frozen=True, slots=True)
class Tracking:
    """What one source tracks. ``settings`` is what its templates see as ``$settings``.

    A topic that ends in ``*`` stands for all that begin so and of which no longer one says anything.
    """

    by_topic: Mapping[str, Sequence[str]]
    switched_off: frozenset[str]
    """Topics that a tracked event takes by default and that none takes now."""
    settings: Mapping[str, Any]

    def tracked_events(self, topic: str) -> Sequence[str]:
        """Those that the topic makes."""
        return self.by_topic.get(self._deciding(topic), ())

    def is_switched_off(self, topic: str) -> bool:
        return self._deciding(topic) in self.switched_off

    def _deciding(self, topic: str) -> str:
        """The topic itself where it is named, else the longest pattern that stands for it; empty for none."""
        if topic in self.by_topic or topic in self.switched_off:
            return topic
        patterns = (pattern for pattern in (*self.by_topic, *self.switched_off) if _stands_for(pattern, topic))
        return max(patterns, key=len, default="")

    @classmethod
    def of(
        cls,
        chosen: Mapping[str, Sequence[str]],
        defaults: Mapping[str, Sequence[str]],
        settings: Mapping[str, Any],
        ignored: Sequence[str] = (),
    ) -> Tracking:
        """From topics by tracked event, as configured and as they would be by default; none takes those ``ignored``."""
        by_topic: dict[str, list[str]] = {}
        for tracked_event, topics in chosen.items():
            for topic in topics:
                if topic not in ignored:
                    by_topic.setdefault(topic, []).append(tracked_event)
        usual = {topic for topics in defaults.values() for topic in topics}
        return cls(by_topic, frozenset({*usual, *ignored} - by_topic.keys()), settings)


def _stands_for(pattern: str, topic: str) -> bool:
    return pattern.endswith("*") and topic.startswith(pattern[:-1])


class EventRenderer:
    """Renders events, one after the other, in the calling thread."""

    def __init__(
        self,
        *,
        sources: Mapping[str, Source],
        tracking: Mapping[str, Tracking],
        templates: Snapshot,
        engine: Engine,
        strict: bool,
    ) -> None:
        self._sources = sources
        self._tracking = tracking
        self._templates = templates
        self._engine = engine
        self._strict = strict

    def __call__(self, source: str, tasks: Sequence[Task], now_ms: int) -> Sequence[Rendered]:
        return [self._guarded(source, task, now_ms) for task in tasks]

    def _guarded(self, source: str, task: Task, now_ms: int) -> Rendered:
        try:
            return self._render(source, task, now_ms)
        except Exception as error:
            # A defect of ours; it may end this event, but must not stop those behind it.
            return _without_calls(task.event, OutcomeKind.DEAD, "render_failed", type(error).__name__, now_ms)

    def _render(self, name: str, task: Task, now_ms: int) -> Rendered:
        event = task.event
        source = self._sources.get(name)
        if source is None:
            return _without_calls(event, OutcomeKind.IGNORED, "source_removed", name, now_ms)
        try:
            documents = source.documents(event, task.fetched)
        except ValueError as error:
            return _without_calls(event, OutcomeKind.DEAD, "body_unreadable", str(error), now_ms)
        keys = sorted({key for document in documents for key in source.keys(document)})
        if task.missing:
            return _without_calls(event, OutcomeKind.DEAD, "completion_missing", task.missing, now_ms, keys)
        tracking = self._tracking[name]
        tracked_events = tracking.tracked_events(event.topic)
        if not tracked_events:
            code = "switched_off" if tracking.is_switched_off(event.topic) else "no_tracked_event"
            return _without_calls(event, OutcomeKind.IGNORED, code, event.topic, now_ms, keys)
        if lacking := source.lacks(event, task.fetched):
            return _without_calls(event, OutcomeKind.DEAD, "completion_unconfigured", lacking, now_ms, keys)
        keep = source.keeps_message_ids(event)
        calls: list[NewCall] = []
        outcomes: list[NewOutcome] = []
        warnings: list[Warned] = []
        for tracked_event in tracked_events:
            template = self._templates.source_template(source.platform, tracked_event)
            if template is None:
                detail = f"{source.platform}/{tracked_event}"
                outcomes.append(ended(event.id, OutcomeKind.IGNORED, "no_template", detail, now_ms))
                continue
            for index, document in enumerate(documents):
                try:
                    result = self._apply(template, document, event, index, keep=keep)
                except TemplateFailure as failure:
                    detail = f"{tracked_event}: {failure.diagnostic.of_event(event.id).log_line()}"
                    outcomes.append(ended(event.id, OutcomeKind.DEAD, failure.code, detail, now_ms))
                    continue
                calls.extend(_calls(result, event, template))
                outcomes.extend(_problems(result, event, tracked_event, now_ms))
                warnings.extend(Warned(tracked_event, found.code, found.detail) for found in result.warnings)
        return Rendered(calls, outcomes, keys, warnings)

    def _apply(self, template: Template, document: JsonObject, event: Event, index: int, *, keep: bool) -> RenderResult:
        """Raises `TemplateFailure`."""
        return render_calls(
            self._engine,
            template,
            document,
            bindings(event, self._tracking[event.source].settings),
            source=event.source,
            tracked_event=template.tracked_event,
            delivery_key=event.delivery_key if index == 0 else f"{event.delivery_key}#{index}",
            occurred_at_ms=event.occurred_at_ms,
            received_at_ms=event.received_at_ms,
            strict=self._strict,
            keep_message_ids=keep,
        )


def bindings(event: Event, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a template sees beside ``$``: ``$event`` and ``$settings``."""
    return {
        "event": {
            "source": event.source,
            "topic": event.topic,
            "id": event.delivery_key,
            "occurredAt": None if event.occurred_at_ms is None else iso_milliseconds(event.occurred_at_ms),
            "receivedAt": iso_milliseconds(event.received_at_ms),
        },
        "settings": dict(settings),
    }


def _without_calls(
    event: Event, kind: OutcomeKind, code: str, detail: str, now_ms: int, keys: Sequence[str] = ()
) -> Rendered:
    return Rendered([], [ended(event.id, kind, code, detail, now_ms)], keys)


def _calls(result: RenderResult, event: Event, template: Template) -> list[NewCall]:
    return [
        NewCall(event.id, template.tracked_event, message_id, text, template.version)
        for message_id, text in result.calls
    ]


def _problems(result: RenderResult, event: Event, tracked_event: str, now_ms: int) -> list[NewOutcome]:
    problems = [
        ended(event.id, OutcomeKind.DEAD, rejected.code, f"{tracked_event}: {rejected.detail}", now_ms)
        for rejected in result.rejected
    ]
    if not result.calls and not problems:
        problems.append(ended(event.id, OutcomeKind.SKIPPED, "template_empty", tracked_event, now_ms))
    return problems
