"""The language's codes for errors that jsonata-python raises without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CODE = re.compile(r"[A-Z]\d{4}")

_BY_TEXT = {
    "Second argument of replace function": "D3010",
    "Fourth argument of replace function": "D3011",
    "both integer and fractional parts are empty": "D3085",
    "Formatting or parsing an integer as a sequence": "D3130",
    "In a decimal digit pattern": "D3131",
    "Unknown component specifier": "D3132",
    "The 'name' modifier": "D3133",
    "The timezone integer format specifier": "D3134",
    "No matching closing bracket": "D3135",
    "The date/time picture string is missing": "D3136",
    "Type parameters can only be applied": "S0401",
    "Choice groups containing parameterized types": "S0402",
}

_BY_FUNCTION = {
    "decodeUrl": "D3140",
    "decodeUrlComponent": "D3140",
    "encodeUrl": "D3140",
    "encodeUrlComponent": "D3140",
    "number": "D3030",
    "power": "D3061",
    "sort": "D3070",
    "toMillis": "D3110",
}
"""By the built-in function that was at work, for Python's own errors."""


def code_of(error: BaseException, function: str) -> str:
    """The language's code of an error raised while ``function`` was at work; empty when it has none."""
    for each in chain(error):
        if isinstance(each, RecursionError):
            return "D1011"
        stated = str(getattr(each, "error", ""))
        if _CODE.fullmatch(stated):
            return stated
        for beginning, code in _BY_TEXT.items():
            if str(each).startswith(beginning) or stated.startswith(beginning):
                return code
        if isinstance(each, ZeroDivisionError | OverflowError) and function not in _BY_FUNCTION:
            return "D1001"
        if isinstance(each, ValueError | TypeError | OverflowError | UnicodeError):
            return _BY_FUNCTION.get(function, "")
    return ""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it was raised from: the engine covers errors inside `and` and `or` with its own."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__context__
