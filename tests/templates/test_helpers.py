from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.templates.helpers import HELPERS, Example, Helper, HelperError
from relay.templates.helpers.currencies import DECIMAL_PLACES
from relay.templates.helpers.instants import iso_time
from relay.templates.helpers.keys import message_key
from relay.templates.helpers.money import money
from relay.templates.reference import ReferenceEngine
from tests.templates.making import bindings, evaluate

EXAMPLES = [(helper, example) for helper in HELPERS for example in helper.examples]


@pytest.mark.parametrize(("helper", "example"), EXAMPLES, ids=[example.expression for _, example in EXAMPLES])
def test_example_is_true_on_both_engines(helper: Helper, example: Example) -> None:
    expected = ... if example.gives is None else orjson.loads(example.gives)
    assert evaluate(example.expression) == expected
    by_reference = ReferenceEngine().evaluate(example.expression, "{}", bindings(), now_ms=0)
    assert (... if by_reference is None else orjson.loads(by_reference)) == expected


def test_every_helper_is_documented() -> None:
    assert len({helper.name for helper in HELPERS}) == len(HELPERS)
    for helper in HELPERS:
        assert helper.summary.endswith(".")
        assert len(helper.examples) >= 2
        assert helper.signature.startswith(f"${helper.name}(")


@pytest.mark.parametrize("helper", [helper for helper in HELPERS if not helper.variadic], ids=lambda h: h.name)
def test_undefined_and_null_are_the_same_to_a_helper(helper: Helper) -> None:
    missing = evaluate(f"{{'value': ${helper.name}(nothing)}}".replace("'", '"'))
    null = evaluate(f"{{'value': ${helper.name}(null)}}".replace("'", '"'))
    assert missing == null
    assert None not in null.values()


@given(st.integers(-(10**18), 10**18), st.sampled_from(sorted(DECIMAL_PLACES)))
def test_money_is_exact_or_refused(minor: int, currency: str) -> None:
    try:
        major = money(minor, currency, None)
    except HelperError:
        assert abs(minor) >= 10**15
        return
    assert Decimal(repr(major)) == Decimal(minor).scaleb(-DECIMAL_PLACES[currency])


@given(st.integers(-(10**14), 10**14), st.sampled_from(["JPY", "EUR", "KWD", "UYW"]))
def test_money_stays_exact_through_the_engine(minor: int, currency: str) -> None:
    written = evaluate(f'$string($money(amount, "{currency}"))', {"amount": minor})
    assert Decimal(written) == Decimal(minor).scaleb(-DECIMAL_PLACES[currency])


def test_money_takes_whole_numbers_in_any_writing() -> None:
    assert money("5997", "eur", None) == 59.97
    assert money(5997.0, "EUR", None) == 59.97
    assert money(0, "EUR", None) == 0


@pytest.mark.parametrize(
    ("minor", "currency", "places"),
    [(59.97, "EUR", None), (True, "EUR", None), ("59.97", "EUR", None), ("", "EUR", None), (1, None, None),
     (1, "", None), (1, "EURO", None), (1, 978, None), (1, "EUR", 7), (1, "EUR", -1), (1, "EUR", True),
     ([], "EUR", None)],
)  # fmt: skip
def test_money_refuses_what_would_be_a_guess(minor: object, currency: object, places: object) -> None:
    with pytest.raises(HelperError):
        money(minor, currency, places)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_message_keys_of_different_facts_differ(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert message_key(*one) != message_key(*other)


@pytest.mark.parametrize("parts", [(), ("order", None), ("order", ""), ("order", True), ("order", {}), (["a"],)])
def test_message_key_refuses_an_incomplete_fact(parts: tuple[object, ...]) -> None:
    with pytest.raises(HelperError):
        message_key(*parts)


def test_message_key_names_the_missing_part_and_the_helper() -> None:
    with pytest.raises(Exception, match=r"\$messageKey: part 2 is empty"):
        evaluate('$messageKey("order_completed", data.id)')


moments = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets)
def test_a_time_keeps_its_instant_whatever_its_zone(moment: datetime, offset: timezone) -> None:
    aware = moment.replace(tzinfo=UTC)
    expected = aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert iso_time(aware.astimezone(offset).isoformat()) == expected
    seconds = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert iso_time(seconds) == iso_time(seconds * 1000) == iso_time(str(seconds)) == expected[:19] + ".000Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2017-09-25T14:13:18.738Z", "2017-09-25T14:13:18.738Z"),
        ("2026-03-14T09:26:53", "2026-03-14T09:26:53.000Z"),
        ("2026-03-14 09:26:53+0530", "2026-03-14T03:56:53.000Z"),
        ("2026-03-14", "2026-03-14T00:00:00.000Z"),
        ("2026-03-14T09:26Z", "2026-03-14T09:26:00.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        (1561479335.25, "2019-06-25T16:15:35.250Z"),
        (0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_time_in_other_forms(value: object, expected: str) -> None:
    assert iso_time(value) == expected


@pytest.mark.parametrize(
    "value", ["yesterday", "20240101", "2026-02-30T00:00:00Z", "2026-03-14T25:00:00Z", 10**30, True, [], "0000-01-01"]
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(HelperError):
        iso_time(value)


@pytest.mark.parametrize(
    "expression",
    ['$money(secret, "EUR")', '$messageKey({"a": secret})', "$email([secret])", "$isoTime(secret)",
     "$omitEmpty(secret)", "$sha256([secret])", "$money(1, secret)", "$nameParts([secret])"],
)  # fmt: skip
def test_an_error_does_not_quote_the_argument(expression: str) -> None:
    with pytest.raises(Exception, match="order_completed") as caught:
        evaluate(expression, {"secret": "grace@example.org"})
    assert "grace" not in str(caught.value)
