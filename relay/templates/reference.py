"""The reference engine (jsonata-python): it knows where in a template an error is, and is 30 times slower.

Only diagnostics and checks use it, so it is loaded when first needed. Its exceptions hold data of
the event: nothing but codes, places, names and types leaves this module.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from relay.model import JsonObject
from relay.templates.contract import EngineLimits, text_of
from relay.templates.diagnostics import TemplateFailure
from relay.templates.examining import SyntaxProblem, parsed
from relay.templates.explaining import Failed, explained, too_large
from relay.templates.helpers import HelperError
from relay.templates.patterns import Pattern
from relay.templates.prelude import NOW_BINDING, LimitExceeded, Unavailable, prelude_for
from relay.templates.reference_codes import chain, code_of
from relay.templates.template import Template
from relay.templates.trail import Trail
from relay.templates.tree import Node, engine_module, nodes_of

_MOST_COMPILED = 64


@dataclass(frozen=True, slots=True)
class Traced:
    """One evaluation: its result as JSON text or None, or how it failed; and the way there."""

    trail: Trail
    tree: Node | None = None
    result: str | None = None
    failed: Failed | None = None


class ReferenceEngine:
    """Implements `Engine`, its limits but for memory; for one thread.

    It counts every nested expression as depth, and stands lower than ``max_depth`` at Python's own limit.
    """

    def __init__(self, limits: EngineLimits | None = None) -> None:
        self._limits = limits or EngineLimits(timeout_ms=2_000, max_depth=500)

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        """See `Engine.render`."""
        traced = self.trace(template, text_of(document, template), bindings, now_ms=now_ms)
        if traced.failed is not None:
            raise TemplateFailure(explained(traced.failed, template))
        size = len((traced.result or "").encode())
        if size > self._limits.max_output_bytes:
            raise TemplateFailure(too_large(template, size))
        return traced.result

    def trace(
        self,
        template: Template,
        document_json: str,
        bindings: Mapping[str, Any],
        *,
        now_ms: int,
        limits: EngineLimits | None = None,
    ) -> Traced:
        """Evaluate, and tell what happened on the way. Raises nothing for what a template can do."""
        utilities = engine_module().utils.Utils
        trail = Trail(limits or self._limits)
        tree = None
        try:
            expression = _compiled_once(template)
            tree = expression.ast
            bound = {name: utilities.convert_nulls(value) for name, value in bindings.items()}
            bound |= {NOW_BINDING: now_ms, **trail.bindings()}
            document = orjson.loads(document_json)
            result = expression.evaluate(utilities.NULL_VALUE if document is None else document, bound)
            text = None if result is None else _json(utilities.convert_nulls(result))
        except Exception as error:
            return Traced(trail, tree, failed=_failed(error, trail, tree))
        return Traced(trail, tree, text)


class _Compiled(threading.local):
    """Templates that this thread has parsed, whichever engine asked for it: parsing takes longer than evaluating."""

    def __init__(self) -> None:
        self.by_version: dict[str, Any] = {}


_compiled = _Compiled()


def _compiled_once(template: Template) -> Any:
    cache = _compiled.by_version
    found = cache.get(template.version)
    if found is None:
        alone = parsed(template.text)  # By itself first: what stands around it must not repair it.
        if isinstance(alone, SyntaxProblem):
            raise _Unparsable(alone)
        found = compiled(template.text)
        if len(cache) >= _MOST_COMPILED:
            del cache[next(iter(cache))]
        cache[template.version] = found
    return found


class _Unparsable(Exception):
    def __init__(self, problem: SyntaxProblem) -> None:
        super().__init__()
        self.problem = problem


def compiled(text: str) -> Any:
    """A `jsonata.Jsonata`; positions of its nodes count from the beginning of ``text``."""
    module = engine_module()
    prelude = prelude_for(text)
    expression = module.Jsonata(prelude.wrap(text), Pattern)
    expression.set_output_convert_nulls(False)
    expression.set_validate_input(False)  # it comes from JSON
    for name, function in prelude.functions.items():
        expression.register_lambda(name, partial(_with_nulls, module.utils.Utils, function))
    for node in nodes_of(expression.ast):
        node.position = (node.position or 0) - prelude.length
    return expression


def _failed(error: Exception, trail: Trail, tree: Node | None) -> Failed:
    if isinstance(error, _Unparsable):
        return Failed(error.problem.jsonata_code, trail, syntax=error.problem)
    ours = next((each for each in chain(error) if isinstance(each, HelperError | LimitExceeded | Unavailable)), None)
    if ours is not None:
        return Failed("", trail, tree, str(ours), isinstance(ours, LimitExceeded))
    node = trail.working[-1] if trail.working else None
    called = getattr(node, "procedure", None) or getattr(node, "rhs", None)
    return Failed(code_of(error, str(getattr(called, "value", ""))), trail, tree)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # Whole numbers may be larger than orjson takes.
        return json.dumps(value, allow_nan=False)


def _with_nulls(utilities: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*(utilities.convert_nulls(argument) for argument in arguments))
