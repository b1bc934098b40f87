"""The transform operator, which the engine that renders gets wrong: refused before it sends wrong values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relay.templates.hints.contract import Hint
from relay.templates.tree import Node, start_of


def transforms(text: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Hint]]:
    """`|path|…|` changes every object that is equal to one the path gives: a shipping address like the billing one.

    `|$|…|` can mean one object only. Seen with jsonatapy 2.2.13.
    """
    for node in nodes:
        if node.type == "transform" and not (node.pattern.type == "variable" and node.pattern.value == ""):
            what = "| … | would also change other objects that are equal to the one meant"
            remedy = "Build the object anew: $merge([ …, { … }])."
            yield "", Hint(what, remedy, "a transform", start_of(text, node.pattern))
