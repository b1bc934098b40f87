"""What a hint is: the sentence that turns an error code into something to do. One file for each kind of mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from relay.templates.examining import SyntaxProblem
from relay.templates.tokens import Token
from relay.templates.trail import Trail
from relay.templates.tree import Node


@dataclass(frozen=True, slots=True)
class Hint:
    """Better words for a problem; what is empty, or an ``offset`` of None, leaves the problem's own.

    Quotes names, paths and types, never a value of a document.
    """

    what: str = ""
    remedy: str = ""
    found: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A syntax error: ``index`` is that of the token at fault, or the number of tokens at the end of the text."""

    text: str
    tokens: Sequence[Token]
    index: int
    problem: SyntaxProblem

    @property
    def token(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def before(self) -> Token | None:
        return self.tokens[self.index - 1] if 0 < self.index <= len(self.tokens) else None


@dataclass(frozen=True, slots=True)
class Failing:
    """An expression of a template that failed: ``node`` is the innermost that the template itself holds."""

    text: str
    code: str
    node: Node
    tree: Node
    trail: Trail


SyntaxHint: TypeAlias = Callable[[Fault], Hint | None]
RuntimeHint: TypeAlias = Callable[[Failing], Hint | None]
Finder: TypeAlias = Callable[[str, Sequence[Node]], Iterable[tuple[str, Hint]]]
"""From the text of a template and all nodes of its tree: the language's code, or empty, and a hint with an offset."""
