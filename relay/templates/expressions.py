"""Evaluates the expressions of declared platforms at intake and of declared receivers: small, and never for long."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from relay.model import Json
from relay.templates.checking import problems_of
from relay.templates.engine import compiled, is_panic
from relay.templates.prelude import NOW_BINDING

TIMEOUT_MS = 25
MAX_DEPTH = 50
MAX_SEQUENCE = 1_000
MAX_RESULT_CHARACTERS = 10_000
REQUEST_TIMEOUT_MS = 250
REQUEST_MAX_SEQUENCE = 10_000


class Expressions:
    """Implements `relay.sources.contract.Evaluator`. It looks for no place of an error: intake cannot wait."""

    def check(self, expression: str) -> None:
        problems = problems_of(expression, Path())
        if problems:
            first = problems[0]
            column = f"column {first.position.column}: " if first.position else ""
            raise ValueError(f"{column}{first.what}. {first.remedy}".strip())

    def evaluate(self, expression: str, document_json: str, headers: Mapping[str, str]) -> Json:
        bindings = {"headers": dict(headers)}
        result = _evaluated(expression, document_json, bindings, timeout_ms=TIMEOUT_MS, max_sequence=MAX_SEQUENCE)
        if result is None:
            return None
        if len(result) > MAX_RESULT_CHARACTERS:
            raise ValueError("the expression gives too much")
        value: Json = orjson.loads(result)
        return value


class RequestExpressions:
    """Implements `relay.destinations.contract.Evaluator`."""

    def check(self, expression: str) -> None:
        Expressions().check(expression)

    def evaluate(self, expression: str, document_json: str, bindings: Mapping[str, Any]) -> str | None:
        return _evaluated(
            expression, document_json, bindings, timeout_ms=REQUEST_TIMEOUT_MS, max_sequence=REQUEST_MAX_SEQUENCE
        )


def _evaluated(
    expression: str, document_json: str, bindings: Mapping[str, Any], *, timeout_ms: int, max_sequence: int
) -> str | None:
    try:
        result: str | None = compiled(expression, _version(expression)).evaluate_json_or_none(
            document_json,
            {**bindings, NOW_BINDING: 0},
            timeout=timeout_ms,
            max_stack_depth=MAX_DEPTH,
            max_sequence_length=max_sequence,
        )
    except BaseException as error:
        raise _unfit(error) from None
    return result


def _version(expression: str) -> str:
    return sha256(expression.encode()).hexdigest()


def _unfit(error: BaseException) -> ValueError:
    """Without the engine's text, which may quote the webhook."""
    if not isinstance(error, Exception) and not is_panic(error):
        raise error
    return ValueError("the expression failed")
