from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import JsonObject
from relay.sources.contract import Credentials, Lookup
from tests.sources.making import CUSTOMER_ID, ORDER_ID, elasticpath, envelope, event, order

SOURCE = elasticpath()
CUSTOMER = {"type": "customer", "id": CUSTOMER_ID, "name": "Ines Faro", "email": "Ines.Faro@Shop.Example"}
THIN = {"type": "order", "id": ORDER_ID}


def document(body: object, topic: str = "order.paid", **fetched: Any) -> JsonObject:
    (one,) = SOURCE.documents(event(body, topic), fetched)
    return one


# --- one form of all ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({"payload": order()}, order()),
        ({"payload": order(), "resources": json.dumps({"data": {"id": "of resources"}})}, order()),
        ({"resources": json.dumps(order())}, order()),
        ({"resources": order()}, order()),
        ({"resources": THIN}, {"data": THIN}),
        ({"resources": [THIN]}, {"data": THIN}),
        ({"payload": THIN, "resources": THIN}, {"data": THIN}),
        ({"payload": json.dumps(order())}, order()),
        ({"payload": {}, "resources": THIN}, {"data": THIN}),
        ({"payload": {"data": None}, "resources": json.dumps({"data": THIN})}, {"data": THIN}),
        ({"payload": {"data": THIN, "included": ["odd"]}}, {"data": THIN}),
        ({"resources": "{broken"}, {"data": {}}),
        ({"resources": "[" * 5_000}, {"data": {}}),
        ({"resources": []}, {"data": {}}),
        ({"resources": [7, "x"]}, {"data": {}}),
        ({"payload": 7}, {"data": {}}),
        ({}, {"data": {}}),
    ],
)
def test_the_payload_is_the_resource_as_an_object_in_every_form(fields: JsonObject, payload: JsonObject) -> None:
    found = document(envelope(**fields))

    assert found["payload"] == payload
    assert "resources" not in found


def test_of_the_envelope_only_known_fields_of_one_type_are_kept() -> None:
    body = {
        "id": 12,
        "trigger": "order.fulfilled",
        "attempt": "3",
        "store_id": "store-7",
        "org_id": "org-1",
        "integration": {"id": "i-1"},
        "configuration": {"url": "https://r.example", "secret_key": ""},
        "resources": THIN,
        "else": 1,
    }

    assert document(body, "order.fulfilled") == {
        "id": "12",
        "triggered_by": "order.fulfilled",
        "attempt": 3,
        "store_id": "store-7",
        "org_id": "org-1",
        "integration": {"id": "i-1"},
        "configuration": {"url": "https://r.example"},
        "payload": {"data": THIN},
    }


@pytest.mark.parametrize("attempt", [None, "first", "²", 1.5, True, -1, [], "9" * 50])
def test_a_field_of_another_type_is_absent(attempt: object) -> None:
    body = {"attempt": attempt, "id": [], "store_id": {}, "integration": "x", "configuration": [1], "payload": THIN}

    assert document(body) == {"triggered_by": "order.paid", "payload": {"data": THIN}}


def test_an_array_gives_a_document_for_each_element() -> None:
    second = {"type": "order", "id": "second"}

    found = SOURCE.documents(event(envelope(resources=[THIN, {"data": second}, "odd"])), {"order": order()})

    assert [each["payload"] for each in found] == [{"data": THIN}, {"data": second}]
    assert all(each["id"] == envelope()["id"] for each in found)


def test_long_whole_numbers_are_kept_as_text() -> None:
    long = 9_007_199_254_740_993
    inner = json.dumps({"data": {"id": long, "amount": 4200}})

    assert document(envelope(payload={"data": {"order_number": -long}}))["payload"]["data"] == {
        "order_number": f"-{long}"
    }
    assert document(envelope(resources=inner))["payload"]["data"] == {"id": str(long), "amount": 4200}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"a":' * 300 + b"1" + b"}" * 300])
def test_a_stored_body_that_cannot_be_read_is_a_value_error_and_asks_for_nothing(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        SOURCE.documents(event(body), {})
    assert SOURCE.lookups(event(body)) == ()


# --- completing -----------------------------------------------------------------------------

ORDER = Lookup("order", f"/v2/orders/{ORDER_ID}?include=items")
TRANSACTIONS = Lookup("transactions", f"/v2/orders/{ORDER_ID}/transactions")
CUSTOMERS = Lookup("customer", f"/v2/customers/{CUSTOMER_ID}")


@pytest.mark.parametrize(
    ("topic", "payload", "lookups"),
    [
        ("order.paid", order(), []),
        ("order.paid", THIN, [ORDER]),
        ("order.paid", {"data": order()["data"]}, [ORDER]),
        ("order.paid", order(meta={}), [ORDER]),
        ("order.paid", {**order(), "included": {"items": []}}, []),
        ("order.refunded", order(), [TRANSACTIONS]),
        ("order.refunded", THIN, [ORDER, TRANSACTIONS]),
        ("order.deleted", THIN, []),
        ("customer.updated", CUSTOMER, []),
        ("customer.updated", {"id": CUSTOMER_ID, "name": "Ines"}, []),
        ("customer.updated", {"type": "customer", "id": CUSTOMER_ID}, [CUSTOMERS]),
        ("customer.deleted", {"type": "customer", "id": CUSTOMER_ID}, []),
        ("cart.updated", {"type": "cart", "id": "c-1"}, []),
        ("order.paid", {"type": "order"}, []),
        ("order.paid", {"id": ".."}, []),
        ("order.paid", [THIN], [ORDER]),
        ("order.paid", [THIN, THIN], []),
    ],
)
def test_what_is_thin_is_looked_up(topic: str, payload: object, lookups: list[Lookup]) -> None:
    assert list(SOURCE.lookups(event(envelope(payload=payload), topic))) == lookups


@pytest.mark.parametrize(
    ("identifier", "quoted"),
    [
        ("../customers?x=1#y", "..%2Fcustomers%3Fx%3D1%23y"),
        (9_007_199_254_740_993, "9007199254740993"),
        ("ü", "%C3%BC"),
    ],
)
def test_an_id_is_one_segment_of_the_path(identifier: object, quoted: str) -> None:
    (lookup,) = SOURCE.lookups(event(envelope(payload={"id": identifier})))

    assert lookup.path == f"/v2/orders/{quoted}?include=items"


def test_a_fetched_order_takes_the_place_of_the_payload_but_not_of_the_topic() -> None:
    body = envelope(payload={"data": {**THIN, "thin": True}, "included": {"old": []}})

    found = document(body, order=order(payment="unpaid"))

    assert found["payload"] == order(payment="unpaid")
    assert found["triggered_by"] == "order.paid"


def test_a_fetched_customer_takes_the_place_of_the_thin_one() -> None:
    body = envelope(payload={"type": "customer", "id": CUSTOMER_ID})

    assert document(body, "customer.updated", customer={"data": CUSTOMER})["payload"] == {"data": CUSTOMER}


def test_fetched_transactions_stand_beside_the_lines() -> None:
    refund = {"id": "t-1", "transaction_type": "refund", "amount": 4200}

    whole = document(envelope(payload=order()), "order.refunded", transactions={"data": [refund]})
    thin = document(envelope(payload=THIN), "order.refunded", order={"data": THIN}, transactions={"data": [refund]})

    assert whole["payload"]["included"] == {"items": order()["included"]["items"], "transactions": [refund]}
    assert thin["payload"] == {"data": THIN, "included": {"transactions": [refund]}}


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"data": None}, {"data": "x"}, {"errors": []}])
def test_an_answer_of_another_form_changes_nothing(answer: object) -> None:
    assert document(envelope(payload=THIN), order=answer, customer=answer)["payload"] == {"data": THIN}
    if not isinstance(answer, dict) or answer.get("data") is None:
        assert document(envelope(payload=THIN), transactions=answer)["payload"] == {"data": THIN}


# --- searching and signing in ---------------------------------------------------------------


def test_an_order_is_found_by_its_ids_and_its_customers() -> None:
    found = document(envelope(payload=order(external_ref="ERP-9", contact={"email": "INES.FARO@shop.example"})))

    assert SOURCE.keys(found) == [ORDER_ID, "100045", "ERP-9", CUSTOMER_ID, "ines.faro@shop.example"]


def test_a_customer_is_found_by_id_reference_and_email() -> None:
    found = document(envelope(payload={"data": {**CUSTOMER, "external_ref": 17}}), "customer.updated")

    assert SOURCE.keys(found) == [CUSTOMER_ID, "17", "ines.faro@shop.example"]


def test_what_was_anonymised_is_no_key() -> None:
    masked = order(
        customer={"name": "*", "email": "*****@***.***"}, order_number="***", external_ref="", relationships=[]
    )

    assert SOURCE.keys(document(envelope(payload=masked))) == [ORDER_ID]


def test_the_commerce_connection_signs_in_with_client_credentials() -> None:
    credentials = elasticpath(commerce=True).credentials()

    assert isinstance(credentials, Credentials)
    assert credentials.token_path == "/oauth/access_token"
    assert credentials.token_form == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "commerce-secret",
    }
    assert "commerce-secret" not in repr(credentials)
    assert elasticpath().credentials() is None
