"""How long a server asks to wait, read from the headers of its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LEAST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,9})?")
_UNIX_TIME_FROM = 1e9


def retry_after_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Seconds to wait by ``Retry-After``: a number or an HTTP-date (RFC 9110, 10.2.3).

    Between 1 and 300; None when the header is missing or unreadable.
    """
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is None:
        seconds = _seconds_until(text, now_ms)
    return None if seconds is None else _bounded(seconds)


def rate_limit_reset_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Seconds to wait by ``X-RateLimit-Reset``; a value over 10^9 is taken as a Unix time."""
    number = _number(headers.get("x-ratelimit-reset", "").strip())
    if number is None:
        return None
    return _bounded(number - now_ms / 1000 if number > _UNIX_TIME_FROM else number)


def milliseconds_s(headers: Mapping[str, str], name: str) -> float | None:
    """Seconds to wait by a header that holds milliseconds."""
    number = _number(headers.get(name, "").strip())
    return None if number is None else _bounded(number / 1000)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _seconds_until(date: str, now_ms: int) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp() - now_ms / 1000
    except (TypeError, ValueError, IndexError, OverflowError):
        # Not a date, whatever else it is: the server gave no time that we can keep to.
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, LEAST_WAIT_S), LONGEST_WAIT_S)
