"""From a call to the records of a destination: its condition, then its mapping. Pure but for the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from relay.destinations.contract import Mapped
from relay.model import Call, JsonObject, OutcomeKind
from relay.pipeline.mapping import Ended, MappedCall, MapTask
from relay.pipeline.rendering import bindings
from relay.sources.contract import Source
from relay.templates.diagnostics import TemplateFailure
from relay.templates.engine import Engine
from relay.templates.library import Snapshot, Template
from relay.templates.rendering import result_items

_WHOLE = "$wholeOrder"
_OTHER = re.compile(r"[^a-z0-9]+")
EARLIER = "$earlier"
"""The calls that were made before of the same order."""
_REMEDY = "Give the vendor's record, an object, or an array of such objects."


@dataclass(frozen=True, slots=True)
class MappingPlan:
    """How calls for one destination are mapped. ``settings`` is what mappings see as ``$settings``."""

    folder: str
    """Of its mappings."""
    mapped: Mapped
    when: Template | None
    settings: Mapping[str, Any]

    def mapping(self, templates: Snapshot, tracked_event: str, call: JsonObject) -> Template | None:
        """The mapping of a call."""
        if self.mapped == "never":
            return None
        candidates = (templates.mapping(self.folder, name) for name in mapping_names(tracked_event, call))
        return next((template for template in candidates if template is not None), None)


class CallMapper:
    """Maps calls, one after the other, in the calling thread."""

    def __init__(
        self,
        *,
        plans: Mapping[str, MappingPlan],
        sources: Mapping[str, Source],
        settings: Mapping[str, Mapping[str, Any]],
        templates: Snapshot,
        engine: Engine,
    ) -> None:
        """``settings`` by source are what its templates see as ``$settings``."""
        self._plans = plans
        self._sources = sources
        self._settings = settings
        self._templates = templates
        self._engine = engine

    def __call__(self, destination: str, task: MapTask, now_ms: int) -> MappedCall:
        try:
            return self._map(self._plans[destination], task, now_ms)
        except TemplateFailure as failure:
            detail = failure.diagnostic.of_event(task.call.event_id).log_line()
            return _ended(OutcomeKind.DEAD, failure.code, detail)
        except Exception as error:
            # A defect of ours; it may end this call, but must not stop those behind it.
            return _ended(OutcomeKind.DEAD, "render_failed", type(error).__name__)

    def given(self, destination: str, task: MapTask, now_ms: int) -> tuple[Template, dict[str, Any]] | None:
        """The mapping of a call and what it would see beside ``$``; None where there is no mapping."""
        plan = self._plans[destination]
        template = plan.mapping(self._templates, task.call.tracked_event, orjson.loads(task.call.text))
        return None if template is None else (template, self._bindings(plan, template, task, now_ms))

    def _map(self, plan: MappingPlan, task: MapTask, now_ms: int) -> MappedCall:
        call: JsonObject = orjson.loads(task.call.text)
        template = plan.mapping(self._templates, task.call.tracked_event, call)
        if plan.mapped == "always" and template is None:
            return _ended(OutcomeKind.SKIPPED, "no_mapping", f"{plan.folder}/{task.call.tracked_event}")
        bound = self._bindings(plan, template, task, now_ms)
        text = with_message_id(task.call)
        if plan.when is not None:
            wanted = self._engine.render(plan.when, text, bound, now_ms=now_ms)
            if wanted is None or orjson.loads(wanted) is not True:
                return _ended(OutcomeKind.SKIPPED, "filtered", "when")
        if plan.mapped == "never":
            return MappedCall()
        if template is None:
            return MappedCall([{"messageId": task.call.message_id, **call}])
        return map_call(self._engine, template, text, bound, now_ms)

    def _bindings(self, plan: MappingPlan, template: Template | None, task: MapTask, now_ms: int) -> dict[str, Any]:
        bound = mapping_bindings(plan.settings)
        mentioned = " ".join(used.text for used in (plan.when, template) if used is not None)
        if EARLIER in mentioned:
            bound["earlier"] = [orjson.loads(text) for text in task.earlier]
        if task.event is not None:
            bound["event"] = bindings(task.event, {})["event"]
            if "$payload" in mentioned or _WHOLE in mentioned:
                bound["payload"] = self._payload(task)
            if _WHOLE in mentioned and bound["payload"] is not None:
                bound["wholeOrder"] = self._whole_order(task, bound["payload"], now_ms)
        return bound

    def _whole_order(self, task: MapTask, payload: JsonObject, now_ms: int) -> JsonObject | None:
        """The order that the webhook holds: properties of the call that ``order_updated`` makes of it.

        For vendors who want the whole order whatever happened to it. None when the webhook holds
        none, or another than the call names.
        """
        assert task.event is not None
        name = task.event.source
        template = self._templates.source_template(self._sources[name].platform, "order_updated")
        if template is None:
            return None
        bound = bindings(task.event, self._settings.get(name, {}))
        try:
            made = self._engine.render(template, orjson.dumps(payload).decode(), bound, now_ms=now_ms)
            items = result_items(made, template, _REMEDY)
        except TemplateFailure:
            # A document that is no order fails there: a refund by itself, for one.
            return None
        order_id = orjson.loads(task.call.text).get("properties", {}).get("order_id")
        found = (item.get("properties") for item in items if isinstance(item, dict))
        return next((one for one in found if isinstance(one, dict) and one.get("order_id") == order_id), None)

    def _payload(self, task: MapTask) -> JsonObject | None:
        """The webhook's body as its template saw it; None when nothing can be read of it any more."""
        assert task.event is not None
        source = self._sources.get(task.event.source)
        if source is None or task.event.forgotten_at_ms is not None:
            return None
        try:
            documents = source.documents(task.event, task.fetched)
        except ValueError:
            # The call stands without it; only a mapping that asks for it will miss it.
            return None
        return documents[0] if documents else None


def map_call(engine: Engine, template: Template, text: str, bound: Mapping[str, Any], now_ms: int) -> MappedCall:
    """What a mapping makes of a call. Raises `TemplateFailure`."""
    items = result_items(engine.render(template, text, bound, now_ms=now_ms), template, _REMEDY)
    records = [item for item in items if isinstance(item, dict)]
    name = f"{template.platform}/{template.tracked_event}"
    if len(records) < len(items):
        return _ended(OutcomeKind.DEAD, "template_result", f"{name}: {_REMEDY}")
    if not records:
        return _ended(OutcomeKind.SKIPPED, "mapping_empty", name)
    return MappedCall(records)


def mapping_bindings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a mapping sees beside ``$``, without an event and earlier calls."""
    return {"settings": dict(settings), "payload": None, "event": None, "wholeOrder": None, "earlier": []}


def with_message_id(call: Call) -> str:
    """The call's text with its ``messageId``, or its sender's, as mappings and conditions see it."""
    if call.text.startswith('{"messageId":'):
        return call.text
    return f'{{"messageId":"{call.message_id}",{call.text[1:]}'


def mapping_names(tracked_event: str, call: JsonObject) -> Sequence[str]:
    """Names of the mappings that fit a call, the most particular first.

    Its tracked event; its event's name, "Order Completed" as ``order_completed``; its type.
    """
    names = [tracked_event]
    if call.get("type") == "track" and isinstance(call.get("event"), str):
        names.append(_OTHER.sub("_", call["event"].lower()).strip("_"))
    return list(dict.fromkeys([*names, str(call.get("type", ""))]))


def _ended(kind: OutcomeKind, code: str, detail: str) -> MappedCall:
    return MappedCall(ended=Ended(kind, code, detail))
