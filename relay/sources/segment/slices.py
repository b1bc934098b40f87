"""The pieces of a JSON text as they are written. The text must have been read as JSON before."""

from __future__ import annotations

import json
import re

_BLANKS = re.compile(r"[ \t\n\r]*")
# Only where values end is of interest; and a number of 5,000 digits is no error then.
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)


def members(text: str) -> dict[str, str]:
    """The values of an object by name, as written; of a name that is there twice, the last."""
    found: dict[str, str] = {}
    at = _behind(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _behind(text, text.index(":", at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        found[name] = text[start:end]
        at = _next(text, end)
    return found


def elements(text: str) -> list[str]:
    """The elements of an array as written."""
    found: list[str] = []
    at = _behind(text, text.index("[") + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        found.append(text[at:end])
        at = _next(text, end)
    return found


def _next(text: str, end: int) -> int:
    at = _behind(text, end)
    return _behind(text, at + 1) if text[at] == "," else at


def _behind(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
