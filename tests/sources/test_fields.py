from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sources.fields import LONGEST_TEXT, at, moment_ms, text

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        ("2024-03-01T10:05:00Z", 1_709_287_500_000),
        ("2018-05-09T09:53:16.045565913Z", 1_525_859_596_045),
        ("2023-09-05T14:53:01.584+00:00", 1_693_925_581_584),
        ("2023-09-05T16:53:01.584+02:00", 1_693_925_581_584),
        ("2024-03-01T10:05:00", 1_709_287_500_000),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (1_709_287_500, None),
    ],
)
def test_a_time_is_read_in_any_precision_and_offset(value: object, at_ms: int | None) -> None:
    assert moment_ms(value) == at_ms


@given(
    moment=st.datetimes(
        datetime(1970, 1, 3),
        datetime(9998, 12, 31),
        timezones=st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h))),
    )
)
def test_a_time_is_the_same_moment_in_every_zone(moment: datetime) -> None:
    assert moment_ms(moment.isoformat()) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a-1", "a-1"),
        (42, "42"),
        (-7, "-7"),
        (True, None),
        (1.5, None),
        (1e20, None),
        (None, None),
        ({}, None),
        (10**30, None),
    ],
)
def test_an_id_is_text_or_a_whole_number(value: object, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize("value", ["", " ", "a\x00b", "a\nb", "\ud800", "x" * (LONGEST_TEXT + 1)])
def test_text_that_a_database_or_a_line_cannot_hold_is_none(value: str) -> None:
    assert text(value) is None


@given(value=anything, path=st.lists(st.text(), max_size=3))
def test_no_value_raises(value: Any, path: list[str]) -> None:
    found = text(value)
    moment_ms(value)
    at(value, *path)

    assert found is None or (found.encode() and len(found) <= LONGEST_TEXT)
