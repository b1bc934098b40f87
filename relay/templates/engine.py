"""The engine that renders: jsonatapy, with time, depth and size bounded.

A compiled expression belongs to the thread that compiled it, so each thread has its own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import jsonatapy

from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.prelude import NOW_BINDING, prelude_for
from relay.templates.reference import EvaluationFailed, ReferenceEngine
from relay.templates.template import Template
from relay.templates.wording import exceeds_limit, meaning

__all__ = ["Engine", "EngineLimits", "FastEngine", "TemplateFailure"]

_MOST_COMPILED = 256
_LARGEST_EXPLAINED = 256 * 1024
_CODE = re.compile(r"(?:Parse error: )?(?:Invalid syntax: )?([A-Z]\d{4})\b")
_HOST = re.compile(r"host function raised (\w+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one rendering; ``max_depth`` counts nested evaluations, ``max_sequence`` items."""

    timeout_ms: int = 1_000
    max_depth: int = 200
    max_sequence: int = 100_000
    max_output_bytes: int = 1_000_000


class Engine(Protocol):
    def render(self, template: Template, document_json: str, bindings: Mapping[str, Any], *, now_ms: int) -> str | None:
        """The result as JSON text, or None when it is undefined.

        ``bindings`` are JSON values by name without ``$``; ``now_ms`` is what `$now` and `$millis`
        tell. Raises `TemplateFailure` and nothing else.
        """


class FastEngine:
    """Implements `Engine`; may be used from any thread."""

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits

    def render(self, template: Template, document_json: str, bindings: Mapping[str, Any], *, now_ms: int) -> str | None:
        try:
            result: str | None = compiled(template.text, template.version).evaluate_json_or_none(
                document_json,
                {**bindings, NOW_BINDING: now_ms},
                timeout=self._limits.timeout_ms,
                max_stack_depth=self._limits.max_depth,
                max_sequence_length=self._limits.max_sequence,
            )
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            if is_panic(error):
                _forget(template.version)
            diagnostic = _read(error, template.path)
            raise TemplateFailure(_placed(diagnostic, template, document_json, bindings, now_ms)) from None
        if result is not None and len(result) > self._limits.max_output_bytes // 4:
            self._check_size(result, template)
        return result

    def _check_size(self, result: str, template: Template) -> None:
        size = len(result.encode())
        if size > self._limits.max_output_bytes:
            what = f"the result has {size} bytes, more than templates.max_output_bytes"
            raise TemplateFailure(Diagnostic("template_limit", str(template.path), what, "Leave something out."))


class _Compiled(threading.local):
    """The compiled templates of one thread, by version, oldest first."""

    def __init__(self) -> None:
        self.by_version: dict[str, jsonatapy.JsonataExpression] = {}


# It belongs to the process, not to an engine, because an expression must end on its own thread too:
# so it lives until its thread ends. It only remembers: a version has one compiled form.
_compiled = _Compiled()


def compiled(text: str, version: str) -> jsonatapy.JsonataExpression:
    """The template as this thread's compiled expression. Raises ValueError for a syntax error."""
    cache = _compiled.by_version
    expression = cache.get(version)
    if expression is None:
        jsonatapy.compile(text)  # By itself first: what stands around it must not repair it.
        prelude = prelude_for(text)
        expression = jsonatapy.compile(prelude.wrap(text))
        for name, function in prelude.functions.items():
            expression.register(name, function)
        if len(cache) >= _MOST_COMPILED:
            del cache[next(iter(cache))]
        cache[version] = expression
    return expression


def _forget(version: str) -> None:
    """It is compiled anew: a panic may have left it in any state."""
    _compiled.by_version.pop(version, None)


def is_panic(error: BaseException) -> bool:
    """Whether the Rust code gave up. Its PanicException is no Exception and cannot be imported."""
    return type(error).__module__ == "pyo3_runtime"


def error_code(error: BaseException) -> str:
    """The language's code in an error of the engine, or empty."""
    found = _CODE.match(str(error))
    return found[1] if found else ""


def _read(error: BaseException, path: Path) -> Diagnostic:
    """What happened, from an error whose text may quote the event."""
    if is_panic(error):
        return Diagnostic("template_failed", str(path), "the engine gave up", "Simplify the template; report it to us.")
    host = _HOST.match(str(error))
    if host:
        return _read_host(host[1], host[2], path)
    if str(error).startswith("Invalid JSON: recursion limit"):
        return Diagnostic("template_limit", str(path), "the document is nested too deep")
    if str(error).startswith("Invalid JSON"):
        return Diagnostic("template_failed", str(path), "the document holds a number that is out of range")
    code = error_code(error)
    what, remedy = meaning(code)
    relay_code = (
        "template_timeout" if code == "D1012" else "template_limit" if exceeds_limit(code) else "template_failed"
    )
    return Diagnostic(relay_code, str(path), what or "an expression failed", remedy, code)


def _read_host(kind: str, text: str, path: Path) -> Diagnostic:
    """An error raised in a function of ours; only ours have texts without data."""
    if kind == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if kind == "LimitExceeded":
        return Diagnostic("template_limit", str(path), text, "Make it smaller.")
    if kind in ("HelperError", "Unavailable"):
        return Diagnostic("template_failed", str(path), text, "See the helper's description.")
    return Diagnostic("template_failed", str(path), f"a helper broke ({kind})", "Report it to us.")


def _placed(
    diagnostic: Diagnostic, template: Template, document_json: str, bindings: Mapping[str, Any], now_ms: int
) -> Diagnostic:
    """With the place in the template, when the reference engine fails in the same way."""
    if diagnostic.code != "template_failed" or len(document_json) > _LARGEST_EXPLAINED:
        return diagnostic
    try:
        ReferenceEngine(timeout_ms=200).evaluate(template.text, document_json, bindings, now_ms=now_ms)
    except EvaluationFailed as failed:
        same = failed.jsonata_code == diagnostic.jsonata_code if diagnostic.jsonata_code else failed.host_error
        if same and failed.position:
            return replace(diagnostic, position=failed.position)
    return diagnostic
