"""What Segment's specification says of properties and traits, as one table.

Sources: segment-docs, pages spec/ecommerce/v2 (events, properties and products), spec/track
(reserved properties) and spec/identify (reserved traits, which may be written in snake_case too).
Nothing is mandatory there; an order event without ``order_id`` is still of no use to anyone.

The order events share one set of properties: each means the same on all of them, and the page's
own examples hold more than its tables do (`total` on Order Refunded). They may bear both `total`
and `revenue`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.templates.guard import is_time
from relay.templates.helpers.currencies import DECIMAL_PLACES


@dataclass(frozen=True, slots=True)
class Expected:
    """What a value must be; ``what`` is it in words. ``fields`` are those of an object, or of each item of an array."""

    what: str
    types: frozenset[type]
    test: Callable[[Any], bool] | None = None
    fields: Fields | None = None
    hint: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Fields:
    """What is known of an object's fields; others are the user's own. ``required`` ones carry content."""

    known: Mapping[str, Expected]
    required: tuple[str, ...] = field(default=())


def _fields(*rows: tuple[Expected, str], required: str = "") -> Fields:
    return Fields({name: expected for expected, names in rows for name in names.split()}, tuple(required.split()))


def _is_date(value: str) -> bool:
    return is_time(value if len(value) > len("2026-03-14") else f"{value}T00:00Z")


TEXT = Expected("text", frozenset({str}), hint="; $string makes one")
NUMBER = Expected("a number", frozenset({int, float}), hint="; $number makes one")
POSITIVE = Expected("a number of 0 or more", NUMBER.types, lambda value: value >= 0, hint=NUMBER.hint)
CURRENCY = Expected("a currency of ISO 4217", frozenset({str}), lambda value: value.upper() in DECIMAL_PLACES)
DATE = Expected("an ISO 8601 date or time", frozenset({str}), _is_date, hint="; $isoTime makes one")
ARRAY = Expected("an array", frozenset({list}))
TEXT_OR_NUMBER = Expected("text or a number", TEXT.types | NUMBER.types)
TEXT_OR_OBJECT = Expected("text or an object", frozenset({str, dict}))

_PRODUCT = (
    (TEXT, "product_id sku category name brand variant coupon url image_url"),
    (NUMBER, "price quantity position"),
)
PRODUCTS = Expected("an array", frozenset({list}), fields=_fields(*_PRODUCT))

RESERVED = _fields((NUMBER, "revenue value"), (CURRENCY, "currency"))
"""Of every track call."""

ADDRESS = Expected(
    "an object", frozenset({dict}), fields=_fields((TEXT, "street city state postalCode postal_code country"))
)
COMPANY = Expected(
    "an object",
    frozenset({dict}),
    fields=_fields((TEXT, "name industry plan"), (TEXT_OR_NUMBER, "id"), (NUMBER, "employee_count employeeCount")),
)
TRAITS = _fields(
    (TEXT, "avatar description email firstName first_name gender id lastName last_name name phone title username"),
    (TEXT, "website"),
    (NUMBER, "age"),
    (DATE, "birthday createdAt created_at"),
    (ADDRESS, "address"),
    (COMPANY, "company"),
)
"""Of an identify call."""

_ORDER = (
    (TEXT, "order_id checkout_id affiliation coupon"),
    (NUMBER, "value subtotal total revenue shipping tax"),
    (POSITIVE, "discount"),
    (CURRENCY, "currency"),
    (PRODUCTS, "products"),
)
_CART_PRODUCT = ((TEXT, "cart_id"), *_PRODUCT)
_WISH = ((TEXT, "wishlist_id wishlist_name"), *_PRODUCT)
_PROMOTION = ((TEXT, "promotion_id creative name position"),)
_CHECKOUT_STEP = ((TEXT, "checkout_id shipping_method payment_method"), (NUMBER, "step"))
_COUPON = ((TEXT, "order_id cart_id coupon_id"),)
_NAMED_COUPON = ((TEXT, "order_id cart_id coupon_id coupon_name"), (POSITIVE, "discount"))
_SHARE = ((TEXT, "share_via share_message recipient"),)

EVENTS: Mapping[str, Fields] = {
    name: Fields({**RESERVED.known, **fields.known}, fields.required)
    for name, fields in {
        # Browsing
        "Products Searched": _fields((TEXT_OR_OBJECT, "query")),
        "Product List Viewed": _fields((TEXT, "list_id category"), (PRODUCTS, "products")),
        "Product List Filtered": _fields((TEXT, "list_id category"), (ARRAY, "filters sorts"), (PRODUCTS, "products")),
        # Promotions
        "Promotion Viewed": _fields(*_PROMOTION),
        "Promotion Clicked": _fields(*_PROMOTION),
        # Ordering
        "Product Clicked": _fields(*_PRODUCT),
        "Product Viewed": _fields(*_PRODUCT),
        "Product Added": _fields(*_CART_PRODUCT),
        "Product Removed": _fields(*_CART_PRODUCT),
        "Cart Viewed": _fields((TEXT, "cart_id"), (PRODUCTS, "products")),
        "Checkout Started": _fields(*_ORDER),
        "Checkout Step Viewed": _fields(*_CHECKOUT_STEP),
        "Checkout Step Completed": _fields(*_CHECKOUT_STEP),
        "Payment Info Entered": _fields((TEXT, "order_id"), *_CHECKOUT_STEP),
        "Order Completed": _fields(*_ORDER, required="order_id"),
        "Order Updated": _fields(*_ORDER, required="order_id"),
        "Order Refunded": _fields(*_ORDER, required="order_id"),
        "Order Cancelled": _fields(*_ORDER, required="order_id"),
        # Coupons
        "Coupon Entered": _fields(*_COUPON),
        "Coupon Applied": _fields(*_NAMED_COUPON),
        "Coupon Denied": _fields((TEXT, "reason"), *_NAMED_COUPON),
        "Coupon Removed": _fields(*_NAMED_COUPON),
        # Wish lists
        "Product Added to Wishlist": _fields(*_WISH),
        "Product Removed from Wishlist": _fields(*_WISH),
        "Wishlist Product Added to Cart": _fields((TEXT, "cart_id"), *_WISH),
        # Sharing and reviewing
        "Product Shared": _fields(*_SHARE, *_PRODUCT),
        "Cart Shared": _fields((TEXT, "cart_id"), *_SHARE, (PRODUCTS, "products")),
        "Product Reviewed": _fields((TEXT, "product_id review_id review_body rating")),
    }.items()
}
"""Properties by the name of the event; the reserved ones are among them."""
