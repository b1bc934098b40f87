"""Points in time, as Segment wants them: ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?"
    r"\s?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Unix seconds reach this number in the year 5138; milliseconds passed it in March 1973.
_MILLISECONDS_FROM = 10**11


def iso_milliseconds(at_ms: int) -> str:
    """Unix milliseconds as `2026-03-14T09:26:53.045Z`. Raises ValueError outside the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999") from None
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def iso_time(value: Any) -> str | None:
    if value is None or value == "":
        return None
    try:
        return iso_milliseconds(_milliseconds(value))
    except (ValueError, OverflowError):
        raise HelperError("the value is not a time: RFC 3339 text, or Unix seconds or milliseconds") from None


def _milliseconds(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if 9 <= len(text) <= 15 and text.isdecimal():
            return _unix(int(text))
        return _from_text(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _unix(value)
    raise ValueError


def _unix(number: float) -> int:
    return int(number if abs(number) >= _MILLISECONDS_FROM else round(number * 1000, 3))


def _from_text(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    leap = second == 60
    year, month, day = map(int, found["date"].split("-"))
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=_zone(found["zone"]))
    milliseconds = int((found["fraction"] or "0").ljust(3, "0")[:3])
    return (moment - _EPOCH) // timedelta(milliseconds=1) + milliseconds + (1000 if leap else 0)


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


ISO_TIME = Helper(
    "isoTime",
    ("value",),
    "A time as ISO 8601 in UTC with milliseconds; from RFC 3339 text (no zone: UTC), or Unix seconds or milliseconds.",
    iso_time,
    (
        Example('$isoTime("2018-05-09T09:53:16.045565913Z")', '"2018-05-09T09:53:16.045Z"'),
        Example('$isoTime("2020-07-03T14:11:59-07:00")', '"2020-07-03T21:11:59.000Z"'),
        Example("$isoTime(1561479335)", '"2019-06-25T16:15:35.000Z"'),
        Example("$isoTime(1561479335250)", '"2019-06-25T16:15:35.250Z"'),
        Example("$isoTime(meta.timestamps.created_at)", None),
    ),
)
