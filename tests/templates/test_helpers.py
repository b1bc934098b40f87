from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256 as hash_of
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import orjson
import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from relay.templates.diagnostics import TemplateFailure
from relay.templates.helpers import HELPERS, Example, Helper, HelperError
from relay.templates.helpers.countries import country_code
from relay.templates.helpers.currencies import DECIMAL_PLACES
from relay.templates.helpers.instants import iso_time, local_time
from relay.templates.helpers.keys import message_key, sha256
from relay.templates.helpers.money import money, round_money
from relay.templates.helpers.people import email, email_hash, name_parts
from relay.templates.helpers.phones import phone
from relay.templates.helpers.shapes import array, omit_empty
from relay.templates.reference import ReferenceEngine
from tests.templates.making import bindings, evaluate, of_text

EXAMPLES = [(helper, example) for helper in HELPERS for example in helper.examples]


def by_reference(expression: str, document: object = None) -> Any:
    """The value by the reference engine; `...` for undefined."""
    text = orjson.dumps(document or {}).decode()
    result = ReferenceEngine().render(of_text(expression), text, bindings(), now_ms=0)
    return ... if result is None else orjson.loads(result)


@pytest.mark.parametrize(("helper", "example"), EXAMPLES, ids=[example.expression for _, example in EXAMPLES])
def test_example_is_true_on_both_engines(helper: Helper, example: Example) -> None:
    expected = ... if example.gives is None else orjson.loads(example.gives)
    assert evaluate(example.expression) == expected
    assert by_reference(example.expression) == expected


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


@pytest.mark.parametrize("helper", [helper for helper in HELPERS if not helper.variadic], ids=lambda h: h.name)
def test_undefined_gives_undefined_on_both_engines(helper: Helper) -> None:
    expected: Any = [] if helper.name == "array" else ...
    assert evaluate(f"${helper.name}(nothing)") == by_reference(f"${helper.name}(nothing)") == expected


# Numbers within what both engines carry alike, no null inside: the engines are compared elsewhere.
scalars = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["EUR", "GB", "Europe/Berlin", "1561479335", "2026-03-14", "+49 30 123456", "Ada Lovelace"]),
    st.integers(-(10**9), 10**9),
    st.booleans(),
)
arguments = st.one_of(
    st.none(), scalars, st.lists(scalars, min_size=2, max_size=3), st.dictionaries(st.text(), scalars)
)


@given(st.sampled_from(HELPERS), st.lists(arguments, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_both_engines_give_the_same_for_any_arguments(helper: Helper, given_arguments: list[Any]) -> None:
    """The same value, or a refusal on both; never an error that is not the helper's own."""
    names = [f"arguments[{index}].value" for index in range(len(given_arguments))]
    call = f"${helper.name}({', '.join(names if helper.variadic else names[: len(helper.parameters)])})"
    document = {"arguments": [{"value": argument} for argument in given_arguments]}
    try:
        expected = by_reference(call, document)
    except TemplateFailure as failed:
        if not failed.diagnostic.what.startswith(f"${helper.name}: "):
            raise
        with pytest.raises(TemplateFailure, match=rf"\${helper.name}: "):
            evaluate(call, document)
    else:
        assert evaluate(call, document) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


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


amounts = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(amounts, st.sampled_from(sorted(DECIMAL_PLACES)))
def test_a_rounded_amount_is_the_nearest_of_the_currency(amount: float, currency: str) -> None:
    places = DECIMAL_PLACES[currency]
    rounded = round_money(amount, currency, None)
    assert rounded is not None
    assert Decimal(repr(rounded)) == round(Decimal(repr(rounded)), places)
    assert abs(Decimal(repr(rounded)) - Decimal(amount)) <= Decimal(10) ** -places / 2 + Decimal(10) ** -9
    assert round_money(rounded, currency, None) == rounded


@given(st.integers(-(10**12), 10**12), st.sampled_from(sorted(DECIMAL_PLACES)))
def test_an_amount_of_the_currency_is_round(minor: int, currency: str) -> None:
    major = money(minor, currency, None)
    assert round_money(major, currency, None) == major


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [(1.005, "EUR", 1.01), (-1.005, "EUR", -1.01), (2.6749999999999994, "EUR", 2.68), (0.5, "JPY", 1),
     (-0.001, "EUR", 0), (1.0005, "KWD", 1.001), (10, "EUR", 10)],
)  # fmt: skip
def test_halves_go_away_from_zero_and_dust_decides_nothing(amount: float, currency: str, expected: float) -> None:
    rounded = round_money(amount, currency, None)
    assert rounded == expected
    assert str(rounded) != "-0.0"


@pytest.mark.parametrize("amount", ["12.50", True, [], {}, 1e300, float("inf")])
def test_what_is_no_amount_is_not_rounded(amount: object) -> None:
    with pytest.raises(HelperError):
        round_money(amount, "EUR", None)


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
    assert iso_time(aware.astimezone(offset).isoformat(), None) == expected
    seconds = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert (
        iso_time(seconds, None)
        == iso_time(seconds * 1000, None)
        == iso_time(str(seconds), None)
        == expected[:19] + ".000Z"
    )


@given(moments, st.sampled_from(sorted(available_timezones())))
def test_a_local_time_is_the_same_instant(moment: datetime, zone: str) -> None:
    utc = iso_time(moment.isoformat(), None)
    local = local_time(utc, zone)
    assert local is not None
    assert iso_time(local, None) == utc
    repeated = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).fold
    if not repeated:
        assert iso_time(local[:23], zone) == utc


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2026-10-25T00:30:00Z", "Europe/Berlin", "2026-10-25T02:30:00.000+02:00"),
        ("2026-10-25T01:30:00Z", "Europe/Berlin", "2026-10-25T02:30:00.000+01:00"),
        (0, "Asia/Kolkata", "1970-01-01T05:30:00.000+05:30"),
        ("2026-03-14T09:26:53-07:00", "UTC", "2026-03-14T16:26:53.000+00:00"),
    ],
)
def test_local_time(value: object, zone: str, expected: str) -> None:
    assert local_time(value, zone) == expected


def test_an_hour_that_comes_twice_or_never_is_still_a_time() -> None:
    assert iso_time("2026-10-25 02:30:00", "Europe/Berlin") == "2026-10-25T00:30:00.000Z"
    assert iso_time("2026-03-29 02:30:00", "Europe/Berlin") == "2026-03-29T01:30:00.000Z"


@pytest.mark.parametrize("zone", ["", "Berlin", "Europe", "../../etc/passwd", "/etc/localtime", "\0", 1, [], None])
def test_a_zone_that_is_none_is_refused(zone: object) -> None:
    with pytest.raises(HelperError, match="IANA"):
        local_time("2026-03-14T09:26:53Z", zone)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Tue, 20 Nov 2012 00:00:00 +0000", "2012-11-20T00:00:00.000Z"),
        ("1 Jan 2026 09:26:53 -0500", "2026-01-01T14:26:53.000Z"),
        ("Sat, 14 Mar 2026 09:26:53 GMT", "2026-03-14T09:26:53.000Z"),
        ("2026-03-14 09:26:53 UTC", "2026-03-14T09:26:53.000Z"),
        ("2018-05-09T09:53:16.045565913Z", "2018-05-09T09:53:16.045Z"),
        ("2018-05-09T09:53:16.045565913+05:30", "2018-05-09T04:23:16.045Z"),
        ("2026-03-14T09:26:53.5+00", "2026-03-14T09:26:53.500Z"),
        ("1561479335", "2019-06-25T16:15:35.000Z"),
        (1773480413045, "2026-03-14T09:26:53.045Z"),
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
    assert iso_time(value, None) == expected


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "20240101",
        "20 Noe 2012 00:00:00 +0000",
        "Tue, 20 Nov 2012",
        "2026-02-30T00:00:00Z",
        "2026-03-14T25:00:00Z",
        10**30,
        True,
        [],
        "0000-01-01",
    ],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(HelperError):
        iso_time(value, None)


@given(st.text())
def test_an_address_has_one_form_and_one_hash(text: str) -> None:
    address = email(text)
    assert email(address) == address
    assert email_hash(text) == email_hash(address) == sha256(address)
    assert address is None or address == address.strip() != ""


@given(st.text(st.characters(codec="utf-8")))
def test_sha256_is_that_of_the_bytes_in_utf_8(text: str) -> None:
    assert sha256(text) == hash_of(text.encode()).hexdigest()


@given(st.text())
def test_a_name_is_split_without_loss(full: str) -> None:
    parts = name_parts(full)
    assert " ".join((parts or {}).values()).split() == full.split()
    assert parts is None or set(parts) <= {"firstName", "lastName"}


@given(json_values)
def test_an_array_stays_and_anything_else_becomes_one(value: Any) -> None:
    made = array(value)
    assert array(made) is made
    assert made == (value if isinstance(value, list) else [] if value is None else [value])


@given(st.dictionaries(st.text(), json_values))
def test_only_what_is_empty_is_omitted(value: dict[str, Any]) -> None:
    kept = omit_empty(value)
    assert kept is not None
    assert omit_empty(kept) == kept
    assert kept == {name: item for name, item in value.items() if item is not None and item != "" and item != {}}


@pytest.mark.parametrize(
    ("text", "code"),
    [("DE", "DE"), ("deu", "DE"), ("Germany", "DE"), (" GERMANY ", "DE"), ("UK", "GB"), ("United Kingdom", "GB"),
     ("USA", "US"), ("U.S.", "US"), ("United States", "US"), ("The Netherlands", "NL"), ("Türkiye", "TR"),
     ("Turkey", "TR"), ("Cote d’Ivoire", "CI"), ("St. Lucia", "LC"), ("Bosnia & Herzegovina", "BA"), ("ST", "ST"),
     ("South Korea", "KR"), ("Korea", None), ("Congo", None), ("XX", None), ("", None), ("Deutschland", None)],
)  # fmt: skip
def test_country(text: str, code: str | None) -> None:
    assert country_code(text) == code


@given(st.text(max_size=30))
def test_a_country_code_is_its_own(text: str) -> None:
    code = country_code(text)
    assert country_code(code) == code


def test_every_region_with_telephone_numbers_is_a_country() -> None:
    parts_of_saint_helena = {"AC", "TA"}
    assert {code for code in phonenumbers.SUPPORTED_REGIONS if country_code(code) != code} == parts_of_saint_helena


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+441632960001", None, "+441632960001"),  # A number for films: right length, belongs to nobody.
        ("+1 (555) 123-4567", "DE", "+15551234567"),
        ("\N{FULLWIDTH PLUS SIGN}49 30 123456", None, "+4930123456"),
        ("030 / 12 34 56", "Germany", "+4930123456"),
        ("0044 20 7031 3000", "DE", "+442070313000"),
        ("(604) 555-1234", "US", "+16045551234"),
        ("06 6982", "IT", "+39066982"),
        ("030 123456", None, None),
        ("030 123456", "Atlantis", None),
        ("+1 123 4567", None, None),
        ("+49 1", None, None),
        ("+999 123456789", None, None),
        ("123", "US", None),
        ("01632 960001", "GB", None),
        ("1-800-FLOWERS", "US", None),
        ("212 555 0100 ext. 5", "US", None),
        ("", "US", None),
    ],
)
def test_phone(text: str, country: str | None, expected: str | None) -> None:
    assert phone(text, country) == expected


@given(st.text("+0123456789 ()-/.", max_size=20), st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
@settings(deadline=None)
def test_a_number_is_e164_or_nothing(text: str, country: str) -> None:
    number = phone(text, country)
    if number is not None:
        assert re.fullmatch(r"\+[1-9]\d{4,14}", number)
        assert phone(number, None) == number


@pytest.mark.parametrize(
    "expression",
    ['$money(secret, "EUR")', '$messageKey({"a": secret})', "$email([secret])", "$isoTime(secret)",
     "$omitEmpty(secret)", "$sha256([secret])", "$money(1, secret)", "$nameParts([secret])", "$phone([secret])",
     '$roundMoney(secret, "EUR")', "$countryCode([secret])", "$localTime(0, secret)",
     '$localTime(secret, "UTC")', '$isoTime("2026-03-14", secret)'],
)  # fmt: skip
def test_an_error_does_not_quote_the_argument(expression: str) -> None:
    with pytest.raises(Exception, match="order_completed") as caught:
        evaluate(expression, {"secret": "grace@example.org"})
    assert "grace" not in str(caught.value)
