"""Whether both engines make the same of a template: what only one of them gives is not JSONata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from relay.model import Json, JsonObject
from relay.templates.contract import Engine, EngineLimits, text_of
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.engine import FastEngine
from relay.templates.explaining import place_of_key
from relay.templates.reference import ReferenceEngine
from relay.templates.template import Template

_TOLERANCE = 1e-12
_LIMITS = EngineLimits(timeout_ms=5_000)
_SLOW_LIMITS = EngineLimits(timeout_ms=10_000, max_depth=500)


def differences(
    template: Template, document: JsonObject | str, bindings: Mapping[str, Any], now_ms: int
) -> Diagnostic | None:
    """The first difference between the two engines' results, without values; None when they agree.

    Two failures agree unless each has a code of the language and they are two.
    """
    document_json = text_of(document, template)  # of an object, nothing and null would look the same
    one = _outcome(FastEngine(_LIMITS), template, document_json, bindings, now_ms)
    other = _outcome(ReferenceEngine(_SLOW_LIMITS), template, document_json, bindings, now_ms)
    what, key = _compared(one, other)
    if not what:
        return None
    remedy = "Write the expression another way; the engines disagree on what it means."
    return Diagnostic("engines_differ", str(template.path), what, remedy, position=place_of_key(template.text, key))


def _outcome(
    engine: Engine, template: Template, document_json: str, bindings: Mapping[str, Any], now_ms: int
) -> str | Diagnostic | None:
    try:
        return engine.render(template, document_json, bindings, now_ms=now_ms)
    except TemplateFailure as failure:
        return failure.diagnostic


def _compared(one: str | Diagnostic | None, other: str | Diagnostic | None) -> tuple[str, str]:
    """What differs and the last key on the way to it; both are empty when nothing does."""
    if isinstance(one, Diagnostic) and isinstance(other, Diagnostic):
        codes = one.jsonata_code, other.jsonata_code
        differ = all(codes) and codes[0] != codes[1] and one.code == other.code
        return (f"one engine fails with {codes[0]}, the other with {codes[1]}" if differ else ""), ""
    for failed, which in ((one, "the reference engine"), (other, "the engine that renders")):
        if isinstance(failed, Diagnostic):
            return f"{which} gives a result, and the other fails ({failed.jsonata_code or failed.what})", ""
    if one is None or other is None:
        return ("one engine gives a result, the other nothing" if one is not other else ""), ""
    assert isinstance(one, str)
    assert isinstance(other, str)
    path = _first_difference(orjson.loads(one), orjson.loads(other), ())
    if path is None:
        return "", ""
    names = [step for step in path if isinstance(step, str)]
    return f"the engines give different results at {_written(path)}", names[-1] if names else ""


def _first_difference(one: Json, other: Json, path: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if (key in one) != (key in other):
                return (*path, key)
            found = _first_difference(one[key], other[key], (*path, key))
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return path
        for index, (item, its_other) in enumerate(zip(one, other, strict=True)):
            found = _first_difference(item, its_other, (*path, index))
            if found is not None:
                return found
        return None
    return None if _same_scalar(one, other) else path


def same_value(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal, as far as engines can agree on numbers."""
    return _first_difference(one, other, ()) is None


def _same_scalar(one: Json, other: Json) -> bool:
    """Numbers may differ in their last bits: the engines add up in another order."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))
    return one == other


def _written(path: tuple[str | int, ...]) -> str:
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".") or "the top"
