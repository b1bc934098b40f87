"""Keys of objects that are not text: most often a key without quotes."""

from __future__ import annotations

from relay.templates.hints.contract import Failing, Hint
from relay.templates.trail import NOTHING, TEXT
from relay.templates.tree import Node, path_text, start_of


def wrong_key(failing: Failing) -> Hint | None:
    if failing.code != "T1003":
        return None
    for key in _keys(failing.node):
        kind, path = failing.trail.type_of(key), path_text(key)
        if kind in ("", TEXT, NOTHING):
            continue
        remedy = f'Write "{path}" in quotes for a fixed key, or $string( … ).' if path else "Convert it with $string."
        return Hint(f"the key {path} is {kind}, and must be text".replace("  ", " "), remedy, kind,
                    start_of(failing.text, key))  # fmt: skip
    return None


def _keys(node: Node) -> list[Node]:
    for holder in (node, node.group):
        if holder is not None and holder.lhs_object:
            return [key for key, _ in holder.lhs_object]
    return []
