"""Misspelt variables: valid, and always nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relay.templates.examining import bound_names, undefined_variables
from relay.templates.hints.contract import Hint
from relay.templates.hints.spelling import near_name
from relay.templates.tree import Node

_OURS = ("event", "settings", "payload")


def misspelt_variables(_text: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Hint]]:
    for use in undefined_variables(nodes):
        near = near_name(use.name, (*bound_names(nodes), *_OURS))
        if near:
            yield "", Hint(f"${use.name} has no value anywhere", f"Did you mean ${near}?", "", use.start)
