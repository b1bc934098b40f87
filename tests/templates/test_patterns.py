"""The reference engine's regular expressions, against Python's own where the two mean the same."""

from __future__ import annotations

import gc
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.templates.diagnostics import TemplateFailure
from relay.templates.patterns import Pattern, PatternRefused
from relay.templates.reference import ReferenceEngine
from tests.templates.making import evaluate, of_text


@dataclass(frozen=True)
class Flags:
    case_insensitive: bool = False
    multiline: bool = False


def utf_16(text: str, at: int) -> int:
    return len(text[:at].encode("utf-16-le")) // 2


@given(
    st.sampled_from(["a", "[ab]+", "(a)(b)?", "^a", "b$", "(?:a|b)c", "\\d", "x(y)z", "😀"]),
    st.text("abcxyz1\n😀ä", max_size=12),
    st.booleans(),
    st.integers(0, 2),
)
@settings(deadline=None)
def test_it_matches_as_python_does(expression: str, text: str, multiline: bool, count: int) -> None:
    ours = Pattern(expression, Flags(multiline=multiline))
    theirs = re.compile(expression.replace("$", r"\Z") if not multiline else expression, re.M if multiline else 0)
    expected = list(theirs.finditer(text))
    found = list(ours.finditer(text))
    assert [each.group() for each in found] == [each.group() for each in expected]
    assert [[group or "" for group in each.groups()] for each in found] == [
        [group or "" for group in each.groups()] for each in expected
    ]
    assert [each.start() for each in found] == [utf_16(text, each.start()) for each in expected]
    assert [each.end() for each in found] == [utf_16(text, each.end()) for each in expected]
    assert ours.sub(r"<\g<0>>", text, count) == theirs.sub(r"<\g<0>>", text, count)
    assert ours.sub(lambda match: f"<{match.group()}>", text) == theirs.sub(r"<\g<0>>", text)
    assert "<>".join(ours.split(text)) == theirs.sub("<>", text)
    assert (ours.search(text) is None) == (theirs.search(text) is None)


def test_case_does_not_matter_when_so_asked() -> None:
    assert Pattern("ab", Flags(case_insensitive=True)).split("1aB2Ab3") == ["1", "2", "3"]


@pytest.mark.parametrize("expression", ["(?=a)b", "(a)\\1", "(a", "[z-a]", "(\\w{1000}){1000}"])
def test_a_pattern_that_cannot_be_rendered_is_refused(expression: str) -> None:
    with pytest.raises(PatternRefused):
        Pattern(expression, Flags())


@pytest.mark.parametrize("pattern", ["/^(a+)+$/", "/(a|aa)+$/", "/a.*a.*a.*a.*b/", "/(.*)*b/"])
def test_a_catastrophic_pattern_ends_in_both_engines(pattern: str) -> None:
    document = {"text": "a" * 2_000 + "!"}
    started_s = time.monotonic()
    assert evaluate(f"$contains(text, {pattern})", document) is False
    with pytest.raises(TemplateFailure) as caught:  # Failing, it is explained by the reference engine.
        evaluate(f"$contains(text, {pattern}) ? 1 : text + 1", document)
    assert caught.value.diagnostic.position is not None
    assert ReferenceEngine().render(of_text(f'$contains("{"a" * 2_000}!", {pattern})'), "{}", {}, now_ms=0) == "false"
    assert time.monotonic() - started_s < 2.0


def test_a_tree_with_a_pattern_is_of_all_threads() -> None:
    """It is made on one, used on another and ends on a third; the engine's own expression could do neither."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        made = [one.submit(Pattern, "b+", Flags()).result()]
        assert other.submit(made[0].split, "abbc").result() == ["a", "c"]
        other.submit(made.clear).result()
    gc.collect()
