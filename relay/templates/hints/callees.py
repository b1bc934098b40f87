"""Variables that are called and hold no function."""

from __future__ import annotations

from relay.templates.hints.contract import Failing, Hint
from relay.templates.tree import path_text


def no_function(failing: Failing) -> Hint | None:
    if failing.code != "T1006" or failing.node.type != "function":
        return None
    called = failing.node.procedure
    path, kind = path_text(called), failing.trail.type_of(called)
    if not path or not kind:
        return None
    return Hint(f"{path} is called, and is {kind}", "Give it a function: := function($x) { … }.", kind)
