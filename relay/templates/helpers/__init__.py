"""Functions for templates. `HELPERS` is the one list; the tests run every example, the docs print them."""

from __future__ import annotations

from relay.templates.helpers.contract import Example, Helper, HelperError
from relay.templates.helpers.countries import COUNTRY_CODE
from relay.templates.helpers.instants import ISO_TIME, LOCAL_TIME
from relay.templates.helpers.keys import MESSAGE_KEY, SHA256
from relay.templates.helpers.money import MINOR_UNITS, MONEY, ROUND_MONEY
from relay.templates.helpers.paths import VALUE_AT
from relay.templates.helpers.people import EMAIL, EMAIL_HASH, NAME_PARTS
from relay.templates.helpers.phones import PHONE
from relay.templates.helpers.shapes import ARRAY, OMIT_EMPTY

__all__ = ["HELPERS", "Example", "Helper", "HelperError"]

HELPERS: tuple[Helper, ...] = (
    MONEY,
    ROUND_MONEY,
    MINOR_UNITS,
    MESSAGE_KEY,
    EMAIL,
    EMAIL_HASH,
    PHONE,
    NAME_PARTS,
    COUNTRY_CODE,
    SHA256,
    ISO_TIME,
    LOCAL_TIME,
    VALUE_AT,
    ARRAY,
    OMIT_EMPTY,
)
