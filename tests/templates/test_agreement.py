from __future__ import annotations

import pytest

from relay.templates.agreement import differences
from relay.templates.diagnostics import Diagnostic
from tests.templates.making import bindings, of_text

DOCUMENT = '{"secret": "secret", "l": [{"a": "secret"}, {"a": 2}], "t": "x"}'


def difference(text: str) -> Diagnostic | None:
    return differences(of_text(text), DOCUMENT, bindings(), 1_000)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": $now(), "b": l.a, "c": 0.1 + 0.2, "d": $money(5, "EUR"), "e": null, "f": nothing}',
        "nothing",
        "null",
        "t + 1",
        "$number(t)",
        "$random()",
        "($f := function($n) {1 + $f($n + 1)}; $f(1))",
        "[1..",
    ],
)
def test_the_engines_agree(text: str) -> None:
    assert difference(text) is None


def test_a_difference_is_told_with_its_place_and_without_values() -> None:
    """The reference engine counts in UTF-16 for `$length`, and negates a literal twice before `?:`."""
    found = difference('{\n  "list": l.{"is": a,\n  "number": -5 ?: 1, "name": $$.secret}\n}')
    assert found is not None
    assert found.what == "the engines give different results at list[0].number"
    assert (found.code, found.severity) == ("engines_differ", "warning")
    assert found.position is not None
    assert (found.position.line, found.position.column) == (3, 3)
    assert "secret" not in found.for_person().replace("$$.secret", "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-5 ?: 1", "the engines give different results at the top"),
        ("1/0", "the engine that renders gives a result, and the other fails (D1001)"),
        ('[true][-1] ?: "no"', "the engines give different results at the top"),
    ],
)
def test_each_kind_of_difference_is_told(text: str, what: str) -> None:
    found = difference(text)
    assert found is not None
    assert found.what == what
