"""Calls of what is no function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relay.settings.suggesting import closest
from relay.templates.examining import bound_names, known_functions, undefined_functions
from relay.templates.helpers import HELPERS
from relay.templates.hints.contract import Hint
from relay.templates.prelude import REFUSED
from relay.templates.tree import Node, token_start

_METHODS = {
    "concat": "$append", "every": "$count($filter(…)) = $count", "forEach": "$map", "includes": "in, or $contains",
    "indexOf": "in, or $contains", "length": "$count for arrays, $length for texts", "parseFloat": "$number",
    "parseInt": "$number", "push": "$append", "size": "$count", "slice": "$substring for texts, [[0..2]] for arrays",
    "some": "$exists with a predicate", "toFixed": "$formatNumber", "toISOString": "$isoTime",
    "toLowerCase": "$lowercase", "toString": "$string", "toUpperCase": "$uppercase",
}  # fmt: skip


def unknown_functions(_text: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Hint]]:
    """`$functions` that are neither defined in the template nor known."""
    helpers = {helper.name for helper in HELPERS}
    for use in undefined_functions(nodes):
        if use.name in helpers:
            continue
        near = closest(use.name, sorted({*helpers, *known_functions(), *bound_names(nodes)}))
        remedy = f"Did you mean ${near}?" if near else "Define it, or see the list of helpers."
        if use.name in REFUSED:
            remedy = "Rendering an event again must give the same; do without."
        yield "T1006", Hint(f"there is no function ${use.name}", remedy, "", use.start)


def called_names(text: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Hint]]:
    """Calls without `$`: a document holds no functions, so each would fail."""
    known = {*known_functions(), *(helper.name for helper in HELPERS)}
    for node in nodes:
        called = node.procedure if node.type in ("function", "partial") else None
        called = node.rhs if node.type == "apply" else called
        if called is None or called.type != "path" or len(called.steps) != 1 or called.steps[0].type != "name":
            continue
        name = str(called.steps[0].value)
        near = name if name in known else closest(name, sorted(known))
        remedy = f"Write ${near}( … )." if near else "Functions begin with $."
        if name in _METHODS:
            remedy = f"Instead of .{name}() there is {_METHODS[name]}."
        start = token_start(text, called.steps[0].position, name)
        yield "T1005", Hint(f"{name} is called, and is no function", remedy, "a name of a field", start)
