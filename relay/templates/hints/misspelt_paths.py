"""Steps of paths that no document has, where one has a key that is nearly the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.templates.hints.contract import Failing, Hint
from relay.templates.hints.spelling import near_name, same_word
from relay.templates.trail import LookedUp
from relay.templates.tree import Node, nodes_of, token_start


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A step ``name`` of the template where documents have the key ``near``."""

    step: Node
    name: str
    near: str
    hint: Hint


def misspelt_steps(text: str, tree: Node, looked_up: Iterable[LookedUp]) -> Iterator[Misspelt]:
    """In the order of the template."""
    by_step = {id(each.step): each for each in looked_up}
    steps = [node for node in nodes_of(tree) if node.type == "name" and node.position]
    times = Counter(str(step.value) for step in steps)
    for step in sorted(steps, key=lambda step: int(step.position)):
        found = by_step.get(id(step))
        if found is None or found.met:
            continue
        name = str(step.value)
        near = near_name(name, found.keys)
        if near and not (times[near] and _meant(name, near, times, tree)):
            start = token_start(text, step.position, name)
            yield Misspelt(step, name, near, Hint(f"no `{name}` here; `{near}` is", f"Write {near}.", "", start))


def _meant(name: str, near: str, times: Counter[str], tree: Node) -> bool:
    """Whether a template that names both means both: documents come in more than one form."""
    return times[name] > 1 or same_word(name, near) or any({name, near} <= names for names in _alternatives(tree))


def _alternatives(tree: Node) -> Iterator[set[str]]:
    """The last names of paths that stand side by side, as in `a ? a : b`, `a ?: b`, `[a, b][0]`, `a or b`."""
    for node in nodes_of(tree):
        parts = (node.condition, node.then, node._else, *(node.expressions or ()))
        if node.type == "binary" and node.value == "or":
            parts = (node.lhs, node.rhs)
        paths = [part.steps[-1] for part in parts if getattr(part, "type", None) == "path"]
        yield {str(step.value) for step in paths if step.type == "name"}


def misspelt_cause(failing: Failing) -> Misspelt | None:
    """A misspelt step in the expression that failed, or in what gave its variables their values."""
    parts = {id(node) for node in _causes(failing.node, failing.tree)}
    for misspelt in misspelt_steps(failing.text, failing.tree, failing.trail.looked_up.values()):
        if id(misspelt.step) in parts:
            return misspelt
    return None


def _causes(node: Node, tree: Node) -> Iterator[Node]:
    """All nodes of an expression, and of those bound to its variables, and so on."""
    bound = {each.lhs.value: each.rhs for each in nodes_of(tree) if each.type == "bind"}
    waiting, seen = [node], set()
    while waiting:
        for part in nodes_of(waiting.pop()):
            yield part
            if part.type == "variable" and part.value in bound and part.value not in seen:
                seen.add(part.value)
                waiting.append(bound[part.value])
