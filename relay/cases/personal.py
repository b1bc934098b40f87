"""What in a document is about a person, by the names of its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a personal value is; its mask is one of the same kind."""

    EMAIL = "e-mail"
    PHONE = "phone"
    NAME = "name"
    GIVEN_NAME = "first name"
    FAMILY_NAME = "last name"
    COMPANY = "company"
    STREET = "street"
    CITY = "city"
    REGION = "region"
    POSTCODE = "postcode"
    BIRTH = "date of birth"
    IP = "IP address"
    COORDINATE = "coordinate"
    NUMBER = "account, tax or card number, or token"
    URL = "web address"
    TEXT = "text"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BY_NAME = {
    Kind.GIVEN_NAME: _names("first_name given_name forename firstname givenname middle_name"),
    Kind.FAMILY_NAME: _names("last_name family_name surname lastname familyname maiden_name"),
    Kind.NAME: _names("full_name fullname user_name username care_of"),
    Kind.CITY: _names("city town suburb locality district neighborhood neighbourhood village"),
    Kind.POSTCODE: _names("postcode post_code postal_code postalcode zip zip_code zipcode"),
    Kind.BIRTH: _names("birth birthday birthdate birth_date date_of_birth dob"),
    Kind.IP: _names("ip ip_address browser_ip client_ip remote_ip remote_addr"),
    Kind.COORDINATE: _names("lat latitude lng lon longitude"),
    Kind.URL: _names("order_status_url abandoned_checkout_url recovery_url checkout_url"),
    Kind.COMPANY: _names("company company_name organisation organization organisation_name organization_name employer"),
}
_BY_WORD = {
    Kind.PHONE: _names("phone mobile telephone tel fax cell cellphone msisdn whatsapp"),
    Kind.NUMBER: _names(
        "iban bic vat vat_id vat_number tax_id tax_number ssn passport national_id license_plate token secret "
        "password cookie session authorization account_number card_number sort_code routing_number"
    ),
    Kind.STREET: _names("street streetname housenumber apartment building address"),
    Kind.TEXT: _names(
        "note notes comment comments message instruction instructions remark remarks memo greeting dedication "
        "engraving personalisation personalization inscription feedback salutation gender agent"
    ),
}
_STREET = re.compile(r"(?:address|street|line|address_?line|street_?line)_?[1-4]|house_number|po_box")
_PREFIX = re.compile(r"(?:customer|buyer|recipient|contact|billing|shipping)_(?=.)")
_IP = re.compile(r"[\dA-Fa-f.:]*[.:][\dA-Fa-f.:]*")
_OWN_WORDS = _names(
    "customer contact recipient buyer user holder cardholder owner payer member sender guest person billing"
)
_REGION = _names("county region state province")

_PERSONS = _names(
    "customer contact buyer purchaser recipient user member account_member owner payer sender guest person "
    "address billing_address shipping_address delivery_address default_address billing billing_details "
    "billing_contact shipping_contact"
)
_PERSON_TYPES = _PERSONS | {"user-authentication-info", "user_authentication_info", "account-member"}
_FREE_FIELDS = _names("custom_inputs note_attributes")
_ORDER_FIELDS = _names("line_items items order_number total_price")
_TELLING = frozenset({Kind.GIVEN_NAME, Kind.FAMILY_NAME, Kind.STREET, Kind.POSTCODE})

# In a person's object, whatever is not one of these is taken as personal.
_HARMLESS = re.compile(r"(?:.+_)?(?:lang|timezone|date|role|tier|level|group|segment|tags?|ref|href|self|method)")
_HARMLESS_VALUE = re.compile(
    r"[\W\d_]*|[A-Z]{2,3}|[a-z]{2}(?:[-_][A-Za-z]{2})?|true|false|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|"
    r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-][\d:]+)?",
    re.ASCII,
)
# Words for machines: a customer called Paid must not change the status of an order.
_MACHINE = re.compile(
    r"(?:.+_)?(?:id|ids|type|status|state|currency|currency_code|locale|language|at|on|sku|slug|country(?:_.+)?)|"
    r"payment|shipping|topic|event|trigger|triggered_by|attempt|object"
)


def plain(name: str) -> str:
    """``firstName``, ``First-Name`` and ``first name`` as ``first_name``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def is_for_machines(name: str) -> bool:
    return _MACHINE.fullmatch(name) is not None


def is_person(name: str, value: Mapping[str, Any]) -> bool:
    """Whether an object is about a person or says where one lives, by its own name, its type or its fields."""
    kind = value.get("type")
    singular = re.sub(r"(?<=s)es$|s$", "", name)
    if name in _PERSONS or singular in _PERSONS or (isinstance(kind, str) and kind in _PERSON_TYPES):
        return True
    return any(of_name(plain(field)) in _TELLING and isinstance(inner, str) for field, inner in value.items())


def holds_free_text(name: str, value: Any) -> bool:
    """Whether whoever ordered wrote what stands below; Shopify's lines have a list of `properties` for it."""
    return name in _FREE_FIELDS or (name == "properties" and isinstance(value, list))


def of_field(name: str, value: str, beside: Mapping[str, Any], *, in_person: bool) -> Kind | None:
    """The kind of a text by its field's `plain` name and the object ``beside`` it; None when it is not personal."""
    kind = of_name(name)
    has_letters = any(character.isalpha() for character in value)
    if kind is Kind.PHONE and sum(character.isdigit() for character in value) < 3:
        return None
    if kind is Kind.IP and not _IP.fullmatch(value):
        return None
    if not has_letters and (kind is Kind.TEXT or "vat" in name):
        return None  # A flag; a rate or an amount.
    if kind is not None:
        return kind
    if name == "name" and has_letters and (in_person or ("email" in beside and not _ORDER_FIELDS & beside.keys())):
        return Kind.NAME
    if not in_person or _HARMLESS_VALUE.fullmatch(value):
        return None
    if name in _REGION and not value.islower():
        return Kind.REGION
    if _HARMLESS.fullmatch(name) or is_for_machines(name):
        return None
    return Kind.URL if value.startswith(("http:", "https:")) else Kind.TEXT


def of_name(name: str) -> Kind | None:
    """The kind that a field's name alone tells; ``customer_city`` as well as ``city``."""
    return _of_bare_name(_PREFIX.sub("", name, count=1)) or _of_bare_name(name)


def _of_bare_name(name: str) -> Kind | None:
    words = name.split("_")
    if words[-1] in ("email", "mail") or name.endswith(("email_address", "e_mail_address")):
        return Kind.EMAIL
    for kind, names in _BY_NAME.items():
        if name in names:
            return kind
    if words[-1] == "name" and _OWN_WORDS & set(words[:-1]):
        return Kind.NAME
    if name in ("holder", "cardholder", "account_holder", "card_holder"):
        return Kind.NAME
    if _STREET.fullmatch(name):
        return Kind.STREET
    if words[-1] in ("id", "ids", "type", "at", "status"):
        return None
    for kind, names in _BY_WORD.items():
        if names & {*words, "_".join(words[-2:])}:
            return kind
    return None
