"""Reading a webhook by expressions: a plain path here, anything else by the evaluator that was handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from relay.model import Json, JsonObject
from relay.sources.contract import Evaluator

_NAME = r"(?:[A-Za-z_]\w*|`[^`]+`)"
_PATH = re.compile(rf"(\$headers\.)?({_NAME}(?:\.{_NAME})*)", re.ASCII)
_STEP = re.compile(_NAME, re.ASCII)


class _Unclear(Exception):
    """A path leads through an array, which JSONata maps."""


@dataclass(frozen=True, slots=True)
class Expression:
    """``steps`` are those of a plain path, which needs no engine."""

    text: str
    steps: tuple[str, ...] = ()
    of_headers: bool = False

    @classmethod
    def of(cls, text: str) -> Expression:
        path = _PATH.fullmatch(text.strip())
        if path is None:
            return cls(text)
        return cls(text, tuple(step.strip("`") for step in _STEP.findall(path[2])), path[1] is not None)


class Reading:
    """One webhook, to be read by expressions."""

    def __init__(self, document: JsonObject, headers: Mapping[str, str], evaluator: Evaluator) -> None:
        self._document = document
        self._headers = headers
        self._evaluator = evaluator
        self._json: str | None = None

    def value(self, expression: Expression) -> Json:
        """None when there is nothing, also because the expression failed: the caller has something in its stead."""
        try:
            if expression.steps:
                start: Any = self._headers if expression.of_headers else self._document
                return _walked(start, expression.steps)
            return self._evaluated(expression)
        except _Unclear:
            return self._evaluated(expression)

    def values(self, expressions: Sequence[Expression]) -> list[Json]:
        return [self.value(expression) for expression in expressions]

    def _evaluated(self, expression: Expression) -> Json:
        try:
            if self._json is None:
                self._json = orjson.dumps(self._document).decode()
            return self._evaluator.evaluate(expression.text, self._json, self._headers)
        except (ValueError, TypeError):
            # Bad data or a limit; TypeError is a document too deep to be written again.
            return None


def _walked(value: Any, steps: Sequence[str]) -> Json:
    for step in steps:
        if isinstance(value, list):
            raise _Unclear
        value = value.get(step) if isinstance(value, Mapping) else None
    found: Json = value
    return found
