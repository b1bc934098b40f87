"""Arrays of one item that JSONata makes the item itself: Segment's `products` must stay an array."""

from __future__ import annotations

from collections.abc import Iterator

from relay.model import Json
from relay.templates.hints.contract import Hint
from relay.templates.tokens import tokens_of
from relay.templates.tree import Node, nodes_of, token_start

ALWAYS_ARRAYS = frozenset({"products"})
"""Fields that the e-commerce specification knows as arrays only."""

_COLLAPSING = frozenset({"map", "filter", "each"})


def may_collapse(text: str, tree: Node) -> Iterator[Hint]:
    """Where the template gives such a field a path, which is an object when only one item is found."""
    bound = {node.lhs.value: node.rhs for node in nodes_of(tree) if node.type == "bind"}
    for node in nodes_of(tree):
        for key, value in (node.lhs_object or ()) if node.type == "unary" else ():
            if key.type != "string" or key.value not in ALWAYS_ARRAYS:
                continue
            given = bound.get(value.value, value) if value.type == "variable" else value
            if _collapses(given):
                what = f"`{key.value}` is an object, not an array, when there is one item"
                yield Hint(what, _REMEDY, "", token_start(text, key.position, key.value))


def collapsed(text: str, result: Json) -> Iterator[Hint]:
    """Where a rendered result has an object in such a field."""
    names = {name for item in (result if isinstance(result, list) else [result]) for name in _objects_in(item)}
    for token in tokens_of(text):
        name = token.written[1:-1]
        if token.kind == "text" and name in names:
            names.discard(name)
            yield Hint(f"`{name}` came out as an object, not as an array", _REMEDY, "", token.start)


_REMEDY = "Put it into [ … ], or write $array( … )."


def _collapses(value: Node) -> bool:
    if value.type == "path":
        first, last = value.steps[0], value.steps[-1]
        return not (value.keep_singleton_array or first.consarray or last.consarray)
    return value.type == "function" and value.procedure.value in _COLLAPSING and not value.keep_array


def _objects_in(call: Json) -> Iterator[str]:
    properties = call.get("properties") if isinstance(call, dict) else None
    if isinstance(properties, dict):
        yield from (name for name in ALWAYS_ARRAYS if isinstance(properties.get(name), dict))
