from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.destinations.retry_after import LEAST_WAIT_S, LONGEST_WAIT_S, rate_limit_reset_s, retry_after_s

NOW_MS = 1_773_480_421_500  # 2026-03-14T09:27:01.5Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("301", 300.0),
        ("86400", 300.0),
        ("Sat, 14 Mar 2026 09:27:11 GMT", 9.5),
        ("Saturday, 14-Mar-26 09:27:11 GMT", 9.5),
        ("Sat Mar 14 09:27:11 2026", 9.5),
        ("Sat, 14 Mar 2026 09:27:11 -0000", 9.5),
        ("Sat, 14 Mar 2026 10:27:11 +0100", 9.5),
        ("Fri, 13 Mar 2026 09:27:11 GMT", 1.0),
        ("Sat, 14 Mar 2099 09:27:11 GMT", 300.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("7, 9", None),
        ("١٢", None),
        ("9" * 5000, None),
        ("Sat, 99 Mar 2026 09:27:11 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}, now_ms=NOW_MS) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("1000", 300.0),
        ("1000000000", 300.0),
        ("1773480431", 9.5),
        ("1773480000", 1.0),
        ("Sat, 14 Mar 2026 09:27:11 GMT", None),
        ("", None),
    ],
)
def test_rate_limit_reset_is_seconds_or_a_unix_time(text: str, seconds: float | None) -> None:
    assert rate_limit_reset_s({"x-ratelimit-reset": text}, now_ms=NOW_MS) == seconds


def test_no_header_no_wait() -> None:
    assert retry_after_s({}, now_ms=NOW_MS) is None
    assert rate_limit_reset_s({}, now_ms=NOW_MS) is None


DATE_LIKE = st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,3}:\d\d(:\d\d)? ?([+-]\d{1,6}|GMT|)\Z")


@given(st.text() | st.from_regex(r"[0-9. :,+-]*") | DATE_LIKE)
@example("Sat, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_no_text_breaks_it(text: str) -> None:
    for wait_s in (
        retry_after_s({"retry-after": text}, now_ms=NOW_MS),
        rate_limit_reset_s({"x-ratelimit-reset": text}, now_ms=NOW_MS),
    ):
        assert wait_s is None or LEAST_WAIT_S <= wait_s <= LONGEST_WAIT_S
