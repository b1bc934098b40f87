"""The five packaged order templates, by what they make of an order."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.templates.helpers.currencies import DECIMAL_PLACES
from relay.templates.rendering import RenderResult, message_id
from tests.templates.making import CUSTOMER_ID, EMAIL, ORDER_EVENTS, ORDER_ID, call_of, line, order, packaged, render

WITH_TOTALS = [event for event in ORDER_EVENTS if event != "order_refunded"]
GUEST = "guest_" + sha256(EMAIL.lower().encode()).hexdigest()


def guest_order(**more: Any) -> dict[str, Any]:
    return order(relationships={}, **more)


def fact(tracked_event: str, document: dict[str, Any], topic: str = "order.paid") -> str:
    ((identity, _),) = render(packaged(tracked_event), document, topic).calls
    return identity


def test_order_completed_whole() -> None:
    assert call_of("order_completed", order(), affiliation="Example Shop") == {
        "type": "track",
        "event": "Order Completed",
        "userId": CUSTOMER_ID,
        "timestamp": "2026-03-14T09:26:53.045Z",
        "context": {
            "traits": {"email": "grace@example.org", "name": "Grace Example"},
            "library": {"name": "relay", "version": "0.1.0"},
        },
        "properties": {
            "order_id": ORDER_ID,
            "affiliation": "Example Shop",
            "subtotal": 36,
            "revenue": 36,
            "shipping": 5,
            "tax": 8.2,
            "discount": 4,
            "total": 49.2,
            "currency": "EUR",
            "products": [
                {"product_id": "product-MUG", "sku": "MUG", "name": "The MUG", "price": 20, "quantity": 2},
            ],
        },
    }


@pytest.mark.parametrize(
    ("tracked_event", "name", "own"),
    [
        ("checkout_started", "Checkout Started", {"value"}),
        ("order_completed", "Order Completed", {"subtotal", "total"}),
        ("order_updated", "Order Updated", {"total"}),
        ("order_cancelled", "Order Cancelled", {"total"}),
    ],
)
def test_each_event_has_the_properties_of_the_specification(tracked_event: str, name: str, own: set[str]) -> None:
    call = call_of(tracked_event, order(), affiliation="Example Shop")
    shared = {"order_id", "affiliation", "revenue", "shipping", "tax", "discount", "currency", "products"}
    assert (call["type"], call["event"]) == ("track", name)
    assert set(call["properties"]) == shared | own
    assert call["properties"].get("value", call["properties"].get("total")) == 49.2


@given(
    st.sampled_from(["JPY", "EUR", "KWD", "CLF"]),
    st.integers(0, 10**9),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
)
def test_the_totals_add_up_to_the_smallest_unit(
    currency: str, goods: int, tax: int, shipping: int, discount: int
) -> None:
    totals = {"with_tax": goods + tax + shipping, "without_tax": goods + shipping, "tax": tax, "shipping": shipping}
    document = order([line("A", 5, currency=currency)], currency=currency, totals={**totals, "discount": -discount})
    text = render(packaged("order_completed"), document).calls[0][1]
    properties = orjson.loads(text)["properties"]
    found = {name: Decimal(repr(properties[name])) for name in ("revenue", "shipping", "tax", "total", "discount")}
    assert found["revenue"] + found["shipping"] + found["tax"] == found["total"]
    assert found["total"] == Decimal(totals["with_tax"]).scaleb(-DECIMAL_PLACES[currency])
    assert found["discount"] == Decimal(discount).scaleb(-DECIMAL_PLACES[currency])
    assert min(found.values()) >= 0


@pytest.mark.parametrize("tracked_event", WITH_TOTALS)
def test_what_the_order_lacks_is_left_out_and_a_given_zero_is_kept(tracked_event: str) -> None:
    properties = call_of(tracked_event, order(totals={"with_tax": 10000, "without_tax": 10000, "tax": 0}))["properties"]
    assert not {"discount", "shipping", "coupon", "affiliation"} & set(properties)
    assert properties["tax"] == 0
    assert properties["revenue"] == 100


@pytest.mark.parametrize("tracked_event", WITH_TOTALS)
@pytest.mark.parametrize("lines", [[], [line("A", 100)], [line("A", 100), line("B", 200)]], ids=["0", "1", "2"])
def test_products_are_always_an_array(tracked_event: str, lines: list[dict[str, Any]]) -> None:
    products = call_of(tracked_event, order(lines))["properties"]["products"]
    assert [product["sku"] for product in products] == [item["sku"] for item in lines]


def test_promotions_and_shipping_lines_are_no_products() -> None:
    lines = [
        line("MUG", 2000, 2),
        line("TEN-OFF", -400, type="promotion_item", product_id=""),
        line("OLD-PROMO", -100),
        line("FREE-GIFT", 0),
        line("STANDARD-DELIVERY", 500, product_id=""),
    ]
    properties = call_of("order_completed", order(lines), shipping_skus=["STANDARD-DELIVERY"])["properties"]
    assert [product["sku"] for product in properties["products"]] == ["MUG", "FREE-GIFT"]
    assert properties["coupon"] == "TEN-OFF"
    assert properties["discount"] == 4


def test_a_shipping_line_gives_the_shipping_when_the_order_has_no_total_for_it() -> None:
    totals = {"with_tax": 4720, "without_tax": 4500, "tax": 220}
    lines = [line("MUG", 2000, 2), line("DHL", 400), line("DHL", 100)]
    properties = call_of("order_completed", order(lines, totals=totals), shipping_skus=["DHL"])["properties"]
    assert (properties["shipping"], properties["revenue"]) == (5, 40)
    without = call_of("order_completed", order(lines, totals=totals))["properties"]
    assert "shipping" not in without
    assert len(without["products"]) == 3


def test_the_coupon_is_a_code_before_the_sku_of_a_promotion() -> None:
    lines = [line("PROMO", -400), line("A", 100, discounts=[{"code": "", "id": "1"}, {"code": "SPRING10", "id": "2"}])]
    assert call_of("order_completed", order(lines))["properties"]["coupon"] == "SPRING10"


def test_the_price_is_that_before_promotions() -> None:
    discounted = line("A", 10000)
    discounted["meta"]["display_price"]["with_tax"]["unit"]["amount"] = 6000
    (product,) = call_of("order_completed", order([discounted]))["properties"]["products"]
    assert product["price"] == 100
    del discounted["unit_price"]
    (product,) = call_of("order_completed", order([discounted]))["properties"]["products"]
    assert product["price"] == 60


@pytest.mark.parametrize(("more", "expected"), [({"product_id": ""}, "A"), ({"product_id": "", "sku": ""}, "line-A")])
def test_a_custom_item_has_no_product_id(more: dict[str, Any], expected: str) -> None:
    (product,) = call_of("order_completed", order([line("A", 100) | more]))["properties"]["products"]
    assert product["product_id"] == expected


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("email_hash", {"anonymousId": GUEST}),
        ("email", {"anonymousId": "grace@example.org"}),
        ("order_id", {"userId": ORDER_ID}),
    ],
)
def test_a_guest_is_known_as_the_setting_says(tracked_event: str, setting: str, expected: dict[str, str]) -> None:
    call = call_of(tracked_event, guest_order(), guest_identity=setting)
    assert {name: call[name] for name in ("userId", "anonymousId") if name in call} == expected
    registered = call_of(tracked_event, order(), guest_identity=setting)
    assert registered["userId"] == CUSTOMER_ID
    assert "anonymousId" not in registered


@pytest.mark.parametrize("setting", ["email_hash", "email"])
@pytest.mark.parametrize("customer", [None, {}, {"name": "", "email": ""}, {"email": "  "}])
def test_a_guest_without_an_address_is_known_by_the_order(setting: str, customer: dict[str, str] | None) -> None:
    call = call_of("order_completed", guest_order(customer=customer), guest_identity=setting)
    assert call["anonymousId"] == f"order_{ORDER_ID}"
    assert "userId" not in call
    assert "traits" not in call["context"]


def test_a_checkout_for_an_account_has_a_contact() -> None:
    related = {
        "account": {"data": {"type": "account", "id": "acme"}},
        "account_member": {"data": {"type": "account_member", "id": "grace"}},
    }
    contact = {"name": "Grace Example", "email": EMAIL}
    call = call_of("order_completed", order(customer=None, contact=contact, relationships=related))
    assert (call["userId"], call["context"]["groupId"]) == ("grace", "acme")
    assert call["context"]["traits"] == {"email": "grace@example.org", "name": "Grace Example"}
    without_member = order(customer=None, contact=contact, relationships={"account": related["account"]})
    assert call_of("order_completed", without_member)["anonymousId"] == GUEST


@pytest.mark.parametrize("tracked_event", ORDER_EVENTS)
def test_an_anonymised_order_makes_no_call(tracked_event: str) -> None:
    document = order(anonymized=True, customer={"name": "*****", "email": "*****"})
    assert render(packaged(tracked_event), document) == RenderResult([], [])
    assert render(packaged(tracked_event), order(anonymized=False)).calls


@pytest.mark.parametrize("tracked_event", ["checkout_started", "order_completed", "order_cancelled"])
def test_these_happen_once_to_an_order(tracked_event: str) -> None:
    later = order(status="cancelled", payment="refunded")
    later["payload"]["data"]["meta"]["timestamps"]["updated_at"] = "2027-01-01T00:00:00Z"
    assert fact(tracked_event, order()) == fact(tracked_event, later, "order.fulfilled")
    assert fact(tracked_event, order()) == message_id("shop", f"{tracked_event}/{ORDER_ID}")
    assert fact(tracked_event, order(id="another")) != fact(tracked_event, order())


def test_every_version_of_an_order_is_a_fact() -> None:
    first = order()
    moved = order()
    moved["payload"]["data"]["meta"]["timestamps"]["updated_at"] = "2027-01-01T00:00:00Z"
    facts = {fact("order_updated", document) for document in (first, moved, order(shipping="fulfilled"))}
    assert len(facts) == 3
    assert fact("order_updated", order()) == fact("order_updated", first)
    assert fact("order_updated", order()) != fact("order_completed", order())


def test_an_order_without_a_time_of_change_is_told_apart_by_its_delivery() -> None:
    document = order()
    del document["payload"]["data"]["meta"]["timestamps"]
    expected = f"order_updated/{ORDER_ID}/delivery-1/complete,paid,unfulfilled"
    assert fact("order_updated", document) == message_id("shop", expected)


def refund(identity: str, amount: int, at: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "transaction",
        "id": identity,
        "transaction_type": "refund",
        "status": "complete",
        "amount": 4920,
        "refunded_amount": amount,
        "currency": "EUR",
        "meta": {"timestamps": {"created_at": at}},
        **more,
    }


def refunded(*transactions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return order(included={"transactions": list(transactions)}, **more)


def test_a_whole_refund_without_transactions_is_the_order_s_total() -> None:
    properties = call_of("order_refunded", order(payment="refunded"))["properties"]
    assert (properties["total"], len(properties["products"])) == (49.2, 1)


def test_a_refund_in_part_without_transactions_has_no_total() -> None:
    properties = call_of("order_refunded", order(payment="paid"))["properties"]
    assert properties == {"order_id": ORDER_ID, "currency": "EUR"}


def test_with_transactions_the_refund_is_the_newest_completed_one() -> None:
    document = refunded(
        refund("first", 1000, "2026-03-20T10:00:00Z"),
        refund("newest", 1500, "2026-03-21T01:00:00+02:00"),
        refund("older", 500, "2026-03-20T22:59:59Z"),
        refund("pending", 700, "2026-03-22T00:00:00Z", status="pending"),
        refund("paid", 4920, "2026-03-23T00:00:00Z", transaction_type="purchase"),
        payment="refunded",
    )
    properties = call_of("order_refunded", document)["properties"]
    assert properties == {"order_id": ORDER_ID, "total": 15, "currency": "EUR"}
    assert fact("order_refunded", document) == message_id("shop", f"order_refunded/{ORDER_ID}/newest")


def test_with_transactions_a_whole_refund_lists_the_products() -> None:
    properties = call_of("order_refunded", refunded(refund("all", 4920, "2026-03-20T10:00:00Z")))["properties"]
    assert properties["total"] == 49.2
    assert [product["sku"] for product in properties["products"]] == ["MUG"]


def test_every_refund_is_a_fact() -> None:
    first = refunded(refund("r1", 1000, "2026-03-20T10:00:00Z"))
    second = refunded(refund("r1", 1000, "2026-03-20T10:00:00Z"), refund("r2", 1000, "2026-03-21T10:00:00Z"))
    assert fact("order_refunded", first) != fact("order_refunded", second)
    assert fact("order_refunded", order()) == fact("order_refunded", order(payment="refunded"))


@pytest.mark.parametrize("heading", ["Who", "What", "How much"])
def test_shared_parts_are_the_same_in_every_order_template(heading: str) -> None:
    """JSONata has no include; an order template can be read and edited by itself, so parts are repeated."""
    parts = set()
    for tracked_event in WITH_TOTALS if heading == "How much" else ORDER_EVENTS:
        _, _, rest = packaged(tracked_event).text.partition(f"  /* ---- {heading} (")
        assert rest
        parts.add(rest.partition("\n\n")[0])
    assert len(parts) == 1


def test_an_order_without_an_id_is_a_clear_failure() -> None:
    with pytest.raises(Exception, match=r"order_completed.jsonata:\d+:\d+: \$messageKey: part 2 is empty"):
        render(packaged("order_completed"), order(id=None))
