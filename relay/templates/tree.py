"""The syntax tree of a template, as the reference engine (jsonata-python) parses it.

It is loaded when first needed. A node has ``type``, ``value`` and ``position``, where its token ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeAlias

Node: TypeAlias = Any
"""A `jsonata.parser.Parser.Symbol`, which has no types."""

_PARTS = (
    "lhs", "rhs", "steps", "expressions", "expression", "arguments", "procedure", "body", "predicate", "stages",
    "expr", "group", "lhs_object", "terms", "condition", "then", "_else", "pattern", "update", "delete",
)  # fmt: skip


def engine_module() -> ModuleType:
    """`jsonata.jsonata`. Its import sets the recursion limit of the whole process: put back."""
    limit = sys.getrecursionlimit()
    from jsonata import jsonata

    sys.setrecursionlimit(limit)
    # It prints what it cannot call, which may be personal data.
    vars(jsonata)["print"] = _silent
    return jsonata


def nodes_of(node: Node) -> Iterator[Node]:
    """The node and all below it, each once."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if isinstance(current, list | tuple):
            waiting.extend(reversed(current))
        elif hasattr(current, "type") and id(current) not in seen:
            seen.add(id(current))
            yield current
            attributes = vars(current)
            waiting.extend(part for name in _PARTS if (part := attributes.get(name)))


def token_start(text: str, end: int, written: object) -> int:
    """Where a token begins that ends at ``end``."""
    for candidate in (f"${written}", f'"{written}"', f"'{written}'", f"`{written}`", str(written)):
        if text[:end].endswith(candidate):
            return end - len(candidate)
    return end


def start_of(text: str, node: Node) -> int | None:
    """Where an expression begins, if it stands in ``text`` at all."""
    starts = [
        token_start(text, each.position, each.value)
        for each in nodes_of(node)
        if 0 < (getattr(each, "position", 0) or 0) <= len(text)
    ]
    return min(starts, default=None)


def path_text(node: Node) -> str:
    """A path of names as it is written, predicates as `[…]`; empty for any other expression."""
    if node.type == "variable":
        return f"${node.value}" + _predicates(node)
    if node.type != "path":
        return ""
    steps = []
    for step in node.steps:
        if step.type not in ("name", "variable") or step.group is not None:
            return ""
        written = f"${step.value}" if step.type == "variable" else _name(str(step.value))
        steps.append(written + _predicates(step))
    return ".".join(steps)


def _predicates(node: Node) -> str:
    return "[…]" * len(node.predicate or node.stages or ())


def _name(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _silent(*_arguments: object) -> None:
    """Stands for `print`."""
