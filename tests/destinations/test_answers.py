from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from relay.destinations.answers import shown

SECRET = "WK0123456789"


def test_shows_one_line_of_500_characters() -> None:
    assert shown(b"Bad\r\n\tRequest\x00\x1b[31m", ()) == "Bad Request[31m"
    assert shown("é" * 1000, ()) == "é" * 500
    assert shown(b"\xff\xfe ok", ()) == "�� ok"


@given(st.text(max_size=600), st.text(max_size=600), st.lists(st.integers(1, len(SECRET) - 1), max_size=3))
def test_never_shows_a_secret_whole_or_cut_off(before: str, after: str, breaks: list[int]) -> None:
    secret = SECRET
    for position in sorted(breaks, reverse=True):
        secret = f"{secret[:position]}\x00{secret[position:]}"

    text = shown(f"{before}{secret}{after}".encode("utf-8", "replace"), (SECRET,))

    assert SECRET not in text
    assert not text.endswith(SECRET[:4]) or before.endswith(SECRET[:4])
    assert len(text) <= 500
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in text)
