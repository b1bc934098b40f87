from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.codes import CODES
from relay.templates.checking import problems_of
from relay.templates.diagnostics import Diagnostic, Position, TemplateFailure
from tests.templates.making import ORDER_EVENTS, packaged

FILE = Path("templates/sources/elasticpath/order_completed.jsonata")


def problem(text: str) -> Diagnostic:
    (found,) = problems_of(text, FILE)
    assert found.code in CODES
    return found


def test_three_renderings_of_one_problem() -> None:
    found = problem('{\n  "type": "track",\n  "event" "Order Completed"\n}')

    assert found.log_line() == f"{FILE}:3:10: a : is missing between key and value (S0202). Write : here."
    assert found.for_person() == (
        "error: a : is missing between key and value [S0202]\n"
        f"  --> {FILE}:3:10\n"
        "   |\n"
        ' 3 |   "event" "Order Completed"\n'
        "   |          ^\n"
        "  try: Write : here."
    )
    assert found.as_json() == {
        "severity": "error",
        "code": "template_invalid",
        "jsonata_code": "S0202",
        "file": str(FILE),
        "line": 3,
        "column": 10,
        "excerpt": '  "event" "Order Completed"',
        "what": "a : is missing between key and value",
        "found": None,
        "try": "Write : here.",
        "event": None,
    }


def test_a_failure_of_rendering_bears_its_event_in_all_three() -> None:
    failed = Diagnostic("template_failed", "f", "it broke", "Mend it.", "T2001", Position(2, 5, "x + 1"), "text")
    told = failed.of_event(17)
    assert told.log_line() == "f:2:5: it broke (T2001, event 17): text. Mend it."
    assert told.for_person().split("\n")[1] == "  --> f:2:5, event 17"
    assert told.as_json()["event"] == "17"
    assert failed.event == ""


def test_without_a_place_what_was_found_is_still_told() -> None:
    assert "found: text" in Diagnostic("template_failed", "f", "it broke", found="text").for_person()


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("(\n  $x := 1;\n  $y := ;\n)", "S0211", 3, 9),
        ('{"a": [1, 2}', "S0202", 1, 7),
        ('{\n  "a": "open\n}', "S0101", 2, 8),
        ("[1,\n 2))", "S0202", 2, 3),
        ("x[/a]", "S0302", 1, 3),
        ("/* never closed\n1", "S0106", 1, 1),
        ("1 +\n2 2", "S0201", 2, 3),
        ("a := 1", "S0212", 1, 3),
        ("(1\n+ 2", "S0203", 1, 1),
    ],
)
def test_a_syntax_error_tells_its_place(text: str, code: str, line: int, column: int) -> None:
    found = problem(text)
    assert found.jsonata_code == code
    assert found.position is not None
    assert (found.position.line, found.position.column) == (line, column)


def test_an_unknown_function_is_found_before_any_event() -> None:
    text = '(\n  $double := function($x) {$x * 2};\n  {"a": $double(1), "b": $mony(2, "EUR"), "c": [1] ~> $sume}\n)'
    first, second = sorted(problems_of(text, FILE), key=lambda found: found.what)
    assert (first.what, first.remedy) == ("there is no function $mony", "Did you mean $money?")
    assert (second.what, second.remedy) == ("there is no function $sume", "Did you mean $sum?")
    assert first.position is not None
    assert (first.position.line, first.position.column) == (3, 26)


@pytest.mark.parametrize("name", ["eval", "random", "shuffle", "clone"])
def test_a_function_that_is_not_to_be_had_is_found_before_any_event(name: str) -> None:
    assert f"no function ${name}" in problem(f"${name}(1)").what
    assert problems_of(f"(${name} := function($x) {{$x}}; ${name}(1))", FILE) == []


@pytest.mark.parametrize("text", ["", " \n", "/* off */", "/* a */ /* b */\n"])
def test_an_empty_template_tells_how_to_switch_off(text: str) -> None:
    assert "tracking" in problem(text).remedy


def test_a_sound_template_has_no_problem() -> None:
    assert problems_of('/* a */ {"a": $now(), "b": $map([1], function($v) {$v})} /* b */', FILE) == []


def test_a_failure_is_its_log_line() -> None:
    diagnostic = Diagnostic("template_failed", "f.jsonata", "it broke", "Mend it.", "T2001", Position(2, 5, "x + 1"))
    assert str(TemplateFailure(diagnostic)) == "f.jsonata:2:5: it broke (T2001). Mend it."
    assert TemplateFailure(diagnostic).code == "template_failed"


def test_a_failure_goes_from_process_to_process() -> None:
    failure = TemplateFailure(Diagnostic("template_failed", "f", "it broke", position=Position(2, 5, "x + 1")))
    copied = pickle.loads(pickle.dumps(failure))
    assert (copied.diagnostic, str(copied)) == (failure.diagnostic, str(failure))


@given(
    st.sampled_from(ORDER_EVENTS), st.integers(0, 4_000), st.sampled_from(["", '"', ")", "]", "}", ",", "\u201c", "!"])
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_broken_has_a_place(tracked_event: str, at: int, inserted: str) -> None:
    """A character more, another, or less: nothing raises, and each problem points at something."""
    text = packaged(tracked_event).text
    for changed in (text[:at] + inserted + text[at:], text[:at] + inserted + text[at + 1 :], text[:at] + inserted):
        for found in problems_of(changed, FILE):
            assert found.position is not None or "empty" in found.what
            assert found.what
            assert found.remedy


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "[" + "1," * 300 + "2 } ," + "1," * 300 + "1]"
    shown = problem(text).for_person().split("\n")
    assert max(map(len, shown)) < 180
    excerpt, caret = shown[3], shown[4]
    assert excerpt[caret.index("^")] == "}"


@given(st.text(st.sampled_from("ab\n\r\tä")), st.integers(-3, 40))
def test_every_offset_has_a_position(text: str, offset: int) -> None:
    at = Position.at(text, offset)
    lines = text.split("\n")
    assert at.excerpt == lines[at.line - 1].rstrip("\r")
    before = sum(len(line) + 1 for line in lines[: at.line - 1]) + at.column - 1
    assert before == max(0, min(offset, len(text)))
