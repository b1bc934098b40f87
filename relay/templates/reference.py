"""The reference engine (jsonata-python): it knows where in a template an error is, and is 30 times slower.

Only diagnostics and checks use it, so it is loaded when first needed. Its exceptions hold data of
the event: nothing but codes and positions leaves this module.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import orjson

from relay.templates.diagnostics import Position
from relay.templates.helpers import HelperError
from relay.templates.prelude import NOW_BINDING, REFUSED, LimitExceeded, Unavailable, prelude_for

_HOST_ERRORS = (HelperError, LimitExceeded, Unavailable)
_UNKNOWN_TO_FAST_ENGINE = frozenset({"clone"})


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a template cannot be parsed. ``what`` quotes nothing but the template."""

    jsonata_code: str
    what: str
    position: Position


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function that a template calls without defining it, by its name without ``$``."""

    name: str
    position: Position


class EvaluationFailed(Exception):
    """``jsonata_code`` is the language's code, or empty when a helper refused or the engine broke.

    ``position`` is where the work stood, if known.
    """

    def __init__(self, jsonata_code: str, host_error: bool, position: Position | None) -> None:
        super().__init__(jsonata_code or "without a code")
        self.jsonata_code = jsonata_code
        self.host_error = host_error
        self.position = position


@dataclass(frozen=True, slots=True)
class Examined:
    """What the text of a template shows without being evaluated."""

    syntax: SyntaxProblem | None = None
    undefined: Sequence[FunctionUse] = ()


def examine(text: str) -> Examined:
    """The first syntax error, else the calls of functions that neither template nor language defines."""
    module = _module()
    try:
        tree = module.Jsonata(text).ast
    except module.jexception.JException as error:
        what = str(error).replace(" Object ", " function ")
        found = error.expected if error.error == "S0202" else error.current
        position = Position.at(text, _start(text, error.location, found))
        return Examined(SyntaxProblem(error.error, what, position))
    except Exception:  # It escapes with whatever its tokenizer stumbled over, for an unclosed comment.
        opened = text.rfind("/*")
        if opened >= 0 and "*/" not in text[opened:]:
            return Examined(SyntaxProblem("S0106", "Comment has no closing tag", Position.at(text, opened)))
        return Examined()
    return Examined(undefined=tuple(_undefined_functions(tree, text)))


def _undefined_functions(tree: Any, text: str) -> Iterator[FunctionUse]:
    nodes = list(_nodes(tree))
    known = set(known_functions())
    known |= {node.lhs.value for node in nodes if node.type == "bind"}
    known |= {argument.value for node in nodes if node.type == "lambda" for argument in node.arguments}
    for node in nodes:
        called = node.procedure if node.type in ("function", "partial") else None
        called = node.rhs if node.type == "apply" else called
        if called is not None and called.type == "variable" and called.value not in known:
            yield FunctionUse(called.value, Position.at(text, called.position - len(called.value) - 1))


def known_functions() -> frozenset[str]:
    """Names of the language's functions that a template may use."""
    return frozenset(_module().Jsonata.static_frame.bindings) - REFUSED - _UNKNOWN_TO_FAST_ENGINE


class ReferenceEngine:
    """Evaluates a template with the same helpers and bindings as the fast engine."""

    def __init__(self, *, timeout_ms: int = 2_000, max_depth: int = 500) -> None:
        self._timeout_ms = timeout_ms
        self._max_depth = max_depth

    def evaluate(self, text: str, document_json: str, bindings: Mapping[str, Any], *, now_ms: int) -> str | None:
        """The result as JSON text, or None for undefined. Raises `EvaluationFailed`."""
        module = _module()
        prelude = prelude_for(text)
        working: list[Any] = []
        try:
            expression = module.Jsonata(prelude.wrap(text))
            for name, function in prelude.functions.items():
                expression.register_lambda(name, partial(_with_nulls, module.utils.Utils, function))
            self._watch(expression.environment, working)
            expression.set_output_convert_nulls(False)
            bound = {name: module.utils.Utils.convert_nulls(value) for name, value in bindings.items()}
            result = expression.evaluate(orjson.loads(document_json), {**bound, NOW_BINDING: now_ms})
            return None if result is None else orjson.dumps(module.utils.Utils.convert_nulls(result)).decode()
        except Exception as error:
            position = _working_position(text, working, prelude.length)
            code = getattr(error, "error", "")
            raise EvaluationFailed(str(code), isinstance(error, _HOST_ERRORS), position) from None

    def _watch(self, environment: Any, working: list[Any]) -> None:
        """Keep in ``working`` the nodes that are being evaluated, and stop a runaway."""
        deadline_s = time.monotonic() + self._timeout_ms / 1000

        def entered(node: Any, _input: object, _environment: object) -> None:
            working.append(node)
            if len(working) > self._max_depth or time.monotonic() > deadline_s:
                raise TimeoutError

        def left(*_arguments: object) -> None:
            working.pop()

        environment.set_evaluate_entry_callback(entered)
        environment.set_evaluate_exit_callback(left)


def _module() -> ModuleType:
    """`jsonata.jsonata`, whose import sets the recursion limit of the whole process: put back."""
    limit = sys.getrecursionlimit()
    from jsonata import jsonata

    sys.setrecursionlimit(limit)
    return jsonata


def _with_nulls(utilities: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*(utilities.convert_nulls(argument) for argument in arguments))


def _nodes(node: Any) -> Iterator[Any]:
    """Every node of a syntax tree."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if isinstance(current, list | tuple):
            waiting.extend(current)
        elif hasattr(current, "type") and hasattr(current, "position") and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting.extend(value for name, value in vars(current).items() if name != "_outer_instance")


def _start(text: str, end: int, token: object) -> int:
    """Where a token begins: the engine tells where it ends."""
    for written in (f"${token}", f'"{token}"', f"'{token}'", f"`{token}`", str(token)):
        if text[:end].endswith(written):
            return end - len(written)
    return end


def _working_position(text: str, working: list[Any], offset: int) -> Position | None:
    """The innermost node at work that the template itself holds."""
    for node in reversed(working):
        end = (getattr(node, "position", 0) or 0) - offset
        if 0 < end <= len(text):
            called = getattr(node, "procedure", None)
            if called is not None and called.type == "variable":
                return Position.at(text, called.position - offset - len(called.value) - 1)
            return Position.at(text, _start(text, end, node.value))
    return None
