"""What a template probably does not mean, by what it does with given documents: warnings, never errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from relay.model import Json
from relay.templates.diagnostics import Diagnostic
from relay.templates.examining import SyntaxProblem, parsed
from relay.templates.explaining import hinted
from relay.templates.hints import Hint
from relay.templates.hints.collapsed_arrays import collapsed, may_collapse
from relay.templates.hints.lengths import lengths
from relay.templates.hints.misspelt_paths import misspelt_steps
from relay.templates.hints.spelling import same_word
from relay.templates.reference import ReferenceEngine
from relay.templates.template import Template
from relay.templates.trail import LookedUp
from relay.templates.tree import Node, nodes_of


def suspicious_paths(
    template: Template, documents: Sequence[str], bindings: Mapping[str, Any] | None = None, *, now_ms: int = 0
) -> list[Diagnostic]:
    """Steps of paths that no document has a key for, where one has a key that is nearly the same.

    ``documents`` are JSON texts; the more there are, the fewer optional keys are missing in all. A step
    is compared with the keys of the objects it was looked for in; one that no evaluation came to,
    with all keys there are. Names keys and paths, no values.
    """
    engine = ReferenceEngine()
    looked_up: dict[int, LookedUp] = {}
    hints: dict[Hint, None] = {}
    tree = None
    for document in documents:
        traced = engine.trace(template, document, bindings or {}, now_ms=now_ms)
        if traced.tree is None:
            return []
        tree = traced.tree
        hints |= dict.fromkeys(lengths(template.text, tree, traced.trail))
        for key, found in traced.trail.looked_up.items():
            known = looked_up.setdefault(key, found)
            known.met = known.met or found.met
            known.keys |= found.keys
    if tree is None:
        return []
    looked_up |= _never_looked_up(tree, looked_up, [*map(orjson.loads, documents), dict(bindings or {})])
    hints |= {each.hint: None for each in misspelt_steps(template.text, tree, looked_up.values())}
    return [_told(template, hint) for hint in hints]


def suspicious_shape(template: Template, result: str | None = None) -> list[Diagnostic]:
    """Fields that must be arrays, and are an object in ``result`` or would be one for a single item."""
    hints = list(collapsed(template.text, orjson.loads(result))) if result is not None else []
    tree = parsed(template.text)
    if not hints and tree is not None and not isinstance(tree, SyntaxProblem):
        hints = list(may_collapse(template.text, tree))
    return [_told(template, hint) for hint in hints]


def _never_looked_up(tree: Node, looked_up: Mapping[int, LookedUp], values: Sequence[Json]) -> dict[int, LookedUp]:
    """The steps that no evaluation came to, as if looked for everywhere; `item` may stand beside `items` there."""
    everywhere = dict.fromkeys(key for value in values for key in _keys_in(value))
    named = {str(node.value) for node in nodes_of(tree) if node.type == "name"}
    unnamed = [key for key in everywhere if key not in named]
    made = {str(key.value) for node in nodes_of(tree) for key, _ in node.lhs_object or () if key.type == "string"}
    return {
        id(node): LookedUp(
            node,
            str(node.value) in everywhere or str(node.value) in made,
            dict.fromkeys(key for key in unnamed if not same_word(str(node.value), key)),
        )
        for node in nodes_of(tree)
        if node.type == "name" and id(node) not in looked_up
    }


def _keys_in(value: Json) -> Iterator[str]:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield from current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _told(template: Template, hint: Hint) -> Diagnostic:
    return hinted(Diagnostic("template_suspicious", str(template.path), ""), template.text, hint)
