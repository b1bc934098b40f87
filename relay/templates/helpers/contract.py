"""What a helper is: a pure function that templates call as `$name(…)`, with its documentation as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class HelperError(Exception):
    """A helper refuses its arguments. The message never quotes them: they may be personal data."""


@dataclass(frozen=True, slots=True)
class Example:
    """A JSONata expression and what it gives as JSON text; None is JSONata's undefined."""

    expression: str
    gives: str | None


@dataclass(frozen=True, slots=True)
class Helper:
    """``function`` gets JSON values, None for both undefined and null, and returns None for undefined.

    Arguments that the template leaves out are None too: all parameters but the first have this default.
    A ``variadic`` helper gets exactly the arguments written in the template and never returns None.
    Raises `HelperError` for arguments it cannot work with, and nothing else.
    """

    name: str
    parameters: tuple[str, ...]
    summary: str
    function: Callable[..., Any]
    examples: tuple[Example, ...]
    variadic: bool = False

    @property
    def signature(self) -> str:
        """How it is written in a template, optional parameters with a question mark."""
        return f"${self.name}({', '.join(self.parameters)}{', …' if self.variadic else ''})"
