"""`.length` of an array or a text: valid, and always nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from relay.templates.hints.contract import Hint
from relay.templates.trail import ARRAY, TEXT, Trail
from relay.templates.tree import Node, nodes_of, token_start

_NAMES = {"length", "size", "count"}


def lengths(text: str, tree: Node, trail: Trail) -> Iterator[Hint]:
    """Only where the value was an array or a text, for an object may have such a key."""
    for path in nodes_of(tree):
        for before, step in pairwise(path.steps or () if path.type == "path" else ()):
            kind = trail.type_of(before)
            found = trail.looked_up.get(id(step))
            if step.type != "name" or step.value not in _NAMES or kind not in (ARRAY, TEXT) or (found and found.met):
                continue
            remedy = "Count an array with $count( … )." if kind == ARRAY else "Count characters with $length( … )."
            start = token_start(text, step.position, step.value)
            yield Hint(f"{kind} has no `{step.value}`", remedy, "", start)
