"""Functions that refuse what they are given: what each argument was."""

from __future__ import annotations

from relay.templates.hints.contract import Failing, Hint
from relay.templates.trail import ARRAY, NOTHING, TEXT
from relay.templates.tree import Node, path_text, start_of

_TYPES = {"T0410", "T0411", "T0412"}


def wrong_argument(failing: Failing) -> Hint | None:
    node = failing.node
    if node.type != "function" or node.procedure.type != "variable":
        return None
    if failing.code not in _TYPES and not (failing.code[:2] == "D3" or failing.code == ""):
        return None
    name = f"${node.procedure.value}"
    kinds = [failing.trail.type_of(argument) for argument in node.arguments]
    if failing.code == "T0411" or (not node.arguments and failing.code in _TYPES):
        return Hint(f"{name} takes its argument from $, which is {failing.trail.context_type_of(node)}")
    found = ", ".join(
        f"{path_text(argument) or f'argument {number}'} is {kind}"
        for number, (argument, kind) in enumerate(zip(node.arguments, kinds, strict=True), start=1)
        if kind and (path_text(argument) or failing.code in _TYPES or kind == NOTHING)
    )
    if failing.code not in _TYPES:
        return Hint(found=found)
    return Hint(f"{name} got a wrong type", _remedy(name, node, kinds), found, start_of(failing.text, node))


def _remedy(name: str, node: Node, kinds: list[str]) -> str:
    first = kinds[0] if kinds else ""
    path = (path_text(node.arguments[0]) if node.arguments else "") or "…"
    if name in ("$sum", "$max", "$min", "$average") and first in (ARRAY, TEXT):
        return f"All must be numbers: {name}({path}.$number($))." if first == ARRAY else f"Write $number({path})."
    if name == "$join" and first == ARRAY:
        return f"All must be texts: $join({path}.$string($))."
    if first == ARRAY:
        return f"Apply it to each item: {path}.{name}($), or take one: {path}[0]."
    return "Convert it with $string or $number, or test it with $exists or $type."
