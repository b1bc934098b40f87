"""`=` where `:=` is meant: valid, and without any effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relay.templates.hints.contract import Hint
from relay.templates.tree import Node


def lost_comparisons(_text: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Hint]]:
    """Comparisons `$x = …;` whose result nobody sees."""
    for block in nodes:
        if block.type != "block":
            continue
        for expression in block.expressions[:-1]:
            if expression.type == "binary" and expression.value == "=" and expression.lhs.type == "variable":
                what = "= compares, and nothing is made of the result"
                remedy = f"Write ${expression.lhs.value} := … to give it a value."
                yield "", Hint(what, remedy, "a comparison", expression.position - 1)
