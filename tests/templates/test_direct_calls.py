from __future__ import annotations

import pytest

from relay.templates.direct_calls import with_direct_calls
from relay.templates.library import packaged_templates
from relay.templates.prelude import MOST_ARGUMENTS
from tests.templates.making import evaluate

DIRECT = {
    '$money(1, "EUR")': '$_money(1, "EUR")[0]',
    "$email(a) & $email($email(b))": "$_email(a)[0] & $_email($_email(b)[0])[0]",
    '{"a": $email(b), "c": [$phone(d, "GB")]}': '{"a": $_email(b)[0], "c": [$_phone(d, "GB")[0]]}',
    "lines.($money(price, a ? b : c))": "lines.($_money(price, a ? b : c)[0])",
    '-$money /* ")" */ (1, ")") * 2': '-$_money /* ")" */ (1, ")")[0] * 2',
    '$sha256($f(?, "a"))': '$_sha256($f(?, "a"))[0]',
    "$nameParts(a).firstName & $nameParts(b)": "$nameParts(a).firstName & $_nameParts(b)[0]",
}
AS_WRITTEN = [
    "1 + 2",
    "$emails(a)",
    "emails.$email()",
    "lines.$email(a)",
    'a ~> $money("EUR")',
    '$money(?, "EUR")',
    '$money(1, "EUR", 2, 3)',
    "$array(a)[0]",
    "$array(a)[]",
    "$array(a){b: c}",
    "$array(a)^(b)",
    "$array(a) ~> $count",
    "[$minorUnits(1, c)..9]",
    "$email(a) & $map(b, $email)",
    "($email := function($a) {$a}; $email(b))",
    "($f := function($email) {$email(b)}; $f($lowercase))",
    '$messageKey("a", b)',
    '"$email(a)" & `$email(a)`',
    "/* $email(a) */ b",
]


@pytest.mark.parametrize(("written", "direct"), DIRECT.items())
def test_a_plain_call_is_made_direct(written: str, direct: str) -> None:
    assert with_direct_calls(written, MOST_ARGUMENTS) == direct


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_any_other_stays_as_written(written: str) -> None:
    assert with_direct_calls(written, MOST_ARGUMENTS) == written


def test_a_call_by_either_way_gives_the_same() -> None:
    document = {"a": " Ada@Example.com ", "b": [1, 2], "c": 1999}
    for plain, by_wrapper in (
        ("$email(a)", "a.$email($)"),
        ("$email(nothing)", "($f := $email; $f(nothing))"),
        ('[$email("")]', '[($f := $email; $f(""))]'),
        ('{"a": $array(b), "b": $array(c)}', '($f := $array; {"a": $f(b), "b": $f(c)})'),
        ('$money(c, "EUR")', 'c ~> $money("EUR")'),
    ):
        assert evaluate(plain, document) == evaluate(by_wrapper, document)


def test_templates_call_directly_what_they_use_most() -> None:
    for path in packaged_templates().glob("sources/*/order_completed.jsonata"):
        assert "$money(" not in with_direct_calls(path.read_text(), MOST_ARGUMENTS)
