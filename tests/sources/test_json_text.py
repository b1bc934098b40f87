from __future__ import annotations

import json
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Json
from relay.sources.json_text import DEEPEST, parse, parse_exact

whole = st.integers(-(10**40), 10**40)


@given(number=st.one_of(whole, st.integers(-(2**53) - 3, -(2**53) + 3), st.integers(2**53 - 3, 2**53 + 3)))
def test_a_whole_number_keeps_every_digit(number: int) -> None:
    expected = number if abs(number) <= 2**53 else str(number)

    assert parse_exact(json.dumps({"a": [number]}).encode()) == {"a": [expected]}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=values, digits=st.booleans())
def test_everything_else_reads_as_ever(value: object, digits: bool) -> None:
    # A long run of digits within a text takes the exact way through, to the same result.
    document = [value, "card 4111111111111111"] if digits else [value]

    assert parse_exact(orjson.dumps(document)) == document


@pytest.mark.parametrize("read", [parse, parse_exact])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_read_can_be_written_and_what_is_deeper_is_refused(
    read: Callable[[bytes], Json], opening: bytes, closing: bytes
) -> None:
    inner = DEEPEST - 1

    assert orjson.dumps(read(opening * inner + b'"9999999999999999999"' + closing * inner))
    for depth in (DEEPEST + 1, 1_000, 100_000):
        with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
            read(opening * depth + b"1" + closing * depth)


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"\xff\xfe{}", b'"\\ud800"', b"\x00", b"[1,]", b"-Infinity"])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        parse_exact(text)
