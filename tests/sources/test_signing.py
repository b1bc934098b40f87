from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sources.signing import composer_secret, header_secret, secret_matches


@given(presented=st.text(st.characters()), candidates=st.lists(st.text()))
def test_a_secret_matches_when_it_is_one_of_the_candidates(presented: str, candidates: list[str]) -> None:
    assert secret_matches(presented, candidates) == (presented in candidates)


def test_the_composer_form_is_the_published_one() -> None:
    assert composer_secret("test") == "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="


@given(secret=st.text())
def test_a_secret_sent_as_utf8_is_read_from_a_latin1_header(secret: str) -> None:
    assert header_secret(secret.encode().decode("latin-1")) == secret


@pytest.mark.parametrize("value", ["schlüssel", "plain-ascii", "漢字", "\ud800"])
def test_any_other_header_value_is_taken_as_it_stands(value: str) -> None:
    assert header_secret(value) == value
