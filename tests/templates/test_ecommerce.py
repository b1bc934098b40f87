from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.codes import CODES
from relay.templates.ecommerce import EVENTS, TRAITS
from relay.templates.guard import check_shape
from relay.templates.rendering import RenderResult, Warned, render_calls
from relay.templates.specification import MOST_FINDINGS, departures, nearest_event
from tests.templates.making import CUSTOMER_EVENTS, ENGINE, ORDER_EVENTS, bindings, customer, of_text, order, packaged
from tests.templates.making import render as rendered

PRODUCT = {
    "product_id": "P-10",
    "sku": "SKU-10-RED-M",
    "name": "Wool Scarf",
    "category": "Scarves",
    "brand": "Northern",
    "variant": "red / M",
    "price": 40.0,
    "quantity": 2,
    "coupon": "SPRING10",
    "position": 1,
    "url": "https://shop.example/p-10",
    "image_url": "https://shop.example/p-10.jpg",
}
ORDER: dict[str, Any] = {
    "order_id": "ORD-1001",
    "affiliation": "Example Shop",
    "subtotal": 81.0,
    "total": 103.2,
    "revenue": 81,
    "shipping": 5.0,
    "tax": 17.2,
    "discount": 9.0,
    "coupon": "SPRING10",
    "currency": "EUR",
    "products": [PRODUCT, {"product_id": "P-11", "price": 10, "quantity": 1}],
}
TRAITS_GIVEN: dict[str, Any] = {
    "email": "ada@example.com",
    "first_name": "Ada",
    "lastName": "Example",
    "phone": "+441632960001",
    "birthday": "1815-12-10",
    "createdAt": "2025-11-02T08:00:00.000Z",
    "age": 36,
    "address": {"street": "1 Example Road", "city": "London", "postalCode": "N1", "county": "Middlesex"},
    "company": {"id": 7, "name": "Example", "employee_count": 12},
}


def track(event: str = "Order Completed", changes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "userId": "u",
        "properties": {**deepcopy(ORDER), **(changes or {}), **more},
    }


def identify(**more: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "u", "traits": {**deepcopy(TRAITS_GIVEN), **more}}


def told(call: dict[str, Any]) -> list[str]:
    """What is said of a call, which the guard itself lets pass."""
    assert check_shape(call) is None
    found = departures(call)
    assert all(finding.code == "guard_spec" for finding in found)
    return [finding.detail for finding in found]


CONFORMING: list[dict[str, Any]] = [
    track(),
    *(track(event) for event in ("Checkout Started", "Order Updated", "Order Refunded", "Order Cancelled")),
    track("Order Refunded", {"products": []}),
    track(coupon=None, discount=None),
    track(discount=0),
    track(total=-103.2, revenue=-81),  # A refund is written so for Google Analytics.
    track(currency="eur"),
    track(gift_note="for Grace", order_number=1001, total_tax="17.20", variant_ids=[1], shipping_method="post"),
    track(coupons=["A", "B"], discounts=[{"code": "A"}], tags=["x"], price=None),
    track("Order Refunded", {"value": 3.5, "refund_id": "r"}),
    track("Fulfillment Created", {"price": "40.00", "name": {"en": "Scarf"}}),
    {"type": "track", "event": "Products Searched", "userId": "u", "properties": {"query": {"text": "scarf"}}},
    {"type": "track", "event": "Product Added", "userId": "u", "properties": PRODUCT},
    {"type": "track", "event": "Promotion Viewed", "userId": "u", "properties": {"position": "home_banner_top"}},
    {"type": "track", "event": "Product Reviewed", "userId": "u", "properties": {"rating": "5"}},
    {"type": "track", "event": "Signed Up", "userId": "u"},
    identify(),
    identify(vip=True, externalRef=7, plan="gold", loyalty={"points": "7"}),
    {"type": "identify", "userId": "u"},
    {"type": "page", "userId": "u", "properties": {"reveneu": "12"}},
]

DEPARTING: list[tuple[str, dict[str, Any]]] = [
    ("`properties.total` is text, not a number; $number makes one", track(total="12.50")),
    ("`properties.revenue` is an array, not a number; $number makes one", track(revenue=[1])),
    ("`properties.tax` is true or false, not a number; $number makes one", track(tax=True)),
    ("`properties.discount` is not a number of 0 or more", track(discount=-9)),
    ("`properties.currency` is not a currency of ISO 4217", track(currency="Euro")),
    ("`properties.currency` is not a currency of ISO 4217", track(currency="XYZ")),
    ("`properties.currency` is a number, not a currency of ISO 4217", track(currency=978)),
    ("`properties.order_id` is a number, not text; $string makes one", track(order_id=1001)),
    ("`properties.order_id` is missing or empty", track(order_id="")),
    ("`properties.order_id` is missing or empty", track(order_id=None)),
    ("`properties.products[1].price` is text, not a number; $number makes one",
     track(products=[{"price": 1}, {"price": "40.00"}, {"price": "1"}])),
    ("`properties.products[0].sku` is a number, not text; $string makes one", track(products=[{"sku": 7}])),
    ("`properties.products[0].quantiy`: did you mean `quantity`?", track(products=[{"quantiy": 2}])),
    ("`properties.revenue` is text, not a number; $number makes one",
     {"type": "track", "event": "Signed Up", "userId": "u", "properties": {"revenue": "5"}}),
    ("`properties.filters` is text, not an array",
     {"type": "track", "event": "Product List Filtered", "userId": "u", "properties": {"filters": "red"}}),
    ("`event` is `Order Canceled`: did you mean `Order Cancelled`?", track("Order Canceled")),
    ("`event` is `order_completed`: did you mean `Order Completed`?", track("order_completed")),
    ("`event` is `Order Complete`: did you mean `Order Completed`?", track("Order Complete")),
    ("`traits.createdAt` is not an ISO 8601 date or time", identify(createdAt="14.03.2026")),
    ("`traits.createdAt` is a number, not an ISO 8601 date or time; $isoTime makes one", identify(createdAt=17734804)),
    ("`traits.phone` is a number, not text; $string makes one", identify(phone=441632960001)),
    ("`traits.address` is text, not an object", identify(address="1 Example Road, London")),
    ("`traits.address.postcalCode`: did you mean `postalCode`?", identify(address={"postcalCode": "N1"})),
    ("`traits.company.employee_count` is text, not a number; $number makes one",
     identify(company={"employee_count": "12"})),
    ("`traits.emial`: did you mean `email`?",
     {"type": "identify", "userId": "u", "traits": {"emial": "ada@example.com"}}),
]  # fmt: skip


@pytest.mark.parametrize("call", CONFORMING)
def test_what_the_specification_allows_is_fine(call: dict[str, Any]) -> None:
    assert told(call) == []


@pytest.mark.parametrize(("detail", "call"), DEPARTING, ids=[detail for detail, _ in DEPARTING])
def test_what_departs_is_told_in_words(detail: str, call: dict[str, Any]) -> None:
    assert told(call) == [detail]


def test_an_order_event_without_an_order_is_told() -> None:
    for event in ("Order Completed", "Order Updated", "Order Refunded", "Order Cancelled"):
        call = track(event)
        del call["properties"]["order_id"]
        assert told(call) == ["`properties.order_id` is missing or empty"]
        assert told({"type": "track", "event": event, "userId": "u"}) == told(call)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("reveneu", "revenue"), ("revnue", "revenue"), ("Revenue", "revenue"), ("revenuee", "revenue"),
     ("curency", "currency"), ("orderId", "order_id"), ("order-id", "order_id"), ("sub_total", "subtotal"),
     ("totl", "total"), ("product", "products"), ("discuont", "discount"), ("affilliation", "affiliation")],
)  # fmt: skip
def test_a_misspelt_property_is_told_when_the_right_one_is_not_there(written: str, meant: str) -> None:
    call = track()
    right = call["properties"].pop(meant)
    call["properties"][written] = right
    assert f"`properties.{written}`: did you mean `{meant}`?" in told(call)
    call["properties"][meant] = right
    assert told(call) == []


@pytest.mark.parametrize("name", ["x" * 5_000, "", "_", "tx", "totals", "coupon_id", "variant_id", "category_id", "値"])
def test_another_property_is_the_user_s_own(name: str) -> None:
    call = track(changes={name: 1})
    for right in ("total", "coupon"):
        del call["properties"][right]
    assert told(call) == []


def test_events_of_the_user_s_own_are_no_slips() -> None:
    for name in (
        "Order Shipped",
        "Order Packed",
        "Product Sold",
        "Signed Up",
        "Order Created",
        "Checkout Abandoned",
        "",
    ):
        assert nearest_event(name) is None


def test_many_findings_are_cut() -> None:
    traits = {**dict.fromkeys(TRAITS.known, True), "address": {"street": 1, "city": 1, "state": 1}}
    assert len(traits) + 2 > MOST_FINDINGS
    assert len(told({"type": "identify", "userId": "u", "traits": traits})) == MOST_FINDINGS
    call = track(products=[{"price": "1", "sku": 1}] * 100)
    assert len(told(call)) == 2


def test_no_value_is_quoted() -> None:
    secret = "grace@example.org"
    traits = dict.fromkeys(TRAITS.known, secret)
    properties = {name: secret for name in EVENTS["Order Completed"].known if name != "products"}
    for call in (
        {"type": "identify", "userId": secret, "traits": {**traits, secret: secret}},
        {"type": "track", "event": "Order Completed", "userId": secret, "properties": {**properties, secret: secret}},
        {"type": "track", "event": secret, "userId": secret, "properties": {secret: {secret: secret}}},
    ):
        assert secret not in "".join(told(call))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(sorted({*EVENTS["Order Completed"].known, *TRAITS.known})) | st.text(max_size=12)


@given(
    st.sampled_from(["track", "identify"]),
    st.sampled_from(sorted(EVENTS)) | st.text(min_size=1),
    st.dictionaries(names, json_values),
)
@settings(deadline=None)
def test_anything_that_the_guard_lets_pass_can_be_looked_at(kind: str, event: str, fields: dict[str, Any]) -> None:
    call = {"type": kind, "userId": "u", "event": event, "properties" if kind == "track" else "traits": fields}
    if check_shape(call) is None:
        assert len(departures(call)) <= MOST_FINDINGS


# --- through rendering -----------------------------------------------------------------------

TEXT = (
    '[{"type": "track", "event": "Order Completed", "userId": "u", "properties": {"order_id": "1", "total": "12.50", '
    '"curency": "EUR"}}, {"type": "identify", "userId": "u"}]'
)


def render(text: str, *, strict: bool) -> RenderResult:
    return render_calls(
        ENGINE,
        of_text(text),
        {},
        bindings(),
        source="shop",
        tracked_event="order_completed",
        delivery_key="delivery-1",
        occurred_at_ms=None,
        received_at_ms=0,
        strict=strict,
    )


def test_by_default_the_call_goes_with_warnings() -> None:
    result = render(TEXT, strict=False)
    assert [orjson.loads(text)["type"] for _, text in result.calls] == ["track", "identify"]
    assert result.rejected == []
    assert result.warnings == (
        Warned(0, "guard_spec", "`properties.total` is text, not a number; $number makes one"),
        Warned(0, "guard_spec", "`properties.curency`: did you mean `currency`?"),
    )
    assert "guard_spec" in CODES


def test_strict_refuses_that_call_and_no_other() -> None:
    result = render(TEXT, strict=True)
    assert [orjson.loads(text)["type"] for _, text in result.calls] == ["identify"]
    (rejected,) = result.rejected
    assert (rejected.index, rejected.code) == (0, "guard_spec")
    assert rejected.detail == (
        "`properties.total` is text, not a number; $number makes one; `properties.curency`: did you mean `currency`?"
    )
    assert result.warnings == ()


@pytest.mark.parametrize("tracked_event", [*ORDER_EVENTS, *CUSTOMER_EVENTS])
def test_the_packaged_templates_conform(tracked_event: str) -> None:
    document = order() if tracked_event in ORDER_EVENTS else customer()
    result = rendered(packaged(tracked_event), document, affiliation="Example Shop")
    assert len(result.calls) == 1
    assert result.warnings == ()
