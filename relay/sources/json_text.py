"""Reading JSON so that long ids survive what comes after: the template engine counts in doubles."""

from __future__ import annotations

import json

import orjson

from relay.model import Json

LARGEST_WHOLE = 2**53
DEEPEST = 240
"""Levels of nesting that every later stage can write again; orjson itself writes 254."""

# Digits to "0", opening brackets to "[", all else to blank: long runs are found ten times faster than by a regular
# expression, and the brackets counted in one go.
_SHAPE = bytes(0x30 if 0x30 <= code <= 0x39 else 0x5B if code in b"[{" else 0x20 for code in range(256))
_LONG_RUN = b"0" * 16


def parse(text: bytes) -> Json:
    """Like `orjson.loads`, but raises ValueError also for nesting deeper than `DEEPEST`."""
    value: Json = orjson.loads(text)
    _check_depth(value, text.count(b"[") + text.count(b"{"))
    return value


def parse_exact(text: bytes) -> Json:
    """Like `parse`, with whole numbers beyond ±2^53 as strings of their digits."""
    value: Json = orjson.loads(text)
    shape = text.translate(_SHAPE)
    _check_depth(value, shape.count(b"["))
    if _LONG_RUN in shape:
        value = json.loads(text, parse_int=_whole)
    return value


def _check_depth(value: Json, brackets: int) -> None:
    """``brackets`` is how many are opened in its text."""
    if brackets > DEEPEST and _deeper(value, DEEPEST):
        raise ValueError(f"nested deeper than {DEEPEST} levels")


def _deeper(value: Json, levels: int) -> bool:
    level: list[Json] = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return False
    return True


def _containers(value: Json) -> list[Json]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _whole(digits: str) -> int | str:
    if len(digits) > 17:
        return digits
    number = int(digits)
    return number if abs(number) <= LARGEST_WHOLE else digits
