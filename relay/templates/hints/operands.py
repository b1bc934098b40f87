"""Operators on values of the wrong type: which side, what it is, how to convert it."""

from __future__ import annotations

from relay.templates.hints.contract import Failing, Hint
from relay.templates.trail import ARRAY, NUMBER, OBJECT, TEXT
from relay.templates.tree import Node, path_text, start_of

_ARITHMETIC = {"T2001": "lhs", "T2002": "rhs", "T2003": "lhs", "T2004": "rhs"}


def wrong_operand(failing: Failing) -> Hint | None:
    """The side that is no number."""
    node = failing.node
    if failing.code in _ARITHMETIC and node.type == "binary":
        return _not_a_number(failing, getattr(node, _ARITHMETIC[failing.code]), str(node.value))
    if failing.code == "D1002" and node.type == "unary":
        return _not_a_number(failing, node.expression, "-")
    return None


def incomparable(failing: Failing) -> Hint | None:
    """Two sides of different types, or of one that has no order."""
    node = failing.node
    if failing.code not in ("T2009", "T2010") or node.type != "binary":
        return None
    left, right = failing.trail.type_of(node.lhs), failing.trail.type_of(node.rhs)
    found = f"{_named(node.lhs, left, 'the left side')}, {_named(node.rhs, right, 'the right side')}"
    remedy = "Compare texts with texts and numbers with numbers."
    for side, kind, other in ((node.lhs, left, right), (node.rhs, right, left)):
        if kind == TEXT and other == NUMBER:
            remedy = f"Write $number({path_text(side) or '…'}) for a number."
    what = f"{node.value} compares values of different types"
    if failing.code == "T2010":
        what = f"{node.value} compares numbers or texts only"
    return Hint(what, remedy, found, start_of(failing.text, node.lhs))


def _not_a_number(failing: Failing, side: Node, operator: str) -> Hint:
    kind = failing.trail.type_of(side)
    path = path_text(side)
    other = failing.node.rhs if side is failing.node.lhs else failing.node.lhs
    both_texts = kind == TEXT and other is not None and failing.trail.type_of(other) in (TEXT, "")
    remedy = f"Write $number({path or '…'})."
    if operator == "+" and both_texts:
        remedy = f"Write & to join texts, or $number({path or '…'}) to add numbers."
    elif kind == ARRAY:
        remedy = f"Add up with $sum({path or '…'}), or work on each item with $map."
    elif kind == OBJECT:
        remedy = f"Name a field of it: {path or '…'}.<field>."
    elif kind in ("null", "true or false"):
        remedy = f'Test it before: $type({path or "…"}) = "number" ? …'
    what = f"{path or 'this'} is {kind or 'no number'}, and {operator} works on numbers"
    return Hint(what, remedy, kind, start_of(failing.text, side))


def _named(node: Node, kind: str, otherwise: str) -> str:
    return f"{path_text(node) or otherwise} is {kind or 'unknown'}"
