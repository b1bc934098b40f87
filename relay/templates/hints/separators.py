"""Commas, colons and semicolons: missing, or one too many."""

from __future__ import annotations

from collections.abc import Sequence

from relay.templates.hints.contract import Fault, Hint
from relay.templates.tokens import OPENING, Token


def trailing_separator(fault: Fault) -> Hint | None:
    token, before = fault.token, fault.before
    if token is None or before is None or before.written != "," or token.written not in OPENING:
        return None
    what = f"there is nothing between this comma and the {token.written}"
    return Hint(what, "Delete the comma.", "one comma too many", before.start)


def missing_separator(fault: Fault) -> Hint | None:
    token, before = fault.token, fault.before
    if token is None or before is None or not before.ends_value or not _begins_value(token):
        return None
    opening = _innermost(fault.tokens[: fault.index])
    if fault.problem.expected == ":" and opening == "{":
        return Hint("a : is missing between key and value", "Write : here.", "", before.end)
    if opening in ("{", "[", "call"):
        what = f"a comma is missing before {_shown(token)}"
        return Hint(what, "Write a comma here, or an operator.", "missing comma", before.end)
    if opening == "(":
        what = f"a semicolon is missing before {_shown(token)}"
        return Hint(what, "Write ; here, or an operator.", "missing semicolon", before.end)
    remedy = "Put all into ( … ), with ; between the expressions; the last one is the result."
    return Hint(f"the expression ends before {_shown(token)}", remedy, "", token.start)


def stray_separator(fault: Fault) -> Hint | None:
    token, before = fault.token, fault.before
    if token is None or before is None or not before.ends_value:
        return None
    opening = _innermost(fault.tokens[: fault.index])
    if token.written == ";" and opening == "":
        remedy = "Put all into ( … ), with ; between the expressions; the last one is the result."
        return Hint("several expressions stand without brackets around them", remedy, "", token.start)
    if token.written == ";" and opening in ("{", "[", "call"):
        return Hint("a semicolon separates expressions in ( … ) only", "Write a comma.", "", token.start)
    if token.written == "," and opening == "(":
        return Hint("a comma does not separate expressions in ( … )", "Write ; here.", "", token.start)
    return None


def _begins_value(token: Token) -> bool:
    return token.kind != "operator" or token.written in ("{", "[", "(")


def _shown(token: Token) -> str:
    return token.written if len(token.written) <= 30 else f"{token.written[:29]}…"


def _innermost(tokens: Sequence[Token]) -> str:
    """The innermost open bracket; `call` for that of a function's arguments, empty for none."""
    found: list[str] = []
    for index, token in enumerate(tokens):
        if token.kind != "operator":
            continue
        if token.written in OPENING and found:
            found.pop()
        elif token.written in OPENING.values():
            called = token.written == "(" and index > 0 and tokens[index - 1].ends_value
            found.append("call" if called else token.written)
    return found[-1] if found else ""
