"""Whether a template can be used at all, found out before any event meets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from relay.templates.diagnostics import Diagnostic, Position
from relay.templates.engine import compiled, error_code, is_panic
from relay.templates.examining import SyntaxProblem, parsed
from relay.templates.explaining import hinted, misspelt_syntax
from relay.templates.hints import FINDERS, odd_character, quote_in_name
from relay.templates.template import version_of
from relay.templates.tokens import tokens_of
from relay.templates.tree import Node, nodes_of
from relay.templates.wording import syntax_meaning


@lru_cache(maxsize=512)
def problems_of(text: str, path: Path) -> Sequence[Diagnostic]:
    """Everything that keeps the template from being used; empty when it is sound."""
    tokens = tokens_of(text)
    if not tokens and "/*" not in text.rpartition("*/")[2]:
        remedy = "Delete the file to use the packaged one; to switch the tracked event off, set its tracking to false."
        return [_invalid(path, "the template is empty", remedy)]
    tree = parsed(text)
    if isinstance(tree, SyntaxProblem):
        return [misspelt_syntax(text, path, tree)]
    odd = odd_character(tokens) or quote_in_name(tokens)
    if odd is not None:
        return [hinted(_invalid(path, ""), text, odd)]
    problems = _uncompilable(text, path)
    if tree is None or problems:
        return problems
    return _found(text, tree, path)


def _uncompilable(text: str, path: Path) -> list[Diagnostic]:
    """What only the fast engine objects to."""
    try:
        compiled(text, version_of(text))
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        # A syntax error quotes nothing but the template; the engine does not tell its place.
        what, remedy = syntax_meaning(error_code(error), str(error).removeprefix("Parse error: "))
        told = _invalid(path, what, remedy, jsonata_code=error_code(error))
        return [replace(told, position=Position.at(text, len(text.rstrip())))]
    return []


def _found(text: str, tree: Node, path: Path) -> list[Diagnostic]:
    nodes = list(nodes_of(tree))
    found = [(hint.offset or 0, code, hint) for finder in FINDERS for code, hint in finder(text, nodes)]
    found.sort(key=lambda each: each[0])
    return [hinted(_invalid(path, "", jsonata_code=code), text, hint) for _, code, hint in found]


def _invalid(path: Path, what: str, remedy: str = "", *, jsonata_code: str = "") -> Diagnostic:
    return Diagnostic("template_invalid", str(path), what, remedy, jsonata_code)
