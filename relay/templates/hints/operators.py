"""Operators of other languages."""

from __future__ import annotations

from relay.templates.hints.contract import Fault, Hint

_FOREIGN = {
    "==": ("=", "is equal to"),
    "===": ("=", "is equal to"),
    "!==": ("!=", "is not equal to"),
    "<>": ("!=", "is not equal to"),
    "&&": ("and", "both"),
    "||": ("or", "one of both"),
    "|||": ("or", "one of both"),
    "=>": ("function($x) { … }", ""),
    "+=": ("$x := $x + …", ""),
    "++": ("$x + 1", ""),
}
_CHARACTERS = frozenset("=!&|<>+")


def foreign_operator(fault: Fault) -> Hint | None:
    """Looks at the operator characters that stand together around the token at fault."""
    first = last = fault.index
    if fault.token is None or not set(fault.token.written) <= _CHARACTERS:
        first = last = fault.index - 1
    if not 0 <= first < len(fault.tokens) or not set(fault.tokens[first].written) <= _CHARACTERS:
        return None
    while first > 0 and _joined(fault, first - 1):
        first -= 1
    while last + 1 < len(fault.tokens) and _joined(fault, last):
        last += 1
    start = fault.tokens[first].start
    written = fault.text[start : fault.tokens[last].end]
    if written in _FOREIGN:
        ours, meaning = _FOREIGN[written]
        remedy = f"Write {ours}" + (f" ({meaning})." if meaning else ".")
        return Hint(f"{written} is not an operator of JSONata", remedy, "", start)
    if written.startswith("!"):
        return Hint("! is not an operator of JSONata", "Write $not( … ), or != for unequal.", "", start)
    return None


def line_comment(fault: Fault) -> Hint | None:
    """`//` is an empty regular expression to the language."""
    for token in fault.tokens[max(0, fault.index - 1) : fault.index + 1]:
        if token.kind == "operator" and fault.text.startswith("//", token.start):
            return Hint("// does not begin a comment", "Write /* … */.", "", token.start)
    return None


def assigned_key(fault: Fault) -> Hint | None:
    """`:=` behind what is no variable, and `:` behind what is one."""
    token, before = fault.token, fault.before
    if fault.problem.jsonata_code == "S0212" and token is not None:
        following = fault.tokens[fault.index + 1 : fault.index + 2]
        at = following[0].start if following and following[0].written == ":=" else None
        remedy = "Write : between key and value, := only after a $name."
        return Hint(":= gives a value to a $name, and this is none", remedy, "", at)
    if token is not None and before is not None and token.written == ":" and before.kind == "variable":
        return Hint(": does not give a value to a name", f"Write {before.written} := …", "", token.start)
    return None


def _joined(fault: Fault, index: int) -> bool:
    """Whether an operator character stands without a blank before the next."""
    one, other = fault.tokens[index], fault.tokens[index + 1]
    return one.end == other.start and all(set(each.written) <= _CHARACTERS for each in (one, other))
