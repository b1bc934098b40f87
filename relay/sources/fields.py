"""Reading fields that may be missing or of any type: nothing here raises."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST_TEXT = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_9999_MS = 253_370_764_800_000
# Unix seconds reach this number in the year 5138; milliseconds passed it in March 1973.
_MILLISECONDS_FROM = 10**11


def at(value: Any, *path: str) -> Any:
    """What stands under a path of member names; None when there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: Any) -> str | None:
    """An id or a name as text of 1 to `LONGEST_TEXT` printable characters; None for anything else.

    A whole number is taken as its digits. A float is not: two long ids could become the same one.
    """
    if not isinstance(value, str):
        return str(value) if type(value) is int and value.bit_length() <= 64 else None
    if len(value) > LONGEST_TEXT or not value.isprintable() or not value.strip():
        return None
    return value


def moment_ms(value: Any) -> int | None:
    """An ISO 8601 time, of any precision and offset, as Unix milliseconds; without an offset it is UTC.

    None when unreadable, and for years that no event has: Go writes an unset time as the year 1.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        # Not a time; the time of arrival stands in for it.
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = (moment - _EPOCH) // _MILLISECOND
    return at_ms if 0 < at_ms < _YEAR_9999_MS else None


def first_moment_ms(values: Iterable[Any]) -> int | None:
    """The first that is a time."""
    return next((at_ms for at_ms in map(moment_ms, values) if at_ms is not None), None)


def instant_ms(value: Any) -> int | None:
    """Like `moment_ms`, and also Unix seconds or milliseconds, as a number or its digits."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and 9 <= len(value) <= 14:
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        at_ms = value if value >= _MILLISECONDS_FROM else value * 1000
        return round(at_ms) if 0 < at_ms < _YEAR_9999_MS else None
    return moment_ms(value)
