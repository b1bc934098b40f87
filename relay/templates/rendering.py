"""From a document to calls ready for the journal. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

import relay
from relay.model import Json, JsonObject
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.engine import Engine
from relay.templates.explaining import place_of_key, place_of_result
from relay.templates.guard import Finding, check_shape, check_size
from relay.templates.helpers.instants import iso_milliseconds
from relay.templates.specification import departures
from relay.templates.template import Template
from relay.templates.tracking_plan import Plan

MAX_CALL_BYTES = 32_000
"""Segment takes 32 KB; what `destinations.<name>.max_call_bytes` is by default."""

_DECIMALS = 10
_DECIMALS_OF_MONEY = 4
"""As many as any currency has. Of a large amount, dust stands not far behind them."""
_REMEDY = "Give an object with `type`, or an array of such objects."
_FIELD = re.compile(r"`(?:\w+\.)*(\w+)(?:\[\d+\])?`")
_LONG_FRACTION = re.compile(rf"\.\d{{{_DECIMALS_OF_MONEY + 1}}}")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A call, by its place in the template's result, that must not be sent."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A call, by its place in the template's result, that is sent though it departs from specification or plan."""

    index: int
    code: str
    detail: str


class RenderResult(NamedTuple):
    """``calls`` are (message id, text as in `relay.model.NewCall`); calls and rejected empty: nothing to send."""

    calls: Sequence[tuple[str, str]]
    rejected: Sequence[Rejected]
    warnings: Sequence[Warned] = ()


def render_calls(
    engine: Engine,
    template: Template,
    document: JsonObject | str,
    bindings: Mapping[str, Any],
    *,
    source: str,
    tracked_event: str,
    delivery_key: str,
    occurred_at_ms: int | None,
    received_at_ms: int,
    library: tuple[str, str] = ("relay", relay.__version__),
    max_call_bytes: int = MAX_CALL_BYTES,
    strict: bool = False,
    keep_message_ids: bool = False,
) -> RenderResult:
    """Render one document; a bad call is rejected by itself. Raises `TemplateFailure`.

    What departs from Segment's specification or the tracking plan is bad if ``strict``, else warned of.
    With ``keep_message_ids`` a `messageId` that the template gives stays in the text.
    """
    at_ms, timestamp = _time(occurred_at_ms, received_at_ms)
    result = engine.render(template, document, bindings, now_ms=at_ms)
    calls: dict[str, str] = {}
    rejected: list[Rejected] = []
    warnings: list[Warned] = []
    for index, item in enumerate(result_items(result, template, _REMEDY)):
        outcome = _ready(
            item,
            source=source,
            default_key=f"{delivery_key}/{tracked_event}/{index}",
            timestamp=timestamp,
            library=library,
            max_call_bytes=max_call_bytes,
            plan=template.plan,
            keep_message_id=keep_message_ids,
        )
        if isinstance(outcome, Finding):
            rejected.append(Rejected(index, outcome.code, _with_line(outcome.detail, template)))
        elif outcome[0] in calls:
            rejected.append(Rejected(index, "template_result", "`messageId` is the same as an earlier call's"))
        elif strict and outcome[2]:
            detail = "; ".join(finding.detail for finding in outcome[2])
            rejected.append(Rejected(index, outcome[2][0].code, detail))
        else:
            calls[outcome[0]] = outcome[1]
            warnings.extend(Warned(index, finding.code, finding.detail) for finding in outcome[2])
    return RenderResult(list(calls.items()), rejected, tuple(warnings))


def _ready(
    item: Json,
    *,
    source: str,
    default_key: str,
    timestamp: str,
    library: tuple[str, str],
    max_call_bytes: int,
    plan: Plan | None,
    keep_message_id: bool,
) -> tuple[str, str, Sequence[Finding]] | Finding:
    """Message id and text of one call, and where it departs from specification and plan."""
    if not isinstance(item, dict):
        return Finding("template_result", "it is not an object")
    # A field that is null says nothing, and Segment refuses some of them.
    call = {name: value for name, value in item.items() if value is not None}
    own_key = call.pop("messageId", None)
    key = default_key if own_key is None else own_key
    if not isinstance(key, str) or not key.strip():
        return Finding("guard_text", "`messageId` is empty or not text")
    refused = check_shape(call)
    if refused:
        return refused
    call.setdefault("timestamp", timestamp)
    call.setdefault("context", {}).setdefault("library", {"name": library[0], "version": library[1]})
    kept = {"messageId": key} if keep_message_id and own_key is not None else {}
    try:
        text = orjson.dumps({**kept, **call})
    except TypeError:
        return Finding("template_limit", "it is nested too deep")
    too_large = check_size(text, max_bytes=max_call_bytes)
    if too_large:
        return too_large
    found = departures(call)
    if plan is not None:
        found = [*found, *plan.violations(call)]
    return message_id(source, key), text.decode(), found


def _with_line(detail: str, template: Template) -> str:
    """With the line that makes the field which ``detail`` begins with, when there is one such line."""
    named = _FIELD.match(detail)
    place = place_of_key(template.text, named[1]) if named is not None else None
    return f"{detail} (line {place.line} of {template.path.name})" if place is not None else detail


def message_id(source: str, key: str) -> str:
    """The identity of a fact over all time: 32 hexadecimal digits from source and message key."""
    return sha256(f"{source}\n{key}".encode()).hexdigest()[:32]


def _time(occurred_at_ms: int | None, received_at_ms: int) -> tuple[int, str]:
    """When it happened, by the platform's clock if that tells a year that exists."""
    if occurred_at_ms is not None:
        try:
            return occurred_at_ms, iso_milliseconds(occurred_at_ms)
        except ValueError:
            pass  # The moment of arrival is near enough, and always known.
    return received_at_ms, iso_milliseconds(received_at_ms)


def result_items(result: str | None, template: Template, remedy: str) -> list[Json]:
    """The template's result as a list, numbers free of the dust of binary arithmetic. Raises `TemplateFailure`."""
    if result is None:
        return []
    try:
        value = orjson.loads(result)
    except orjson.JSONDecodeError:
        raise _bad_result("template_limit", "the result is nested too deep", template, remedy) from None
    if _LONG_FRACTION.search(result):
        value = without_dust(value)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value]
    raise _bad_result("template_result", "the result is neither an object nor an array", template, remedy)


def without_dust(value: Json) -> Json:
    """59.97000000000001, which binary arithmetic makes of 19.99 * 3, becomes 59.97.

    A number becomes one of few decimals when that is the same but for the last few bits; 1/3 stays.
    """
    if isinstance(value, float):
        few = 64 * math.ulp(value)
        rounded = round(value, _DECIMALS)
        if abs(rounded - value) > few:
            return value
        amount = round(rounded, _DECIMALS_OF_MONEY)
        return amount if abs(amount - rounded) <= few else rounded
    if isinstance(value, list):
        return [without_dust(item) for item in value]
    if isinstance(value, dict):
        return {name: without_dust(item) for name, item in value.items()}
    return value


def _bad_result(code: str, what: str, template: Template, remedy: str) -> TemplateFailure:
    place = place_of_result(template.text)
    return TemplateFailure(Diagnostic(code, str(template.path), what, remedy, position=place, found="the result"))
