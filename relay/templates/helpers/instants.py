"""Points in time, as Segment wants them: ISO 8601 in UTC with milliseconds.

The forms that are read: RFC 3339 with or without a zone, to the nanosecond (Elastic Path, Shopify,
WooCommerce, commercetools, Adobe Commerce), Unix seconds (Stripe, BigCommerce) or milliseconds,
RFC 2822 (BigCommerce's documents).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from relay.templates.helpers.contract import Example, Helper, HelperError

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?"
    r"\s?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_RFC_2822 = re.compile(r"(?:[A-Z][a-z]{2}, )?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\S+ \S+)", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Unix seconds reach this number in the year 5138; milliseconds passed it in March 1973.
_MILLISECONDS_FROM = 10**11


def iso_milliseconds(at_ms: int) -> str:
    """Unix milliseconds as `2026-03-14T09:26:53.045Z`. Raises ValueError outside the years 1 to 9999."""
    return f"{_iso_second(at_ms // 1000)}.{at_ms % 1000:03}Z"


@lru_cache(maxsize=256)
def _iso_second(at_s: int) -> str:
    """Remembered, since the events of one moment are rendered together, and each tells its times more than once."""
    try:
        return (_EPOCH + timedelta(seconds=at_s)).isoformat()[: len("2026-03-14T09:26:53")]
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999") from None


def iso_time(value: Any, zone: Any = None) -> str | None:
    if value is None or value == "":
        return None
    local = UTC if zone is None else _named_zone(zone)
    try:
        return iso_milliseconds(_milliseconds(value, local))
    except (ValueError, OverflowError):
        raise _no_time() from None


def local_time(value: Any, zone: Any = None) -> str | None:
    if value is None or value == "":
        return None
    local = _named_zone(zone)
    try:
        moment = _EPOCH + timedelta(milliseconds=_milliseconds(value, UTC))
        return moment.astimezone(local).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        raise _no_time() from None


def _no_time() -> HelperError:
    return HelperError("the value is not a time: RFC 3339 or RFC 2822 text, or Unix seconds or milliseconds")


def _named_zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise HelperError("the time zone is not one of the IANA database, such as Europe/Berlin") from None


def _milliseconds(value: Any, local: tzinfo) -> int:
    if isinstance(value, str):
        text = value.strip()
        if 9 <= len(text) <= 15 and text.isdecimal():
            return _unix(int(text))
        return _from_text(text, local)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _unix(value)
    raise ValueError


def _unix(number: float) -> int:
    return int(number if abs(number) >= _MILLISECONDS_FROM else round(number * 1000, 3))


def _from_text(text: str, local: tzinfo) -> int:
    found = _ISO.fullmatch(_RFC_2822.sub(_as_iso, text, count=1))
    if found is None:
        raise ValueError
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    leap = second == 60
    year, month, day = map(int, found["date"].split("-"))
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=_zone(found["zone"], local))
    milliseconds = int((found["fraction"] or "0").ljust(3, "0")[:3])
    return (moment - _EPOCH) // _MILLISECOND + milliseconds + (1000 if leap else 0)


def _as_iso(found: re.Match[str]) -> str:
    """`20 Nov 2012 00:00:00 +0000` as `2012-11-20 00:00:00 +0000`."""
    day, month, year, rest = found.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day:0>2} {rest}"


def _zone(text: str | None, local: tzinfo) -> tzinfo:
    if text is None:
        return local
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


ISO_TIME = Helper(
    "isoTime",
    ("value", "zone?"),
    "A time as ISO 8601 in UTC with milliseconds; from RFC 3339 or RFC 2822 text, or Unix seconds or milliseconds. "
    "Text without a zone is UTC, or local in the IANA time zone given.",
    iso_time,
    (
        Example('$isoTime("2018-05-09T09:53:16.045565913Z")', '"2018-05-09T09:53:16.045Z"'),
        Example('$isoTime("2020-07-03T14:11:59-07:00")', '"2020-07-03T21:11:59.000Z"'),
        Example('$isoTime("2026-07-01 12:00:00", "Europe/Berlin")', '"2026-07-01T10:00:00.000Z"'),
        Example('$isoTime("Tue, 20 Nov 2012 00:00:00 +0000")', '"2012-11-20T00:00:00.000Z"'),
        Example("$isoTime(1561479335)", '"2019-06-25T16:15:35.000Z"'),
        Example("$isoTime(1561479335250)", '"2019-06-25T16:15:35.250Z"'),
        Example("$isoTime(meta.timestamps.created_at)", None),
    ),
)
LOCAL_TIME = Helper(
    "localTime",
    ("value", "zone"),
    "A time, in any form that $isoTime takes, as ISO 8601 in an IANA time zone with its offset.",
    local_time,
    (
        Example('$localTime("2026-03-14T09:26:53Z", "Europe/Berlin")', '"2026-03-14T10:26:53.000+01:00"'),
        Example(
            '$substring($localTime(1773480413, "America/New_York"), 0, 19) ~> $replace("T", " ")',
            '"2026-03-14 05:26:53"',
        ),
        Example('$localTime(meta.timestamps.created_at, "Europe/Berlin")', None),
    ),
)
