"""`=` where `:=` is meant: valid, and without any effect."""

from __future__ import annotations

from collections.abc import Iterator

from relay.templates.hints.contract import Hint
from relay.templates.tree import Node, nodes_of


def lost_comparisons(_text: str, tree: Node) -> Iterator[tuple[str, Hint]]:
    """Comparisons `$x = …;` whose result nobody sees."""
    for block in nodes_of(tree):
        if block.type != "block":
            continue
        for expression in block.expressions[:-1]:
            if expression.type == "binary" and expression.value == "=" and expression.lhs.type == "variable":
                what = "= compares, and nothing is made of the result"
                remedy = f"Write ${expression.lhs.value} := … to give it a value."
                yield "", Hint(what, remedy, "a comparison", expression.position - 1)
