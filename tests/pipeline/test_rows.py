"""Files of history: every row comes out, whatever the form, and what was rejected can be read again."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import RelayError
from relay.pipeline.rows import form_of, read_rows, rejected

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=8)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
rows = st.lists(st.dictionaries(names.filter(lambda name: not name.startswith("_")), values, max_size=4), max_size=20)


def read(data: bytes, form: str) -> list[Any]:
    return [row.value if not row.problem else row.problem for row in read_rows(io.BytesIO(data), form)]


@given(rows)
def test_rows_of_json_come_out_as_they_went_in(written: list[dict[str, Any]]) -> None:
    assert read(b"\n".join(map(orjson.dumps, written)), "ndjson") == written
    assert read(orjson.dumps(written), "json") == written


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1),
            min_size=3,
            max_size=3,
        )
    )
)
def test_rows_of_csv_come_out_as_they_went_in(written: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([["a", "b", "c"], *written])
    assert read(b"\xef\xbb\xbf" + stream.getvalue().encode(), "csv") == [
        dict(zip("abc", row, strict=True)) for row in written
    ]


@given(rows, st.text(max_size=30))
def test_a_file_of_rejects_can_be_read_again(written: list[dict[str, Any]], why: str) -> None:
    found = list(read_rows(io.BytesIO(b"\n".join(map(orjson.dumps, written))), "ndjson"))
    assert read(b"".join(rejected(row, why) for row in found), "ndjson") == written


def test_lines_that_are_no_rows_are_told_and_kept_to_be_mended() -> None:
    data = b'{"a": 1}\n\n[1]\n{"b": \n{"c": 3}'
    found = list(read_rows(io.BytesIO(data), "ndjson"))
    assert [(row.number, row.value, bool(row.problem)) for row in found] == [
        (1, {"a": 1}, False),
        (2, {}, True),
        (3, {}, True),
        (4, {"c": 3}, False),
    ]
    kept = rejected(found[2], found[2].problem)
    assert orjson.loads(kept)["_line"] == '{"b": '
    assert read(kept.replace(b'{\\"b\\": ', b'{\\"b\\": 2}'), "ndjson") == [{"b": 2}]


@pytest.mark.parametrize(("data", "form"), [(b'[{"a": 1}, {"b"', "json"), (b"a,b\n\xff,1\n", "csv")])
def test_a_file_that_breaks_off_or_is_another_is_said(data: bytes, form: str) -> None:
    with pytest.raises(RelayError) as caught:
        read(data, form)
    assert caught.value.code == "bad_argument"


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("orders.csv", b"{}", "csv"),
        ("orders.jsonl", b"[", "ndjson"),
        ("orders.json", b"\xef\xbb\xbf [", "json"),
        ("orders.json", b'\n {"a": 1}\n{"a": 2}', "ndjson"),
        ("-", b"id,total\n", "csv"),
    ],
)
def test_the_form_is_known_by_name_or_first_character(name: str, data: bytes, form: str) -> None:
    assert form_of(name, io.BufferedReader(io.BytesIO(data))) == form
