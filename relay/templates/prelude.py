"""What stands before every template: helper functions, and built-ins made safe.

Written in JSONata, so that both engines mean the same by it. Only what a template mentions is put
before it; a template that mentions nothing runs as it is. Why each part is there:

- A function of the host gets None for JSONata's undefined and cannot give undefined back. So it
  gives an array of one or none, and the wrapper takes the first item.
- ``$now`` and ``$millis`` tell the time of the event, and ``$random``, ``$shuffle`` and ``$eval``
  are refused: rendering an event again gives the same bytes.
- The engine looks at the clock between steps only; a built-in whose one step can take very long or
  fill the memory is bounded by its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from relay.templates.helpers import HELPERS, Helper, HelperError

MOST_CHARACTERS = 10_000_000
"""Longest text that one built-in may make."""
LONGEST_PICTURE = 1_000
"""Longest picture for `$formatNumber`, whose time grows with the square."""
MOST_DISTINCT = 10_000
"""Longest array for `$distinct`, whose time grows with the square."""

REFUSED = frozenset({"eval", "random", "shuffle"})
"""Built-ins that would make a rendering differ from the one before, or hide code in data."""

NOW_BINDING = "_now_ms"

MOST_ARGUMENTS = {helper.name: len(helper.parameters) for helper in HELPERS if not helper.variadic}
"""Of the helpers that have a wrapper."""


class LimitExceeded(Exception):
    """A built-in function was asked for more than it may make."""


class Unavailable(Exception):
    """A built-in function that a template may not use."""


@dataclass(frozen=True, slots=True)
class Prelude:
    """JSONata definitions, and the functions of the host that they call, by name without ``$``."""

    definitions: str
    functions: dict[str, Callable[..., Any]]

    def wrap(self, text: str) -> str:
        """The template with its definitions before it; itself when there are none."""
        return f"({self.definitions}\n{text}\n)" if self.definitions else text

    @property
    def length(self) -> int:
        """Characters that `wrap` puts before the template."""
        return len(self.definitions) + 2 if self.definitions else 0


def prelude_for(text: str) -> Prelude:
    """What a template of this text needs. A name in a comment or string counts as mentioned."""
    mentioned = set(re.findall(r"\$([A-Za-z_]\w*)", text))
    if "now" in mentioned:
        mentioned.add("fromMillis")
    definitions = [_BUILT_INS[name] for name in _BUILT_INS if name in mentioned]
    functions: dict[str, Callable[..., Any]] = {}
    if definitions:
        functions = {"_exceeded": _exceeded, "_unavailable": _unavailable}
    for helper in HELPERS:
        if helper.variadic and helper.name in mentioned:
            functions[helper.name] = _hosted(helper)
        elif helper.name in mentioned:
            definitions.append(_wrapper(helper))
            functions[f"_{helper.name}"] = _hosted(helper)
        elif f"_{helper.name}" in mentioned:
            functions[f"_{helper.name}"] = _hosted(helper)
    return Prelude("".join(definitions), functions)


def _wrapper(helper: Helper) -> str:
    parameters = ",".join(f"${name.rstrip('?')}" for name in helper.parameters)
    return f"${helper.name}:=function({parameters}){{$_{helper.name}({parameters})[0]}};"


def _hosted(helper: Helper) -> Callable[..., Any]:
    """The helper as the engine calls it: errors bear its name, undefined is an empty array."""
    function, variadic = helper.function, helper.variadic

    def call(*arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except HelperError as error:
            raise HelperError(f"${helper.name}: {error}") from None
        if variadic:
            return result
        return [] if result is None else [result]

    return call


def _exceeded(name: str) -> NoReturn:
    raise LimitExceeded(f"${name} was asked for more than it may make")


def _unavailable(name: str) -> NoReturn:
    raise Unavailable(f"${name} is not available in templates")


def _refused(name: str) -> str:
    return f'${name}:=function(){{$_unavailable("{name}")}};'


def _bounded(name: str, parameters: str, signature: str, too_much: str, call: str) -> str:
    return f'${name}:=($b:=${name};function({parameters})<{signature}>{{{too_much}?$_exceeded("{name}"):{call}}});'


# In the order of definition: $now calls $fromMillis. The signatures are those of the language.
_BUILT_INS = {
    **{name: _refused(name) for name in sorted(REFUSED)},
    "pad": _bounded(
        "pad",
        "$s,$n,$c",
        "s-ns?:s",
        f"$abs($n)>{MOST_CHARACTERS}",
        "$exists($c)?$b($s,$n,$c):$b($s,$n)",
    ),
    "replace": _bounded(
        "replace",
        "$s,$p,$r,$n",
        "s-(sf)(sf)n?:s",
        f'($type($r)="string"?($length($s)+1)*$length($r)>{MOST_CHARACTERS}:false)',
        "$exists($n)?$b($s,$p,$r,$n):$b($s,$p,$r)",
    ),
    "join": _bounded(
        "join",
        "$a,$s",
        "a<s>s?:s",
        f"$sum($map($a,function($i){{$length($i)}}))+($exists($s)?$count($a)*$length($s):0)>{MOST_CHARACTERS}",
        "$exists($s)?$b($a,$s):$b($a)",
    ),
    # Of no items the engine makes null, and the language nothing.
    "reduce": "$reduce:=($b:=$reduce;function($s,$f,$i)<afj?:j>{$s=[]?$i:$exists($i)?$b($s,$f,$i):$b($s,$f)});",
    "formatNumber": _bounded(
        "formatNumber",
        "$n,$p,$o",
        "n-so?:s",
        f"$length($p)>{LONGEST_PICTURE}",
        "$exists($o)?$b($n,$p,$o):$b($n,$p)",
    ),
    "distinct": _bounded("distinct", "$a", "x:x", f"$count($a)>{MOST_DISTINCT}", "$b($a)"),
    # A component may ask for a width, as in [Y,9-9]; three digits of it are already a mistake.
    "fromMillis": _bounded(
        "fromMillis",
        "$n,$p,$z",
        "n-s?s?:s",
        "$contains($p,/,[^\\]]*[0-9]{3}/)",
        "$exists($z)?$b($n,$p,$z):$exists($p)?$b($n,$p):$b($n)",
    ),
    "millis": f"$millis:=function()<:n>{{${NOW_BINDING}}};",
    "now": f"$now:=function($p,$z)<s?s?:s>{{$fromMillis(${NOW_BINDING},$p,$z)}};",
}
