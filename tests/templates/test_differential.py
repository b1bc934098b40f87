"""Random small expressions over random documents: both engines give the same value or the same error code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from relay.templates.agreement import same_value
from relay.templates.contract import Engine, EngineLimits
from relay.templates.diagnostics import TemplateFailure
from relay.templates.engine import FastEngine
from relay.templates.reference import ReferenceEngine
from tests.templates.expressions import documents, documents_with_null, expressions, expressions_without_calls
from tests.templates.making import bindings, of_text

LIMITS = EngineLimits(timeout_ms=30_000, max_depth=500)


@dataclass(frozen=True)
class Failed:
    """The language's code, or what a helper said."""

    code: str


@dataclass(frozen=True)
class Known:
    """A known difference: what the expression, the rendering engine and the reference engine have to show for it."""

    name: str
    reason: str
    applies: Callable[[str, object, object], bool]


GROUP = re.compile(r"[\w$]\{\w+: ")
SIGNATURE = (Failed("T0410"), Failed("T0411"), Failed("T0412"))

KNOWN = (
    Known(
        "signature",
        "which of three codes a mismatch of arguments has depends on which argument is looked at first",
        lambda expression, one, other: one in SIGNATURE and other in SIGNATURE,
    ),
    Known(
        "context in a function",
        "jsonata-python takes any context for a text inside of the template's own functions",
        lambda expression, one, other: one == Failed("T0411") and "function($v){" in expression,
    ),
    Known(
        "division by zero",
        "infinity, which is null in JSON, to the language; an error to Python",
        lambda expression, one, other: "/" in expression and other == Failed("D1001"),
    ),
    Known(
        "map over filter",
        "jsonatapy 2.2.13 loses the array of one that $filter gives inside of $map",
        lambda expression, one, other: "$map(" in expression and "$filter(" in expression,
    ),
    Known(
        "membership",
        "False is in [0] to Python",
        lambda expression, one, other: " in " in expression,
    ),
    Known(
        "distinct of one",
        "jsonata-python makes the item itself of the one that $distinct leaves in an array",
        lambda expression, one, other: "$distinct" in expression,
    ),
    Known(
        "digits",
        "the language writes 15 digits of a number into text, jsonata-python all",
        lambda expression, one, other: isinstance(one, str) and re.search(r"\d\.\d{15}", str(other)) is not None,
    ),
    Known(
        "group of nothing",
        "jsonata-python, and the engine of the language's authors, put null into the empty array that is grouped",
        lambda expression, one, other: GROUP.search(expression) is not None and "None" in repr((other, one)),
    ),
    Known(
        "lowercase",
        "jsonata-python folds case instead: ß becomes ss",
        lambda expression, one, other: "$lowercase" in expression and isinstance(one, str) and one.casefold() == other,
    ),
    Known(
        "power of nothing",
        "jsonata-python breaks at 0 to a negative power; the language has an error of its own for it",
        lambda expression, one, other: "$power(" in expression and one == Failed("D3061"),
    ),
    Known(
        "range to null",
        "jsonatapy 2.2.13 takes null for undefined at the end of a range",
        lambda expression, one, other: ".." in expression and other == Failed("T2004"),
    ),
)


def outcome(engine: Engine, expression: str, document: dict[str, Any]) -> object:
    """A value, `...` for undefined, or `Failed`."""
    try:
        result = engine.render(of_text(expression), orjson.dumps(document).decode(), bindings(), now_ms=0)
    except TemplateFailure as failure:
        return Failed(failure.diagnostic.jsonata_code or failure.diagnostic.what)
    return ... if result is None else orjson.loads(result)


def same(one: Any, other: Any) -> bool:
    if one is ... or other is ... or isinstance(one, Failed) or isinstance(other, Failed):
        return bool(one == other)
    return same_value(one, other)


def compare(expression: str, document: dict[str, Any]) -> str:
    """The name of a known difference, or empty."""
    one = outcome(FastEngine(LIMITS), expression, document)
    other = outcome(ReferenceEngine(LIMITS), expression, document)
    if same(one, other):
        return ""
    known = next((known.name for known in KNOWN if known.applies(expression, one, other)), "")
    assert known, f"{expression} over {document}: {one!r}, and by the reference {other!r}"
    return known


@given(expressions, documents)
@settings(max_examples=250, deadline=None)
def test_both_engines_give_the_same(expression: str, document: dict[str, Any]) -> None:
    event(compare(expression, document))


@given(expressions_without_calls, documents_with_null)
@settings(max_examples=150, deadline=None)
def test_both_engines_give_the_same_with_null(expression: str, document: dict[str, Any]) -> None:
    compare(expression, document)


@pytest.mark.parametrize("text", ["straße", "ÄÖ", "😀!", "e\u0301", "İ", "ﬁ"])
@pytest.mark.parametrize("function", ["$length", "$trim", "$uppercase", "$lowercase", "$emailHash", "$split(?, '')"])
def test_both_engines_give_the_same_beyond_ascii(function: str, text: str) -> None:
    compare(f"a ~> {function}", {"a": text})


@pytest.mark.long
@given(expressions, documents)
@settings(max_examples=20_000, deadline=None)
def test_both_engines_give_the_same_often(expression: str, document: dict[str, Any]) -> None:
    compare(expression, document)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_comparison_can_fail(data: st.DataObject) -> None:
    """Something else than what the expression gives is never the same."""
    document = data.draw(documents)
    found = outcome(FastEngine(LIMITS), data.draw(expressions), document)
    assert same(found, found)
    assert not same(found, [found])
    assert not same(found, Failed("T9999"))


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("signature", "$substring(1, 1, nothing)"),
        ("context in a function", "$single(1, function($v){$substring(11, 0)})"),
        ("division by zero", "1 / 0"),
        ("map over filter", '{"b": $map(5, function($v){$filter("x", function($v){$v})})}'),
        ("membership", "false in [0]"),
        ("distinct of one", "$distinct([0, 0])"),
        ("digits", "$string([1 / 120])"),
        ("group of nothing", '({"a": []}).[a{b: 0}, $]'),
        ("lowercase", '$lowercase("straße")'),
        ("power of nothing", "$power(0, -1)"),
        ("range to null", "[1..null]"),
    ],
)
def test_each_known_difference_is_still_one(name: str, expression: str) -> None:
    """Take it off the list when the engines have come to agree."""
    known = next(known for known in KNOWN if known.name == name)
    one = outcome(FastEngine(LIMITS), expression, {})
    other = outcome(ReferenceEngine(LIMITS), expression, {})
    assert not same(one, other)
    assert known.applies(expression, one, other)
