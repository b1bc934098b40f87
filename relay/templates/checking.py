"""Whether a template can be used at all, found out before any event meets it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relay.settings.suggesting import closest
from relay.templates.diagnostics import Diagnostic
from relay.templates.engine import compiled, error_code, is_panic
from relay.templates.helpers import HELPERS
from relay.templates.reference import Examined, SyntaxProblem, examine, known_functions
from relay.templates.template import version_of


def problems_of(text: str, path: Path) -> Sequence[Diagnostic]:
    """Everything that keeps the template from being used; empty when it is sound."""
    if not _without_comments(text):
        remedy = "Delete the file to use the packaged one; to switch the tracked event off, set its tracking to false."
        return [_invalid(path, "the template is empty", remedy)]
    examined = examine(text)
    if examined.syntax is not None:
        return [_misspelt(examined.syntax, path)]
    return _uncompilable(text, path) or _functions(examined, path)


def _misspelt(found: SyntaxProblem, path: Path) -> Diagnostic:
    return Diagnostic("template_invalid", str(path), found.what, "", found.jsonata_code, found.position)


def _uncompilable(text: str, path: Path) -> list[Diagnostic]:
    """What only the fast engine objects to."""
    try:
        compiled(text, version_of(text))
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        # A syntax error quotes nothing but the template.
        return [_invalid(path, str(error).removeprefix("Parse error: "), jsonata_code=error_code(error))]
    return []


def _functions(examined: Examined, path: Path) -> list[Diagnostic]:
    helpers = {helper.name for helper in HELPERS}
    problems = []
    for use in examined.undefined:
        if use.name in helpers:
            continue
        near = closest(use.name, sorted({*helpers, *known_functions()}))
        remedy = f"Did you mean ${near}?" if near else "Define it, or see the list of helpers."
        problems.append(
            Diagnostic(
                "template_invalid", str(path), f"there is no function ${use.name}", remedy, "T1006", use.position
            )
        )
    return problems


def _invalid(path: Path, what: str, remedy: str = "", *, jsonata_code: str = "") -> Diagnostic:
    return Diagnostic("template_invalid", str(path), what, remedy, jsonata_code)


def _without_comments(text: str) -> str:
    """What is left of a text that is nothing but comments and blanks; otherwise something."""
    rest = text.strip()
    while rest.startswith("/*"):
        _, closed, rest = rest.partition("*/")
        if not closed:
            return "unclosed"
        rest = rest.strip()
    return rest
