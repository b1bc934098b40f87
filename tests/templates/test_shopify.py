"""The packaged templates of Shopify, by what they make of orders, refunds and customers."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.templates.diagnostics import TemplateFailure
from relay.templates.rendering import message_id
from tests.sources.shopify_making import CUSTOMER_ID, ORDER_ID
from tests.templates.shopify_making import (
    ORDER_EVENTS,
    SHOP,
    call_of,
    calls_of,
    customer,
    line,
    money,
    order,
    refund,
    render,
    transaction,
    without,
)

WITH_TOTALS = (*ORDER_EVENTS, "checkout_started")
GUEST = "guest_" + sha256(b"grace@example.org").hexdigest()
CART = "cart_" + sha256(b"c1-cart").hexdigest()


def fact(tracked_event: str, body: object) -> str:
    ((identity, _),) = render(tracked_event, body).calls
    return identity


def guest_order(**more: Any) -> dict[str, Any]:
    return order(**{"customer": None, **more})


def test_order_completed_whole() -> None:
    assert call_of("order_completed", order()) == {
        "type": "track",
        "event": "Order Completed",
        "userId": str(CUSTOMER_ID),
        "timestamp": "2026-03-14T09:26:53.045Z",
        "context": {
            "traits": {"email": "grace@example.org", "firstName": "Grace", "lastName": "Example"},
            "library": {"name": "relay", "version": "0.1.0"},
        },
        "properties": {
            "order_id": str(ORDER_ID),
            "checkout_id": "36000000000001",
            "affiliation": SHOP,
            "subtotal": 36,
            "revenue": 36,
            "total": 49.2,
            "shipping": 5,
            "tax": 8.2,
            "discount": 4,
            "coupon": "SPRING",
            "currency": "EUR",
            "products": [
                {
                    "product_id": "8000000000001",
                    "sku": "MUG",
                    "name": "The MUG",
                    "variant": "Red",
                    "brand": "Kettle Works",
                    "price": 20,
                    "quantity": 2,
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("tracked_event", "name", "own"),
    [
        ("order_completed", "Order Completed", {"order_id", "subtotal", "total"}),
        ("order_updated", "Order Updated", {"order_id", "total"}),
        ("order_cancelled", "Order Cancelled", {"order_id", "total"}),
        ("checkout_started", "Checkout Started", {"value"}),
    ],
)
def test_each_event_has_the_properties_of_the_specification(tracked_event: str, name: str, own: set[str]) -> None:
    properties = call_of(tracked_event, order(), affiliation="Tea Shop")["properties"]
    shared = {"checkout_id", "revenue", "shipping", "tax", "discount", "coupon", "currency", "products", "affiliation"}
    assert call_of(tracked_event, order())["event"] == name
    assert set(properties) == shared | own
    assert properties["affiliation"] == "Tea Shop"
    assert properties.get("value", properties.get("total")) == 49.2


# --- amounts --------------------------------------------------------------------------------

cents = st.integers(0, 10**9)


def amount(value: int) -> str:
    return f"{Decimal(value) / 100:.2f}"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(WITH_TOTALS), cents, cents, cents, cents, st.booleans())
def test_amounts_add_up_to_the_cent(
    tracked_event: str, goods: int, goods_tax: int, shipping: int, shipping_tax: int, included: bool
) -> None:
    document = order(
        taxes_included=included,
        subtotal_price=amount(goods + (goods_tax if included else 0)),
        total_tax=amount(goods_tax + shipping_tax),
        total_price=amount(goods + goods_tax + shipping + shipping_tax),
        total_shipping_price_set=money(amount(shipping + (shipping_tax if included else 0))),
        shipping_lines=[{"price": "9.99", "tax_lines": [{"price": amount(shipping_tax)}]}],
    )
    properties = call_of(tracked_event, document)["properties"]
    found = {
        name: Decimal(repr(properties[name])) * 100
        for name in ("revenue", "shipping", "tax", "total", "value")
        if name in properties
    }
    assert found.get("total", found.get("value")) == goods + goods_tax + shipping + shipping_tax
    assert found["revenue"] + found["shipping"] + found["tax"] == found.get("total", found.get("value"))
    assert found["revenue"] == goods


def test_amounts_may_be_numbers_and_shipping_the_sum_of_its_lines() -> None:
    lines = [{"price": "3.10"}, {"price": 1.9}]
    document = without(order(total_price=49.2, subtotal_price=36, shipping_lines=lines), "total_shipping_price_set")
    properties = call_of("order_completed", document)["properties"]
    assert (properties["total"], properties["revenue"], properties["shipping"]) == (49.2, 36, 5)


@pytest.mark.parametrize("tracked_event", WITH_TOTALS)
def test_what_shopify_leaves_out_is_left_out_and_a_given_zero_is_kept(tracked_event: str) -> None:
    bare = without(order(shipping_lines=[], discount_codes=[], total_discounts=None), "total_shipping_price_set")
    properties = call_of(tracked_event, {**bare, "total_tax": "0.00"})["properties"]
    assert not {"shipping", "coupon", "discount"} & set(properties)
    assert properties["tax"] == 0


@pytest.mark.parametrize("tracked_event", WITH_TOTALS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_products_are_always_an_array(tracked_event: str, count: int) -> None:
    lines = [line(f"S{number}", "1.00") for number in range(count)]
    products = call_of(tracked_event, order(line_items=lines))["properties"]["products"]
    assert [product["sku"] for product in products] == [one["sku"] for one in lines]


@pytest.mark.parametrize(
    ("fields", "product_id"),
    [
        ({}, "8000000000001"),
        ({"product_id": 8_123_456_789_012_345_678}, "8123456789012345678"),
        ({"product_id": None}, "44000000000001"),
        ({"product_id": None, "variant_id": None}, "MUG"),
        ({"product_id": None, "variant_id": None, "sku": ""}, "14000000000001"),
    ],
)
def test_a_line_without_a_product_has_another_id(fields: dict[str, Any], product_id: str) -> None:
    (product,) = call_of("order_completed", order(line_items=[line("MUG", "1.00") | fields]))["properties"]["products"]
    assert product["product_id"] == product_id


def test_an_update_tells_the_order_as_it_is_now() -> None:
    edited = order(
        current_total_price="24.60",
        current_subtotal_price="18.00",
        current_total_tax="1.60",
        current_total_discounts="2.00",
        line_items=[line("MUG", "20.00", 2, current_quantity=1), line("POT", "9.00", current_quantity=0)],
    )
    now = call_of("order_updated", edited)["properties"]
    assert (now["total"], now["revenue"], now["tax"], now["discount"]) == (24.6, 18, 1.6, 2)
    assert [(product["sku"], product["quantity"]) for product in now["products"]] == [("MUG", 1)]
    placed = call_of("order_cancelled", edited)["properties"]
    assert (placed["total"], placed["revenue"], len(placed["products"])) == (49.2, 36, 2)


# --- who ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
@pytest.mark.parametrize(
    ("choice", "identity"),
    [
        ("email_hash", {"anonymousId": GUEST}),
        ("email", {"anonymousId": "grace@example.org"}),
        ("cart_token", {"anonymousId": CART}),
        ("order_id", {"userId": str(ORDER_ID)}),
    ],
)
def test_a_guest_is_known_as_set(tracked_event: str, choice: str, identity: dict[str, str]) -> None:
    call = call_of(tracked_event, guest_order(), guest_identity=choice)
    assert {name: call[name] for name in ("userId", "anonymousId") if name in call} == identity
    checkout = call_of("checkout_started", guest_order(), guest_identity=choice)
    assert checkout["anonymousId"] == identity.get("anonymousId", GUEST)


def test_a_guest_without_an_address_is_known_by_the_cart_or_by_the_order() -> None:
    nobody = guest_order(email=None, contact_email="")
    assert call_of("order_completed", nobody)["anonymousId"] == CART
    assert "traits" not in call_of("order_completed", nobody)["context"]
    lost = without(nobody, "cart_token")
    assert call_of("order_completed", lost)["anonymousId"] == f"order_{ORDER_ID}"
    assert call_of("checkout_started", {**lost, "id": 5})["anonymousId"] == "checkout_5"


@pytest.mark.parametrize("tracked_event", WITH_TOTALS)
def test_the_browsers_anonymous_id_goes_along_where_the_storefront_left_it(tracked_event: str) -> None:
    attributes = [{"name": "gift", "value": "yes"}, {"name": "ajs", "value": "b-1"}]
    known = call_of(tracked_event, order(note_attributes=attributes), anonymous_id_attribute="ajs")
    assert (known["userId"], known["anonymousId"]) == (str(CUSTOMER_ID), "b-1")
    guest = guest_order(note_attributes=attributes)
    assert call_of(tracked_event, guest, anonymous_id_attribute="ajs")["anonymousId"] == "b-1"
    assert call_of(tracked_event, guest)["anonymousId"] == GUEST
    assert call_of(tracked_event, guest, anonymous_id_attribute="other")["anonymousId"] == GUEST
    empty = guest_order(note_attributes=[{"name": "ajs", "value": ""}])
    assert call_of(tracked_event, empty, anonymous_id_attribute="ajs")["anonymousId"] == GUEST


# --- facts ----------------------------------------------------------------------------------


def test_a_fact_is_one_however_often_it_is_told() -> None:
    later = order(updated_at="2026-03-15T00:00:00Z")
    for tracked_event in ("order_completed", "order_cancelled", "checkout_started"):
        assert fact(tracked_event, order()) == fact(tracked_event, later)
        assert fact(tracked_event, order()) == message_id("shop", f"{tracked_event}/{ORDER_ID}")
    states = [order(), later, order(financial_status="refunded"), order(fulfillment_status="partial")]
    assert len({fact("order_updated", one) for one in states}) == 4
    assert fact("order_updated", order()) == fact("order_updated", order(note="seen"))


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
def test_test_orders_count_only_when_asked_for(tracked_event: str) -> None:
    assert calls_of(tracked_event, order(test=True)) == []
    assert len(calls_of(tracked_event, order(test=True), test_orders=True)) == 1


@pytest.mark.parametrize("tracked_event", ["order_completed", "order_updated", "order_cancelled", "checkout_started"])
def test_a_body_without_an_id_fails_with_a_reason(tracked_event: str) -> None:
    with pytest.raises(TemplateFailure, match="messageKey"):
        render(tracked_event, without(order(), "id"))


# --- refunds --------------------------------------------------------------------------------


def test_order_refunded_whole() -> None:
    call = call_of("order_refunded", refund())
    assert (call["event"], call["anonymousId"]) == ("Order Refunded", f"order_{ORDER_ID}")
    assert call["properties"] == {
        "order_id": str(ORDER_ID),
        "affiliation": SHOP,
        "total": 20,
        "currency": "EUR",
        "products": [
            {
                "product_id": "8000000000001",
                "sku": "MUG",
                "name": "The MUG",
                "variant": "Red",
                "brand": "Kettle Works",
                "price": 20,
                "quantity": 1,
            }
        ],
    }
    assert call_of("order_refunded", refund(), guest_identity="order_id")["userId"] == str(ORDER_ID)


def test_only_money_that_went_back_counts() -> None:
    transactions = [
        transaction("0.10"),
        transaction("0.20"),
        transaction("5.00", status="pending"),
        transaction("6.00", status="failure"),
        transaction("7.00", kind="void"),
    ]
    assert call_of("order_refunded", refund(transactions=transactions))["properties"]["total"] == 0.3
    assert calls_of("order_refunded", refund(transactions=transactions[2:])) == []
    assert calls_of("order_refunded", refund(transactions=[])) == []


def test_a_refund_of_an_amount_has_no_products() -> None:
    assert call_of("order_refunded", refund(refund_line_items=[]))["properties"]["products"] == []


def test_test_refunds_count_only_when_asked_for() -> None:
    tested = refund(transactions=[transaction("20.00", test=True)])
    assert calls_of("order_refunded", tested) == []
    assert len(calls_of("order_refunded", tested, test_orders=True)) == 1


def test_prices_are_in_the_currency_in_which_the_money_went_back() -> None:
    price = {
        "shop_money": {"amount": "20.00", "currency_code": "EUR"},
        "presentment_money": {"amount": "21.50", "currency_code": "USD"},
    }
    lines = [{"quantity": 1, "line_item": line("MUG", "20.00", price_set=price)}]
    for currency, expected in (("EUR", 20), ("USD", 21.5)):
        document = refund(refund_line_items=lines, transactions=[transaction("9.00", currency=currency)])
        properties = call_of("order_refunded", document)["properties"]
        assert (properties["currency"], properties["products"][0]["price"]) == (currency, expected)


def test_each_refund_of_an_order_is_a_fact_of_its_own() -> None:
    refunds = [without(refund(id=number), "order_id") for number in (1, 2)]
    calls = calls_of("order_refunded", order(refunds=refunds), "orders/updated")
    assert [call["userId"] for call in calls] == [str(CUSTOMER_ID)] * 2
    identities = [identity for identity, _ in render("order_refunded", order(refunds=refunds)).calls]
    assert identities == [fact("order_refunded", refund(id=1)), fact("order_refunded", refund(id=2))]
    assert calls_of("order_refunded", order(refunds=[]), "orders/updated") == []
    assert calls_of("order_refunded", order(), "orders/updated") == []


# --- customers ------------------------------------------------------------------------------


@pytest.mark.parametrize("tracked_event", ["customer_created", "customer_updated"])
def test_a_customer_is_identified(tracked_event: str) -> None:
    call = call_of(tracked_event, customer())
    assert (call["type"], call["userId"]) == ("identify", str(CUSTOMER_ID))
    assert call["traits"] == {
        "email": "grace@example.org",
        "phone": "+441130000000",
        "firstName": "Grace",
        "lastName": "Example",
        "company": {"name": "Example Ltd"},
        "address": {
            "street": "1 Kettle Lane",
            "city": "Leeds",
            "state": "England",
            "postalCode": "LS1",
            "country": "GB",
        },
        "createdAt": "2026-01-02T02:04:05.000Z",
        "emailMarketingConsent": "subscribed",
    }


@pytest.mark.parametrize("tracked_event", ["customer_created", "customer_updated"])
def test_what_an_app_may_not_see_is_not_sent_as_empty(tracked_event: str) -> None:
    assert call_of(tracked_event, {"id": 7, "email": None, "first_name": None, "default_address": None})["traits"] == {}


def test_creation_is_one_fact_and_every_version_is_one() -> None:
    later = customer(updated_at="2026-03-03T04:05:06Z")
    assert fact("customer_created", customer()) == fact("customer_created", later)
    assert fact("customer_updated", customer()) != fact("customer_updated", later)


def test_a_deleted_customer_is_marked() -> None:
    call = call_of("customer_updated", {"id": CUSTOMER_ID}, "customers/delete")
    assert (call["userId"], call["traits"]) == (str(CUSTOMER_ID), {"deleted": True})
