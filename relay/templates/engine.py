"""The engine that renders: jsonatapy, with time, depth and size bounded.

A compiled expression belongs to the thread that compiled it, so each thread has its own.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonatapy

from relay.model import JsonObject
from relay.templates.contract import Engine, EngineLimits, text_of
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.direct_calls import with_direct_calls
from relay.templates.explaining import explained, too_large
from relay.templates.prelude import MOST_ARGUMENTS, NOW_BINDING, prelude_for
from relay.templates.reference import ReferenceEngine
from relay.templates.template import Template
from relay.templates.wording import failure_code, meaning

__all__ = ["Engine", "EngineLimits", "FastEngine", "TemplateFailure"]

_MOST_COMPILED = 256
_LARGEST_EXPLAINED = 256 * 1024
_LONGEST_EXPLAINED = 64 * 1024  # of template; parsing takes the reference engine about 100 ms then
_LONGEST_EXPLAINING_MS = 200
_LOOKING_FOR_A_LOOP_MS = 20
_DEPTH_OF_EXPLAINING = 500
_PREEMPTIONS_FORGIVEN = 3
_CODE = re.compile(r"(?:[A-Z][a-z ]+: )*([A-Z]\d{4})\b")
_HOST = re.compile(r"host function raised (\w+): (.*)", re.DOTALL)


class FastEngine:
    """Implements `Engine`; may be used from any thread."""

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits
        self._bounds = {
            "timeout": limits.timeout_ms,
            "max_stack_depth": limits.max_depth,
            "max_sequence_length": limits.max_sequence,
        }

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        """See `Engine.render`."""
        started_s = time.monotonic()
        try:
            result = self._evaluated(template, _read_in(document, template), {**bindings, NOW_BINDING: now_ms})
        except TemplateFailure:
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            if is_panic(error):
                _forget(template.version)
            diagnostic = _read(error, template.path)
            left_ms = self._limits.timeout_ms - int((time.monotonic() - started_s) * 1000)
            if diagnostic.code == "template_timeout" and self._limits.timeout_ms >= 10 * _LOOKING_FOR_A_LOOP_MS:
                left_ms = _LOOKING_FOR_A_LOOP_MS
            document_json = text_of(document, template)
            small = len(document_json) <= _LARGEST_EXPLAINED and len(template.text) <= _LONGEST_EXPLAINED
            if left_ms > 0 and small:
                diagnostic = self._explained(diagnostic, template, document_json, bindings, now_ms, left_ms)
            raise TemplateFailure(diagnostic) from None
        if result is not None and len(result) > self._limits.max_output_bytes // 4:
            self._check_size(result, template)
        return result

    def _evaluated(
        self, template: Template, document: jsonatapy.JsonataData | str, bindings: dict[str, Any]
    ) -> str | None:
        """jsonatapy counts time on the wall, which passes also while a busy machine lets the template wait.

        Where that explains why it took too long, the order is not at fault and is rendered again.
        """
        started_s = time.thread_time()
        preempted = 0
        while True:
            try:
                expression = compiled(template.text, template.version)
                if isinstance(document, str):
                    return expression.evaluate_json_or_none(document, bindings, **self._bounds)
                return expression.evaluate_data_to_json(document, bindings, **self._bounds)
            except Exception as error:
                used_ms = (time.thread_time() - started_s) * 1000
                too_long = _read(error, template.path).code == "template_timeout"
                if not too_long or used_ms * 4 > self._limits.timeout_ms or preempted == _PREEMPTIONS_FORGIVEN:
                    raise
                preempted += 1

    def _explained(
        self,
        diagnostic: Diagnostic,
        template: Template,
        document_json: str,
        bindings: Mapping[str, Any],
        now_ms: int,
        left_ms: int,
    ) -> Diagnostic:
        """With place and hint, when the reference engine fails in the same way within the time that is left."""
        limits = EngineLimits(
            min(left_ms, _LONGEST_EXPLAINING_MS),
            self._limits.max_depth if diagnostic.jsonata_code == "D1011" else _DEPTH_OF_EXPLAINING,
            self._limits.max_sequence,
        )
        traced = _compiled.reference.trace(template, document_json, bindings, now_ms=now_ms, limits=limits)
        if traced.failed is not None:
            told = explained(traced.failed, template)
            if told.jsonata_code == diagnostic.jsonata_code and (told.jsonata_code or told.what == diagnostic.what):
                return told
        return diagnostic

    def _check_size(self, result: str, template: Template) -> None:
        size = len(result.encode())
        if size > self._limits.max_output_bytes:
            raise TemplateFailure(too_large(template, size))


class _Compiled(threading.local):
    """The compiled templates of one thread, by version, oldest first; the reference engine's with it."""

    def __init__(self) -> None:
        self.by_version: dict[str, jsonatapy.JsonataExpression] = {}
        self.reference = ReferenceEngine()


# It belongs to the process, not to an engine, because an expression must end on its own thread too:
# so it lives until its thread ends. It only remembers: a version has one compiled form.
_compiled = _Compiled()


def compiled(text: str, version: str) -> jsonatapy.JsonataExpression:
    """The template as this thread's compiled expression. Raises ValueError for a syntax error."""
    cache = _compiled.by_version
    expression = cache.get(version)
    if expression is None:
        jsonatapy.compile(text)  # By itself first: what stands around it must not repair it.
        text = with_direct_calls(text, MOST_ARGUMENTS)
        prelude = prelude_for(text)
        expression = jsonatapy.compile(prelude.wrap(text))
        for name, function in prelude.functions.items():
            expression.register(name, function)
        if len(cache) >= _MOST_COMPILED:
            del cache[next(iter(cache))]
        cache[version] = expression
    return expression


def _read_in(document: JsonObject | str, template: Template) -> jsonatapy.JsonataData | str:
    """As the engine takes it: an object without the way over its text, which costs a tenth of a rendering."""
    if isinstance(document, str):
        return document
    try:
        return jsonatapy.JsonataData(document)
    except (OverflowError, TypeError, UnicodeEncodeError):
        # Such as a whole number of more than 64 bits, of which there is a text.
        return text_of(document, template)


def _forget(version: str) -> None:
    """It is compiled anew: a panic may have left it in any state."""
    _compiled.by_version.pop(version, None)


def is_panic(error: BaseException) -> bool:
    """Whether the Rust code gave up. Its PanicException is no Exception and cannot be imported."""
    return type(error).__module__ == "pyo3_runtime"


def error_code(error: BaseException) -> str:
    """The language's code in an error of the engine, or empty."""
    found = _CODE.match(str(error))
    if found:
        return found[1]
    return "S0106" if str(error) == "Parse error: Unclosed comment" else ""


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
    if str(error).startswith("Invalid regex"):
        return Diagnostic("template_failed", str(path), "a regular expression cannot be used", "Write it another way.")
    code = error_code(error)
    what, remedy = meaning(code)
    return Diagnostic(failure_code(code), str(path), what or "an expression failed", remedy, code)


def _read_host(kind: str, text: str, path: Path) -> Diagnostic:
    """An error raised in a function of ours; only ours have texts without data."""
    if kind == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if kind == "LimitExceeded":
        return Diagnostic("template_limit", str(path), text, "Make it smaller.")
    if kind in ("HelperError", "Unavailable"):
        return Diagnostic("template_failed", str(path), text, "See the helper's description.")
    return Diagnostic("template_failed", str(path), f"a helper broke ({kind})", "Report it to us.")
