"""From an error of the language to a diagnostic: place, what was found there, what to try."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from relay.templates.diagnostics import Diagnostic, Position
from relay.templates.examining import SyntaxProblem, parsed
from relay.templates.hints import RUNTIME_HINTS, SYNTAX_HINTS, Failing, Fault, Hint, odd_character
from relay.templates.hints.misspelt_paths import misspelt_cause
from relay.templates.template import Template
from relay.templates.tokens import tokens_of
from relay.templates.trail import Trail
from relay.templates.tree import Node, start_of, token_start
from relay.templates.wording import failure_code, meaning, syntax_meaning


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed evaluation. ``own_text`` is what a function of ours says, which quotes no data."""

    jsonata_code: str
    trail: Trail
    tree: Node | None = None
    own_text: str = ""
    over_limit: bool = False
    syntax: SyntaxProblem | None = None


def misspelt_syntax(text: str, path: Path, problem: SyntaxProblem) -> Diagnostic:
    """What keeps a template from being parsed."""
    what, remedy = syntax_meaning(problem.jsonata_code, problem.what)
    told = Diagnostic("template_invalid", str(path), what, remedy, problem.jsonata_code)
    told = replace(told, position=Position.at(text, problem.start))
    tokens = tokens_of(text)
    odd = odd_character(tokens)
    if odd is not None:
        return hinted(told, text, odd)
    index = next((index for index, token in enumerate(tokens) if token.end >= problem.end), len(tokens))
    at_end = problem.jsonata_code in ("S0101", "S0105", "S0203", "S0207", "S0302")
    fault = Fault(text, tokens, len(tokens) if at_end else index, problem)
    return hinted(told, text, next(filter(None, (hint(fault) for hint in SYNTAX_HINTS)), None))


def explained(failed: Failed, template: Template) -> Diagnostic:
    """What a failed rendering can be told as."""
    text, path = template.text, template.path
    if failed.syntax is not None:
        return misspelt_syntax(text, path, failed.syntax)
    what, remedy = meaning(failed.jsonata_code)
    if failed.own_text:
        remedy = "Make it smaller." if failed.over_limit else "See the helper's description."
    code = "template_limit" if failed.over_limit else failure_code(failed.jsonata_code)
    told = Diagnostic(code, str(path), failed.own_text or what or "an expression failed", remedy, failed.jsonata_code)
    if code == "template_timeout":
        busy = _outermost_work(text, failed.trail.working)
        return told if busy is None else replace(told, position=Position.at(text, _start(text, busy)), found="at work")
    node = _innermost(text, failed.trail.working)
    if node is None or failed.tree is None:
        return told
    told = replace(told, position=Position.at(text, _start(text, node)))
    if code != "template_failed":
        return told
    failing = Failing(text, failed.jsonata_code, node, failed.tree, failed.trail)
    told = hinted(told, text, next(filter(None, (hint(failing) for hint in RUNTIME_HINTS)), None))
    cause = misspelt_cause(failing)
    if cause is None:
        return told
    line = Position.at(text, cause.hint.offset or 0).line
    remedy = f"Write {cause.near} for {cause.name} in line {line}: there is no `{cause.name}`, but `{cause.near}`."
    return replace(told, remedy=remedy)


def too_large(template: Template, size_bytes: int) -> Diagnostic:
    """A result over the limit."""
    what = f"the result has {size_bytes} bytes, more than templates.max_output_bytes"
    told = Diagnostic("template_limit", str(template.path), what, "Leave something out.")
    return replace(told, position=place_of_result(template.text), found="the result")


def place_of_result(text: str) -> Position | None:
    """Where the expression begins whose value is the template's result."""
    node = parsed(text)
    if node is None or isinstance(node, SyntaxProblem):
        return None
    while node.type == "block" and node.expressions:
        node = node.expressions[-1]
    start = start_of(text, node)
    if start is None:
        return None
    opening = text.rfind(str(node.value), 0, start) if node.type == "unary" and node.value in ("{", "[") else -1
    return Position.at(text, opening if opening >= 0 else start)


def place_of_key(text: str, key: str) -> Position | None:
    """Where the template writes the key, if it does so in one place."""
    places = [token for token in tokens_of(text) if token.kind == "text" and token.written[1:-1] == key]
    return Position.at(text, places[0].start) if key and len(places) == 1 else None


def hinted(told: Diagnostic, text: str, hint: Hint | None) -> Diagnostic:
    """The diagnostic in the better words of a hint."""
    if hint is None:
        return told
    return replace(
        told,
        what=hint.what or told.what,
        remedy=hint.remedy or told.remedy,
        found=hint.found or told.found,
        position=told.position if hint.offset is None else Position.at(text, hint.offset),
    )


def _innermost(text: str, working: list[Node]) -> Node | None:
    """The innermost node at work that the template itself holds."""
    return next((node for node in reversed(working) if start_of(text, node) is not None), None)


def _outermost_work(text: str, working: list[Node]) -> Node | None:
    """The outermost call or path: whatever moment it was looked at, one that goes on and on is in it."""
    kinds = ("function", "apply", "path")
    return next((node for node in working if node.type in kinds and start_of(text, node) is not None), None)


def _start(text: str, node: Node) -> int:
    if not 0 < (node.position or 0) <= len(text):
        return start_of(text, node) or 0
    called = getattr(node, "procedure", None)
    if called is not None and called.type == "variable" and called.position:
        return int(called.position) - len(called.value) - 1
    return token_start(text, node.position, node.value)
