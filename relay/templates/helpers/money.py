"""Amounts: some platforms count in minor units, Segment wants decimal amounts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError
from relay.templates.helpers.currencies import DECIMAL_PLACES

# Up to here the nearest double prints as exactly the decimal that is meant.
_SURELY_EXACT = 10**15
# Below this no two amounts of six decimals are the same double.
_SURELY_ROUND = 10**9


def money(minor: Any, currency: Any = None, places: Any = None) -> float | int | None:
    if minor is None:
        return None
    amount = minor if type(minor) is int else _whole(minor)
    exponent = _places(currency) if places is None else _given_places(places)
    if exponent == 0 and abs(amount) <= 2**53:
        return amount
    major: float = amount / 10**exponent
    if abs(amount) >= _SURELY_EXACT and Decimal(repr(major)) != Decimal(amount).scaleb(-exponent):
        raise HelperError("the amount has too many digits for an exact number")
    return major


def round_money(amount: Any, currency: Any = None, places: Any = None) -> float | int | None:
    if amount is None:
        return None
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise HelperError("the amount must be a number; $number makes one of text")
    exponent = _places(currency) if places is None else _given_places(places)
    if abs(amount) < _SURELY_ROUND and round(amount, exponent) == amount:
        # As most are. Decimal would cost ten times as much, and give the same.
        return int(amount) if exponent == 0 else amount + 0.0
    try:
        # First to more decimals than any currency has, so that binary dust does not decide a half.
        rounded = Decimal(repr(round(amount, 10))).quantize(Decimal(1).scaleb(-exponent), ROUND_HALF_UP)
    except InvalidOperation:
        raise HelperError("the amount has too many digits for an exact number") from None
    return int(rounded) if exponent == 0 else float(rounded) + 0.0  # Never -0.0.


def minor_units(amount: Any, currency: Any = None, places: Any = None) -> int | None:
    if amount is None:
        return None
    exponent = _places(currency) if places is None else _given_places(places)
    rounded = round_money(amount, currency, exponent)
    assert rounded is not None
    units = Decimal(repr(rounded)).scaleb(exponent)
    if abs(units) > 2**53:
        raise HelperError("the amount has too many digits for an exact number")
    return int(units)


def _whole(minor: Any) -> int:
    if isinstance(minor, float) and minor.is_integer():
        return int(minor)
    # Whole numbers beyond 2^53 arrive as text.
    if isinstance(minor, str) and len(minor) < 100 and minor.removeprefix("-").isdecimal() and minor.isascii():
        return int(minor)
    raise HelperError("the amount must be a whole number of minor units")


def _places(currency: Any) -> int:
    if not isinstance(currency, str) or not currency:
        raise HelperError("the amount has no currency")
    places = DECIMAL_PLACES.get(currency.upper())
    if places is None:
        raise HelperError("the currency is not in ISO 4217; give its decimal places as third argument")
    return places


def _given_places(places: Any) -> int:
    if places in (0, 1, 2, 3, 4, 5, 6) and not isinstance(places, bool):
        return int(places)
    raise HelperError("the decimal places must be a whole number from 0 to 6")


MONEY = Helper(
    "money",
    ("minor", "currency", "places?"),
    "The decimal amount of whole minor units, exact, by the currency's decimal places in ISO 4217 or those given.",
    money,
    (
        Example('$money(5997, "EUR")', "59.97"),
        Example('$money(5997, "JPY")', "5997"),
        Example('$money(5997, "KWD")', "5.997"),
        Example('$money(5997, "POINTS", 1)', "599.7"),
        Example('$money(discount.amount, "EUR")', None),
    ),
)
ROUND_MONEY = Helper(
    "roundMoney",
    ("amount", "currency", "places?"),
    "A decimal amount rounded to the currency's decimal places in ISO 4217 or those given; halves away from zero.",
    round_money,
    (
        Example('$roundMoney(17.205, "EUR")', "17.21"),
        Example('$roundMoney(19.99 * 3, "EUR")', "59.97"),
        Example('$roundMoney(1234.5, "JPY")', "1235"),
        Example('$roundMoney(nothing, "EUR")', None),
    ),
)
MINOR_UNITS = Helper(
    "minorUnits",
    ("amount", "currency", "places?"),
    "A decimal amount in whole minor units, the inverse of $money; halves away from zero.",
    minor_units,
    (
        Example('$minorUnits(59.97, "EUR")', "5997"),
        Example('$minorUnits(19.99 * 3, "EUR")', "5997"),
        Example('$minorUnits(1234, "JPY")', "1234"),
        Example('$minorUnits(1234, "JPY", 2)', "123400"),
        Example('$minorUnits(nothing, "EUR")', None),
    ),
)
