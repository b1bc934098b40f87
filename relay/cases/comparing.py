"""What changed between two JSON values, path by path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from relay.model import Json, JsonObject

_LONGEST_SHOWN = 300


class Nothing:
    """Where one side has no value; null is one."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    expected: Json | Nothing
    actual: Json | Nothing

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.expected)} → {_shown(self.actual)}"

    def as_json(self) -> JsonObject:
        """A side that has nothing is left out."""
        sides = {"expected": self.expected, "actual": self.actual}
        return {"path": self.path, **{name: side for name, side in sides.items() if not isinstance(side, Nothing)}}


def differences(expected: Json, actual: Json, path: str = "") -> Iterator[Difference]:
    """In the order of ``expected``. 60 and 60.0 are the same number; true is none."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _of_objects(expected, actual, path)
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _of_arrays(expected, actual, path)
    elif not _same_scalar(expected, actual):
        yield Difference(path, expected, actual)


def same(expected: Json, actual: Json) -> bool:
    return next(differences(expected, actual), None) is None


def _of_objects(expected: JsonObject, actual: JsonObject, path: str) -> Iterator[Difference]:
    for name, value in expected.items():
        inner = _member_path(path, name)
        if name in actual:
            yield from differences(value, actual[name], inner)
        else:
            yield Difference(inner, value, NOTHING)
    for name, value in actual.items():
        if name not in expected:
            yield Difference(_member_path(path, name), NOTHING, value)


def _of_arrays(expected: Sequence[Json], actual: Sequence[Json], path: str) -> Iterator[Difference]:
    """Items by their index in ``expected``; one that was put in or taken out does not shift the others."""
    matcher = SequenceMatcher(None, [canonical(item) for item in expected], [canonical(item) for item in actual], False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        both = min(end - start, other_end - other_start)
        for offset in range(both):
            yield from differences(expected[start + offset], actual[other_start + offset], f"{path}[{start + offset}]")
        for index in range(start + both, end):
            yield Difference(f"{path}[{index}]", expected[index], NOTHING)
        for index in range(other_start + both, other_end):
            yield Difference(f"{path}[{index}]", NOTHING, actual[index])


def _same_scalar(expected: Json, actual: Json) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return expected == actual


def canonical(value: Json) -> str:
    """JSON text that is equal for equal values, 1 and 1.0 among them, and no others."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Json) -> Json:
    """Equal values written alike: whole floats as integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _member_path(path: str, name: str) -> str:
    if not name.isidentifier():
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def _shown(value: Json | Nothing) -> str:
    if isinstance(value, Nothing):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
