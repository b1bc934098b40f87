"""Texts and brackets without their end: the place to mend is where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.templates.diagnostics import Position
from relay.templates.hints.contract import Fault, Hint
from relay.templates.tokens import OPENING, Token

_CLOSING = {opening: closing for closing, opening in OPENING.items()}


def unclosed_text(fault: Fault) -> Hint | None:
    """A text without its closing quote. When the next quote ended it, it goes over a line's end before the fault."""
    token = next((token for token in fault.tokens if not token.closed), None)
    if fault.before is not None and fault.before.kind == "text" and "\n" in fault.before.written:
        token = fault.before
    if token is None or fault.problem.jsonata_code == "S0106":
        return None
    quote = token.written[0]
    kind = "name" if quote == "`" else "text"
    return Hint(f"the {kind} that begins here has no end", f"Close it with {quote}.", f"opening {quote}", token.start)


def unclosed_pattern(fault: Fault) -> Hint | None:
    if fault.problem.jsonata_code != "S0302":
        return None
    for before, token in zip((None, *fault.tokens), fault.tokens, strict=False):
        if token.written == "/" and (before is None or not before.ends_value):
            return Hint("the regular expression that begins here has no end", "Close it with /.", "", token.start)
    return None


def unclosed_bracket(fault: Fault) -> Hint | None:
    brackets = matched(fault.tokens, fault.text)
    if brackets.unclosed is not None:
        opening = brackets.unclosed
        what = f"this {opening.written} is never closed"
        if brackets.stray is not None:
            line = fault.text.count("\n", 0, brackets.stray.start) + 1
            what = f"this {opening.written} is not closed before the {brackets.stray.written} in line {line}"
        return Hint(what, f"Close it with {_CLOSING[opening.written]}.", f"opening {opening.written}", opening.start)
    if brackets.stray is not None:
        stray = brackets.stray
        what = f"this {stray.written} closes nothing"
        return Hint(what, f"Delete it, or open it with {OPENING[stray.written]}.", "", stray.start)
    return None


@dataclass(frozen=True, slots=True)
class Brackets:
    """The first bracket that has no partner: an opening one, the closing one that showed it, or both."""

    unclosed: Token | None = None
    stray: Token | None = None


def matched(tokens: Sequence[Token], text: str) -> Brackets:
    open_ones: list[Token] = []
    dedented: Token | None = None
    for token in tokens:
        if token.kind != "operator":
            continue
        if token.written in _CLOSING:
            open_ones.append(token)
        elif token.written in OPENING:
            if all(OPENING[token.written] != each.written for each in open_ones):
                return Brackets(stray=token)
            if open_ones[-1].written != OPENING[token.written]:
                return Brackets(open_ones[-1], token)
            opening = open_ones.pop()
            if dedented is None and _dedented(text, opening, token):
                dedented = opening
    # A closing bracket left of its partner's line closes, by its looks, one further out.
    return Brackets((dedented or open_ones[-1]) if open_ones else None)


def _dedented(text: str, opening: Token, closing: Token) -> bool:
    closes, opens = Position.at(text, closing.start), Position.at(text, opening.start)
    first_of_line = closes.excerpt[: closes.column - 1].isspace() or closes.column == 1
    return first_of_line and closes.line != opens.line and closes.column - 1 < _indent(opens.excerpt)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
