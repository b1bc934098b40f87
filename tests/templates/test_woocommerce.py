"""The packaged templates of WooCommerce, by what they make of orders and customers."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.templates.diagnostics import TemplateFailure
from relay.templates.rendering import message_id
from tests.sources.woocommerce_making import CUSTOMER_ID, ORDER_ID
from tests.templates.woocommerce_making import (
    CHANGED,
    PAID,
    PLACED,
    call_of,
    calls_of,
    customer,
    facts,
    line,
    order,
    refund,
    render,
    unpaid,
)

FITTING: dict[str, dict[str, Any]] = {
    "checkout_started": unpaid("pending"),
    "order_completed": order(),
    "order_updated": order(date_modified_gmt=CHANGED),
    "order_cancelled": order(status="cancelled"),
}
"""For each tracked event with amounts an order that makes it."""
GUEST = "guest_" + sha256(b"grace@example.org").hexdigest()


def test_order_completed_whole() -> None:
    assert call_of("order_completed", order()) == {
        "type": "track",
        "event": "Order Completed",
        "userId": str(CUSTOMER_ID),
        "timestamp": "2026-03-14T09:20:00.000Z",
        "context": {
            "traits": {"email": "grace@example.org", "firstName": "Grace", "lastName": "Example"},
            "library": {"name": "relay", "version": "0.1.0"},
        },
        "properties": {
            "order_id": str(ORDER_ID),
            "affiliation": "shop.example",
            "subtotal": 36,
            "revenue": 36,
            "total": 49.2,
            "shipping": 5,
            "tax": 8.2,
            "discount": 4,
            "coupon": "spring",
            "currency": "EUR",
            "products": [{"product_id": "93", "sku": "MUG", "name": "The MUG", "price": 20, "quantity": 2}],
        },
    }


@pytest.mark.parametrize("tracked_event", FITTING)
def test_each_event_has_the_properties_of_the_specification(tracked_event: str) -> None:
    call = call_of(tracked_event, FITTING[tracked_event], affiliation="Tea Shop")
    shared = {"order_id", "revenue", "shipping", "tax", "discount", "coupon", "currency", "products", "affiliation"}
    own = {"checkout_started": {"value"}, "order_completed": {"subtotal", "total"}}.get(tracked_event, {"total"})
    assert call["event"] == tracked_event.replace("_", " ").title()
    assert set(call["properties"]) == shared | own
    assert call["properties"]["affiliation"] == "Tea Shop"


# --- which event an order makes -------------------------------------------------------------

STORY: list[tuple[str, dict[str, Any], set[str]]] = [
    ("order.created", unpaid("checkout-draft"), set()),
    ("order.updated", unpaid("checkout-draft", date_modified_gmt=CHANGED), set()),
    ("order.created", unpaid("auto-draft"), set()),
    ("order.updated", order(status="trash"), set()),
    ("order.created", unpaid("pending"), {"checkout_started"}),
    ("order.updated", unpaid("pending"), {"checkout_started"}),
    ("order.updated", unpaid("on-hold", date_modified_gmt=CHANGED), {"checkout_started", "order_updated"}),
    ("order.updated", unpaid("failed"), set()),
    ("order.created", order(), {"checkout_started", "order_completed"}),
    ("order.updated", order(), {"order_completed"}),
    ("order.updated", order(date_modified_gmt=CHANGED), {"order_completed", "order_updated"}),
    ("order.updated", order(status="completed", date_modified_gmt=CHANGED), {"order_completed", "order_updated"}),
    ("order.updated", order(status="packed", date_modified_gmt=CHANGED), {"order_completed", "order_updated"}),
    (
        "order.updated",
        order(refunds=[refund(1, "-1.00")], date_modified_gmt=CHANGED),
        {"order_completed", "order_updated", "order_refunded"},
    ),
    ("order.updated", order(status="refunded", refunds=[refund(1, "-49.20")]), {"order_completed", "order_refunded"}),
    ("order.updated", order(status="refunded", date_modified_gmt=CHANGED), {"order_completed"}),
    ("order.updated", order(status="cancelled", date_modified_gmt=CHANGED), {"order_completed", "order_cancelled"}),
    ("order.updated", unpaid("cancelled", date_modified_gmt=CHANGED), {"order_cancelled"}),
]


@pytest.mark.parametrize(("topic", "body", "events"), STORY)
def test_the_order_decides_which_events_it_makes(topic: str, body: dict[str, Any], events: set[str]) -> None:
    asked = ["checkout_started", "order_completed"]
    if topic == "order.updated":
        asked += ["order_updated", "order_refunded", "order_cancelled"]
    assert {name for name in asked if calls_of(name, body, topic)} == events


def test_a_fact_is_one_however_often_it_is_told() -> None:
    later = {"status": "completed", "date_modified_gmt": CHANGED, "date_completed_gmt": CHANGED}
    assert facts("order_completed", order()) == facts("order_completed", order(**later))
    assert facts("order_completed", order()) == facts("order_completed", order(), "order.created")
    assert facts("order_completed", order()) == [message_id("shop", f"order_completed/{ORDER_ID}")]
    cancelled = order(status="cancelled")
    assert facts("order_cancelled", cancelled) == facts("order_cancelled", cancelled | {"date_modified_gmt": CHANGED})
    assert facts("checkout_started", unpaid("pending")) == facts("checkout_started", order(), "order.created")
    changes = [
        order(date_modified_gmt=CHANGED),
        order(date_modified_gmt="2026-03-16T10:00:01"),
        order(**later),
        order(date_modified_gmt=CHANGED, customer_note="seen"),
    ]
    identities = [facts("order_updated", one)[0] for one in changes]
    assert len(set(identities)) == 3
    assert identities[0] == identities[3]


def test_completed_is_told_at_the_time_of_payment() -> None:
    assert call_of("order_completed", order(date_modified_gmt=CHANGED))["timestamp"] == f"{PAID}.000Z"
    done = order(status="completed", date_paid_gmt=None, date_completed_gmt=CHANGED)
    assert call_of("order_completed", done)["timestamp"] == f"{CHANGED}.000Z"
    received = call_of("order_completed", order(date_paid_gmt=None))["timestamp"]
    assert received == "2026-03-14T09:26:53.045Z"
    assert call_of("checkout_started", unpaid("pending"))["timestamp"] == f"{PLACED}.000Z"


def test_what_counts_as_completed_is_set() -> None:
    shipped = order(status="completed", date_completed_gmt=CHANGED, date_modified_gmt=CHANGED)
    choice: dict[str, Any] = {"paid_statuses": ["completed"], "paid_by_date": False}
    assert calls_of("order_completed", order(), **choice) == []
    assert call_of("order_completed", shipped, **choice)["timestamp"] == f"{CHANGED}.000Z"
    assert calls_of("order_updated", shipped, **choice) == []
    assert calls_of("order_completed", order(status="packed"), paid_by_date=False) == []
    assert len(calls_of("order_completed", unpaid("invoiced"), paid_statuses=["invoiced"])) == 1


@pytest.mark.parametrize(("day", "calls"), [("2026-03-14", 1), ("2026-03-15", 0), (None, 1)])
def test_orders_from_before_the_relay_may_be_left_out(day: str | None, calls: int) -> None:
    assert len(calls_of("order_completed", order(), completed_since=day)) == calls


@pytest.mark.parametrize(("seconds", "settling_s", "calls"), [(60, 60, 0), (61, 60, 1), (0, 0, 0), (1, 0, 1)])
def test_paying_an_order_is_no_update_of_it(seconds: int, settling_s: int, calls: int) -> None:
    changed = f"2026-03-14T09:{20 + seconds // 60:02}:{seconds % 60:02}"
    assert len(calls_of("order_updated", order(date_modified_gmt=changed), settling_s=settling_s)) == calls
    placed = unpaid("on-hold", date_created_gmt=PAID, date_modified_gmt=changed)
    assert len(calls_of("order_updated", placed, settling_s=settling_s)) == calls


@pytest.mark.parametrize("via", ["admin", "subscription"])
def test_nobody_checks_out_an_order_that_was_made_for_him(via: str) -> None:
    assert calls_of("checkout_started", unpaid("pending", created_via=via), "order.created") == []
    assert len(calls_of("order_completed", order(created_via=via))) == 1


@pytest.mark.parametrize("tracked_event", [*FITTING, "order_refunded"])
@pytest.mark.parametrize(
    "erased",
    [
        {"billing": {"email": "deleted@site.invalid", "first_name": "[deleted]"}, "customer_id": 0},
        {"meta_data": [{"key": "a", "value": "no"}, {"key": "_anonymized", "value": "yes"}]},
    ],
)
def test_of_an_erased_person_nothing_is_told(tracked_event: str, erased: dict[str, Any]) -> None:
    body = FITTING.get(tracked_event, order()) | {"refunds": [refund(1, "-1.00")]}
    assert len(calls_of(tracked_event, body)) == 1
    assert calls_of(tracked_event, body | erased) == []


@pytest.mark.parametrize("tracked_event", FITTING)
def test_a_body_without_an_id_fails_with_a_reason(tracked_event: str) -> None:
    body = {name: value for name, value in FITTING[tracked_event].items() if name != "id"}
    with pytest.raises(TemplateFailure, match="messageKey"):
        render(tracked_event, body)


# --- amounts --------------------------------------------------------------------------------

cents = st.integers(0, 10**9)


def amount(value: int) -> str:
    return f"{Decimal(value) / 100:.2f}"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(FITTING)), cents, st.integers(-(10**6), 10**6), cents, cents, st.booleans())
def test_amounts_add_up_to_the_cent(
    tracked_event: str, goods: int, fees: int, shipping: int, tax: int, included: bool
) -> None:
    document = FITTING[tracked_event] | {
        "prices_include_tax": included,
        "total": amount(goods + fees + shipping + tax),
        "shipping_total": amount(shipping),
        "total_tax": amount(tax),
        "fee_lines": [{"total": amount(fees)}],
    }
    properties = render_properties(tracked_event, document)
    found = {
        name: Decimal(repr(properties[name])) * 100
        for name in ("revenue", "shipping", "tax", "total", "value")
        if name in properties
    }
    assert found["revenue"] == goods + fees
    assert found["revenue"] + found["shipping"] + found["tax"] == found.get("total", found.get("value"))


def render_properties(tracked_event: str, document: dict[str, Any]) -> dict[str, Any]:
    """Also of orders whose fees outweigh the goods, which the guard warns of."""
    ((_, text),) = render(tracked_event, document).calls
    properties: dict[str, Any] = orjson.loads(text)["properties"]
    return properties


@pytest.mark.parametrize("tracked_event", FITTING)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_products_are_always_an_array(tracked_event: str, count: int) -> None:
    lines = [line(f"S{number}", "1.00") for number in range(count)]
    products = call_of(tracked_event, FITTING[tracked_event] | {"line_items": lines})["properties"]["products"]
    assert [product["sku"] for product in products] == [one["sku"] for one in lines]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"product_id": "93", "price": 20}),
        ({"variation_id": 23, "parent_name": "Mug"}, {"variant": "23", "name": "Mug"}),
        ({"product_id": 0}, {"product_id": "MUG"}),
        ({"product_id": 0, "sku": ""}, {"product_id": "315"}),
        ({"subtotal": "10.00", "quantity": 3}, {"price": 3.3333, "quantity": 3}),
        ({"quantity": 0, "price": 7}, {"price": 7, "quantity": 0}),
        ({"image": {"id": 1, "src": "https://shop.example/mug.jpg"}}, {"image_url": "https://shop.example/mug.jpg"}),
    ],
)
def test_a_line_is_a_product(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    (product,) = call_of("order_completed", order(line_items=[line("MUG", "40.00", 2) | fields]))["properties"][
        "products"
    ]
    assert expected.items() <= product.items()


# --- who ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracked_event", FITTING)
@pytest.mark.parametrize(
    ("choice", "identity"),
    [
        ("email_hash", {"anonymousId": GUEST}),
        ("email", {"anonymousId": "grace@example.org"}),
        ("order_id", {"userId": str(ORDER_ID)}),
    ],
)
def test_a_guest_is_known_as_set(tracked_event: str, choice: str, identity: dict[str, str]) -> None:
    call = call_of(tracked_event, FITTING[tracked_event] | {"customer_id": 0}, guest_identity=choice)
    assert {name: call[name] for name in ("userId", "anonymousId") if name in call} == identity


@pytest.mark.parametrize("customer_id", [0, "0", None])
def test_a_guest_is_nobody_by_id(customer_id: object) -> None:
    assert call_of("order_completed", order(customer_id=customer_id))["anonymousId"] == GUEST


def test_a_guest_without_an_address_is_known_by_the_order() -> None:
    nobody = order(customer_id=0, billing={"email": ""})
    assert call_of("order_completed", nobody)["anonymousId"] == f"order_{ORDER_ID}"
    assert "traits" not in call_of("order_completed", nobody)["context"]


@pytest.mark.parametrize("tracked_event", FITTING)
def test_the_browsers_anonymous_id_goes_along_where_the_storefront_left_it(tracked_event: str) -> None:
    left = FITTING[tracked_event] | {"meta_data": [{"key": "gift", "value": "yes"}, {"key": "ajs", "value": "b-1"}]}
    known = call_of(tracked_event, left, anonymous_id_meta="ajs")
    assert (known["userId"], known["anonymousId"]) == (str(CUSTOMER_ID), "b-1")
    guest = left | {"customer_id": 0}
    assert call_of(tracked_event, guest, anonymous_id_meta="ajs")["anonymousId"] == "b-1"
    assert call_of(tracked_event, guest)["anonymousId"] == GUEST
    empty = guest | {"meta_data": [{"key": "ajs", "value": ""}]}
    assert call_of(tracked_event, empty, anonymous_id_meta="ajs")["anonymousId"] == GUEST


# --- refunds --------------------------------------------------------------------------------


def test_each_refund_is_a_fact_of_its_own() -> None:
    both = order(refunds=[refund(902, "-0.20"), refund(901, "-9.00")])
    calls = calls_of("order_refunded", both)
    assert [call["properties"]["total"] for call in calls] == [0.2, 9]
    assert [call["properties"]["products"] for call in calls] == [[], []]
    assert {(call["userId"], call["properties"]["currency"]) for call in calls} == {(str(CUSTOMER_ID), "EUR")}
    assert facts("order_refunded", both)[1:] == facts("order_refunded", order(refunds=[refund(901, "-9.00")]))
    assert facts("order_refunded", both)[1] == message_id("shop", f"order_refunded/{ORDER_ID}/901")


@pytest.mark.parametrize("refunds", [None, [], [refund(1, "0.00")], [refund(1, "-0.00")], [{"id": 1}]])
def test_without_money_back_there_is_no_refund(refunds: object) -> None:
    assert calls_of("order_refunded", order(refunds=refunds)) == []


# --- customers ------------------------------------------------------------------------------


@pytest.mark.parametrize("tracked_event", ["customer_created", "customer_updated"])
def test_a_customer_is_identified(tracked_event: str) -> None:
    call = call_of(tracked_event, customer(), tracked_event.replace("_", "."))
    assert (call["type"], call["userId"]) == ("identify", str(CUSTOMER_ID))
    assert call["traits"] == {
        "email": "grace@example.org",
        "username": "grace",
        "firstName": "Grace",
        "lastName": "Example",
        "phone": "+441130000000",
        "company": {"name": "Example Ltd"},
        "address": {"street": "1 Kettle Lane, Flat 2", "city": "Leeds", "postalCode": "LS1", "country": "GB"},
        "createdAt": "2026-01-02T02:04:05.000Z",
    }


@pytest.mark.parametrize("tracked_event", ["customer_created", "customer_updated"])
def test_what_is_empty_is_not_sent(tracked_event: str) -> None:
    bare = {"id": 7, "email": "", "first_name": "", "billing": {"first_name": "", "address_1": "", "address_2": ""}}
    assert call_of(tracked_event, bare)["traits"] == {}
    named = {"id": 7, "first_name": "", "billing": {"first_name": "Ada"}}
    assert call_of(tracked_event, named)["traits"] == {"firstName": "Ada"}


def test_each_version_of_a_customer_is_a_fact() -> None:
    later = customer(date_modified_gmt=CHANGED)
    assert facts("customer_created", customer()) == facts("customer_created", later)
    assert facts("customer_updated", customer()) != facts("customer_updated", later)
    assert len(facts("customer_updated", customer(date_modified_gmt=None))) == 1


def test_a_deleted_customer_is_marked() -> None:
    assert call_of("customer_updated", {"id": 58}, "customer.deleted")["traits"] == {"deleted": True}
