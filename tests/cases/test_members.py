"""Rewriting a case file: what is kept keeps its spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cases.members import members_of, with_members

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=6)
LAYOUTS = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 2, "\t"]), "ensure_ascii": st.booleans(), "sort_keys": st.booleans()}
)


@given(OBJECTS, LAYOUTS)
def test_members_are_those_of_json(value: dict[str, Any], layout: dict[str, Any]) -> None:
    text = f"\n {json.dumps(value, **layout)}\r\n"
    members = members_of(text)
    assert {member.name: member.value for member in members} == value
    for member in members:
        assert json.loads(member.raw) == member.value
        assert member.text in text


@given(OBJECTS, LAYOUTS, st.sets(st.text(), max_size=3), OBJECTS)
def test_what_is_kept_keeps_its_spelling(
    value: dict[str, Any], layout: dict[str, Any], removed: set[str], added: dict[str, Any]
) -> None:
    members = members_of(json.dumps(value, **layout))
    removed |= {*list(value)[::2], *added}
    text = with_members(members, removed, added)
    after = {member.name: member for member in members_of(text)}
    assert after.keys() == (value.keys() - removed) | added.keys()
    for member in members:
        if member.name not in removed:
            assert after[member.name].text == member.text
    assert {name: after[name].value for name in added} == added


def test_an_indented_file_stays_the_same_byte_for_byte() -> None:
    text = '{\n  "webhook": {\n    "price": 1.50,\n    "id": 820982911946154508,\n    "note": "caf\\u00e9"\n  },\n'
    old = text + '  "calls": [\n    {\n      "type": "track"\n    }\n  ],\n  "receivedAt": "x"\n}\n'
    members = members_of(old)
    assert with_members(members, ("calls", "outcomes"), {"calls": [{"type": "track"}]}) == old
    new = with_members(members, ("calls", "outcomes"), {"outcomes": [], "calls": [1]})
    assert new == text + '  "outcomes": [],\n  "calls": [\n    1\n  ],\n  "receivedAt": "x"\n}\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1 column 1"),
        ("[]", "line 1 column 1"),
        ('{\n  "a": 1,\n}', "line 3 column 1"),
        ('{"a": 1 "b": 2}', "line 1 column 9"),
        ('{"a" 1}', "line 1 column 6"),
        ('{"a": }', "line 1 column 7"),
        ('{"a": 1} x', "line 1 column 10"),
        ("{1: 2}", "line 1 column 2"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": ' + "[" * 200_000, "nested too deep"),
    ],
)
def test_what_is_no_object_says_where(text: str, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        members_of(text)
