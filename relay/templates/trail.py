"""What one evaluation by the reference engine went through: where it is, types, and keys that were looked for.

It holds no value of the document.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from relay.templates.contract import EngineLimits
from relay.templates.tree import Node, engine_module

_LONGEST_TEXT = 1_000_000
"""A longer one is on its way to filling the memory: one step with it takes too long."""

NOTHING = "nothing"
TEXT = "text"
NUMBER = "a number"
ARRAY = "an array"
OBJECT = "an object"


@dataclass(slots=True)
class LookedUp:
    """A step of a path: whether any object had the key, and which keys the objects had."""

    step: Node
    met: bool = False
    keys: dict[str, None] = field(default_factory=dict)


class Trail:
    """Listens to one evaluation and ends it when it goes over a limit, with the language's codes."""

    def __init__(self, limits: EngineLimits) -> None:
        module = engine_module()
        self._stopped = module.jexception.JException
        self._null = module.utils.Utils.NULL_VALUE
        self._limits = limits
        self._deadline_s = time.monotonic() + limits.timeout_ms / 1000
        self._types: dict[int, str] = {}
        self._contexts: dict[int, str] = {}
        self.working: list[Node] = []
        self.looked_up: dict[int, LookedUp] = {}

    def bindings(self) -> dict[str, Any]:
        """What makes the engine tell us of each node: names no template can use."""
        return {"__evaluate_entry": self._entered, "__evaluate_exit": self._left}

    def type_of(self, node: Node) -> str:
        """The type of what an expression gave last; empty when it was not evaluated."""
        return self._types.get(id(node), "")

    def context_type_of(self, node: Node) -> str:
        """The type of what `$` was when an expression was evaluated last."""
        return self._contexts.get(id(node), "")

    def _entered(self, node: Node, context: Any, _environment: object) -> None:
        self.working.append(node)
        if len(self.working) > self._limits.max_depth:
            raise self._stopped("D1011", -1)
        if time.monotonic() > self._deadline_s:
            raise self._stopped("D1012", -1)
        if node.type == "name":
            self._look_up(node, context)
        elif node.type == "function":
            self._contexts[id(node)] = self._type(context)

    def _left(self, node: Node, _context: object, _environment: object, result: Any) -> None:
        self.working.pop()
        if isinstance(result, list) and len(result) > self._limits.max_sequence:
            self.working.append(node)
            raise self._stopped("D2015", -1)
        if isinstance(result, str) and len(result) > _LONGEST_TEXT:
            self.working.append(node)
            raise self._stopped("D1012", -1)
        self._types[id(node)] = self._type(result)

    def _look_up(self, step: Node, context: Any) -> None:
        looked_up = self.looked_up.setdefault(id(step), LookedUp(step))
        if not looked_up.met:
            for each in _objects(context):
                looked_up.met = looked_up.met or str(step.value) in each
                looked_up.keys |= dict.fromkeys(each)

    def _type(self, value: Any) -> str:
        if (
            isinstance(value, list)
            and getattr(value, "sequence", False)
            and not getattr(value, "keep_singleton", False)
        ):
            # The engine makes of a sequence its only item, or nothing, after it has told us.
            value = value if len(value) > 1 else value[0] if value else None
        if value is None:
            return NOTHING
        if value is self._null:
            return "null"
        for kind, name in _TYPES:
            if isinstance(value, kind):
                return name
        return "a function"


_TYPES = ((bool, "true or false"), (int | float, NUMBER), (str, TEXT), (list, ARRAY), (dict, OBJECT))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
