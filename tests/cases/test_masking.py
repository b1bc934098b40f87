"""Masking: no personal value is left, whatever stands where; what templates work with stays as it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from relay.cases.disguises import Disguises
from relay.cases.masking import masked
from relay.cases.personal import Kind
from relay.templates.helpers.people import email

LETTERS = "abcdefghijklmnopqrstuvwxyzäåéíñöøśüżđαβγдежиあ田中子"
WORDS = st.text(LETTERS, min_size=3, max_size=9).map(str.capitalize)
NAMES = WORDS | st.builds("{}-{}".format, WORDS, WORDS) | st.builds("O'{}".format, WORDS)
DIGITS = st.text("2346789", min_size=8, max_size=11)
PHONES = DIGITS.map("+4{}".format) | DIGITS | st.builds("({}) {}".format, st.just("0555"), DIGITS)
ASCII_WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9)
MAILBOXES = st.builds("{}{}".format, st.sampled_from("abcxyz01"), st.text("abcdefgxyz0189._+-", max_size=12))
EMAILS = st.builds("{}@{}.{}".format, MAILBOXES, st.sampled_from(["mail", "Post-Box", "shop.mail"]), ASCII_WORDS)
STREETS = st.builds("{} {} {}".format, NAMES, st.sampled_from(["Street", "vägen", "通り"]), st.integers(1, 999))
PEOPLE = st.fixed_dictionaries(
    {
        "first": NAMES,
        "last": NAMES,
        "email": EMAILS,
        "phone": PHONES,
        "street": STREETS,
        "company": st.builds("{} & {}".format, WORDS, WORDS),
    }
)


def order(person: dict[str, str], note: str) -> dict[str, Any]:
    """A webhook with the person in every corner of it."""
    first, last, company = person["first"], person["last"], person["company"]
    name, address = f"{first} {last}", person["email"]
    data = {
        "type": "order",
        "id": "0b6e2d18-0000-4000-8000-000000000001",
        "order_number": "100045",
        "status": "complete",
        "payment": "paid",
        "shipping": "unfulfilled",
        "anonymized": False,
        "customer": {"name": name, "email": address, "loyalty": {"level": 3}},
        "contact": {"name": name.upper(), "email": f" {address.upper()} "},
        "shipping_address": {
            "first_name": first,
            "last_name": last,
            "company_name": company,
            "phone_number": person["phone"],
            "line_1": person["street"],
            "line_2": "",
            "country": "NO",
            "instructions": note,
        },
        "free_words": f"For {name}, {person['street']}; call {person['phone']} or write to <{address}>.",
        "mail_link": f"https://shop.test/?to={address.replace('@', '%40')}",
        "tags": [first, {"by": last}],
        "meta": {
            "display_price": {"with_tax": {"amount": 4200, "currency": "EUR", "formatted": "€42.00"}},
            "timestamps": {"created_at": "2026-03-14T09:00:12.045565913Z", "updated_at": "2026-03-14T09:00:12+01:00"},
        },
    }
    items = [{"type": "order_item", "sku": "MUG-BLUE", "name": "Blue Mug", "quantity": 2, "note_attributes": [note]}]
    payload = {"data": data, "included": {"items": items}}
    return {"triggered_by": "order.paid", "payload": payload, "resources": json.dumps(payload)}


def texts(value: Any) -> Iterator[str]:
    """Every text and name in a document, also inside JSON that is text."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
        if value[:1] in "{[" and value:
            yield from texts(json.loads(value))


VOCABULARY = " ".join(texts(order(dict.fromkeys(["first", "last", "email", "phone", "street", "company"], ""), ""))) + (
    " person example com given family company street city region text https"
)


def holds(text: str, personal: str) -> bool:
    bounded = rf"(?<![^\W\d_]){re.escape(personal)}(?![^\W\d_])"
    return re.search(bounded, text, re.IGNORECASE) is not None


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, str) and value[:1] in "{[" and value:
        return ["text", shape(json.loads(value))]
    return type(value)


@settings(max_examples=50)
@given(PEOPLE, st.text(max_size=30))
def test_nothing_personal_is_left_anywhere(person: dict[str, str], note: str) -> None:
    parts = [person["first"], person["last"]]
    assume(not any(part.casefold() in VOCABULARY.casefold() for part in parts))
    document = order(person, f"Ring at {person['last']} {note}")
    hidden = masked(document, Disguises())
    personal = [*person.values(), f"{person['first']} {person['last']}", f"Ring at {person['last']} {note}"]
    for text in [*texts(hidden), json.dumps(hidden), json.dumps(hidden, ensure_ascii=False)]:
        for value in personal:
            assert not holds(text, value), (value, text)
    assert shape(hidden) == shape(document)


@settings(max_examples=50)
@given(PEOPLE)
def test_what_templates_work_with_stays(person: dict[str, str]) -> None:
    assume(not any(part.casefold() in VOCABULARY.casefold() for part in (person["first"], person["last"])))
    document = order(person, "")
    hidden: Any = masked(document, Disguises())
    data, before = hidden["payload"]["data"], document["payload"]["data"]
    for name in ("type", "id", "order_number", "status", "payment", "shipping", "anonymized", "meta"):
        assert data[name] == before[name]
    assert data["customer"]["loyalty"] == {"level": 3}
    assert data["shipping_address"]["country"] == "NO"
    assert data["shipping_address"]["line_2"] == ""
    (item,) = hidden["payload"]["included"]["items"]
    assert (item["sku"], item["name"], item["quantity"]) == ("MUG-BLUE", "Blue Mug", 2)
    assert hidden["triggered_by"] == "order.paid"
    assert json.loads(hidden["resources"]) == hidden["payload"]


@settings(max_examples=50)
@given(PEOPLE)
def test_one_address_is_one_person_however_it_is_written(person: dict[str, str]) -> None:
    hidden: Any = masked(order(person, ""), Disguises())
    data = hidden["payload"]["data"]
    mask = data["customer"]["email"]
    assert re.fullmatch(r"person-\d+@example\.com", mask)
    assert email(data["contact"]["email"]) == mask
    assert data["contact"]["email"].startswith(" ")
    assert mask in data["free_words"]
    assert data["mail_link"].endswith(mask.replace("@", "%40"))


@settings(max_examples=50)
@given(st.lists(EMAILS, unique_by=str.casefold, min_size=1, max_size=6))
def test_different_addresses_stay_different_and_masking_is_repeatable(addresses: list[str]) -> None:
    document: list[Any] = [{"email": address} for address in addresses]
    first, second = (masked(document, Disguises()) for _ in range(2))
    assert first == second
    assert isinstance(first, list)
    assert len({person["email"] for person in first}) == len(addresses)


def test_a_stand_in_is_never_one_of_the_originals() -> None:
    document: Any = {"customer": {"email": "person-1@example.com", "name": "Person 1"}, "by": "PERSON-2@example.com"}
    hidden: Any = masked(document, Disguises())
    assert hidden == {
        "customer": {"email": "person-3@example.com", "name": "Person 2"},
        "by": "person-4@example.com",
    }


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("phone", "+44 20 7946 0958", "+44 55 5000 0001"),
        ("phone", "(0151) 234-5678", "(5550) 000-0001"),
        ("mobile", "0151 2345678", "0555 0000001"),
        ("phone", 4915123456789, 5550000000001),
        ("phone_verified", "yes", "yes"),
        ("postcode", "NE1 6UF", "AA0 0AB"),
        ("zip", "11738-0001", "00000-0001"),
        ("date_of_birth", "1984-05-23", "2000-01-02"),
        ("browser_ip", "81.2.69.142", "203.0.113.1"),
        ("latitude", 59.91, 1.0),
        ("lng", "10.75", "1.0"),
        ("iban", "NO9386011117947", "AA0000000000001"),
        ("vat_number", "DE123456789", "AA000000001"),
        ("vat", "19.00", "19.00"),
        ("vat_amount", 380, 380),
        ("secret_key", "s3cr3t-Value", "a0aa0a-Aaaab"),
        ("firstName", "Ada", "Given-1"),
        ("Last-Name", "Lovelace", "Family-1"),
        ("customer_name", "Ada Lovelace", "Person 1"),
        ("username", "ada", "Person-1"),
        ("username", "Ada@Lovelace.test", "person-1@example.com"),
        ("customer_firstname", "Ada", "Given-1"),
        ("customer_ip_address", "81.2.69.142", "203.0.113.1"),
        ("ip", "unknown", "unknown"),
        ("gift_message_available", "2", "2"),
        ("1", "one", "one"),
        ("address1", "5 Orchard Row", "Street 1"),
        ("email_address", "not an address", "person-1@example.com"),
        ("gift_message", "Happy birthday", "Text 1"),
        ("company", "Analytical Ltd", "Company 1"),
        ("name", "Blue Mug", "Blue Mug"),
        ("payment", "paid", "paid"),
        ("customer_id", "c-1", "c-1"),
        ("email", "*****", "*****"),
        ("email", "", ""),
        ("email", None, None),
        ("email_verified", True, True),
        ("amount", 4200, 4200),
        ("anything", "write to ada@lovelace.test!", "write to person-1@example.com!"),
        ("anything", "call +47 55 51 00 08 now", "call +47 55 50 00 01 now"),
        ("anything", "DE89 3704 0044 0532 0130 00", "AA00 0000 0000 0000 0000 01"),
        ("anything", "AB12 3456 7890 1234", "AB12 3456 7890 1234"),
    ],
)
def test_a_stand_in_is_of_the_same_kind(field: str, value: Any, expected: Any) -> None:
    hidden = masked({field: value}, Disguises())
    assert hidden == {field: expected}
    assert isinstance(hidden, dict)
    assert type(hidden[field]) is type(value)


def test_a_person_s_other_fields_are_hidden_but_for_states_and_codes() -> None:
    document: Any = {
        "type": "customer",
        "id": "c-1",
        "name": "Ada",
        "nick": "Countess",
        "object": "customer",
        "homepage": "https://ada.test/me",
        "loyalty_level": "gold",
        "locale": "en-GB",
        "currency": "GBP",
        "marketing_status": "subscribed",
        "external_ref": "crm-7",
        "created_at": "2026-01-02T03:04:05Z",
        "code": "11738",
        "password": True,
    }
    hidden: Any = masked({"payload": {"data": document}}, Disguises())
    changed = {name: value for name, value in hidden["payload"]["data"].items() if value != document[name]}
    assert changed == {"name": "Person-1", "nick": "Text 1", "homepage": "https://example.com/1"}


def test_the_corners_of_an_order_of_shopify() -> None:
    document: Any = {
        "email": "ada@lovelace.test",
        "name": "EN1001",
        "order_number": 1001,
        "note": "For Ada",
        "cart_token": "c1-68ab",
        "order_status_url": "https://shop.test/orders/authenticate?key=abc",
        "client_details": {"browser_ip": "81.2.69.142", "user_agent": "Mozilla"},
        "customer": {
            "id": 820982911946154508,
            "state": "enabled",
            "first_name": "Ada",
            "tags": "vip",
            "currency": "GBP",
        },
        "billing_address": {"name": "Ada Lovelace", "province": "Ontario", "province_code": "ON", "latitude": 45.4},
        "line_items": [{"name": "Mug - blue", "sku": "M", "properties": [{"name": "Engraving", "value": "To Ada"}]}],
    }
    assert masked(document, Disguises()) == {
        "email": "person-1@example.com",
        "name": "EN1001",
        "order_number": 1001,
        "note": "Text 1",
        "cart_token": "a0-00ab",
        "order_status_url": "https://example.com/1",
        "client_details": {"browser_ip": "203.0.113.1", "user_agent": "Text 2"},
        "customer": {
            "id": 820982911946154508,
            "state": "enabled",
            "first_name": "Given-1",
            "tags": "vip",
            "currency": "GBP",
        },
        "billing_address": {"name": "Person 1", "province": "Region 1", "province_code": "ON", "latitude": 1.0},
        "line_items": [{"name": "Mug - blue", "sku": "M", "properties": [{"name": "Engraving", "value": "Text 3"}]}],
    }


def test_a_name_that_is_a_state_changes_no_state() -> None:
    document: Any = {
        "data": {
            "status": "paid",
            "payment": "paid",
            "customer": {"name": "Paid"},
            "words": "Dear Paid,",
            "sku": "PAID-1",
        }
    }
    hidden: Any = masked(document, Disguises())
    assert hidden["data"] == {
        "status": "paid",
        "payment": "paid",
        "customer": {"name": "Person-1"},
        "words": "Dear Person-1,",
        "sku": "PAID-1",
    }


def test_a_person_s_name_as_the_name_of_a_field() -> None:
    assert masked({"ada@lovelace.test": {"amount": 1}}, Disguises()) == {"person-1@example.com": {"amount": 1}}


def test_what_was_hidden_is_counted_by_kind() -> None:
    disguises = Disguises()
    masked({"customer": {"name": "Ada", "email": "ada@x.test"}, "to": ["ada@x.test", "bob@x.test"]}, disguises)
    assert disguises.counts() == {Kind.NAME: 1, Kind.EMAIL: 2}


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["name", "phone", "zip", "lat", "email", "customer", "resources"]) | st.text(), inner
            )
        ),
        max_leaves=20,
    )
)
def test_any_document_can_be_masked(document: Any) -> None:
    hidden = masked(document, Disguises())
    assert type(hidden) is type(document)
    json.dumps(hidden)


@pytest.mark.parametrize("text", ["a" * 300_000, "a." * 150_000, "+1 " * 100_000, "AB12 " * 60_000, "[" * 300_000])
def test_a_long_text_takes_no_long_time(text: str) -> None:
    started = time.perf_counter()
    masked({"words": text, "customer": {"name": "Ada"}}, Disguises())
    assert time.perf_counter() - started < 2
