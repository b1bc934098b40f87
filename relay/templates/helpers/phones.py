"""Telephone numbers as E.164, by the rules of libphonenumber; nothing when it would be a guess."""

from __future__ import annotations

from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError
from relay.templates.helpers.countries import country_code


def phone(text: Any, country: Any = None) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise HelperError("the number must be text")
    # Letters are an extension or a remark, or stand for digits on a keypad.
    if any(character.isalpha() for character in text):
        return None
    return _e164(text.strip(), country_code(country))


def _e164(text: str, country: str | None) -> str | None:
    import phonenumbers  # Here, because few templates need it and it takes 13 ms.

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if text.startswith(("+", "\N{FULLWIDTH PLUS SIGN}")):
        # The writer named the country; numbers newer than the library must pass, so only the length counts.
        possible = phonenumbers.is_possible_number_with_reason(number)
        sure = possible == phonenumbers.ValidationResult.IS_POSSIBLE
    else:
        sure = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if sure else None


PHONE = Helper(
    "phone",
    ("text", "country?"),
    "A telephone number as E.164 if that is certain: written with + and its country's length, or valid in the country "
    "given, in any form that $countryCode takes.",
    phone,
    (
        Example('$phone("+44 (0) 20 7031 3000")', '"+442070313000"'),
        Example('$phone("020 7031 3000", "GB")', '"+442070313000"'),
        Example('$phone("020 7031 3000")', None),
        Example('$phone("n/a", "GB")', None),
    ),
)
