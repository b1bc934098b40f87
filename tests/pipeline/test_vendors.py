"""From an Elastic Path webhook to every vendor, through a running relay."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from relay.model import Selection
from tests.logbook import Logbook
from tests.pipeline.vendors import (
    CLICK,
    EVERFLOW_TOKEN,
    ORIGIN,
    SECRETS,
    SEGMENTIFY_KEY,
    Vendors,
    changed,
    ends,
    everything_kept,
    of_type,
    sample,
    selling,
    story,
)
from tests.posting import plain_client, post
from tests.running import drained
from tests.sources import shopify_making as shopify
from tests.templates.shopify_making import order, refund

USER = "srv_" + hashlib.sha256(b"CUST-42").hexdigest()
COMMON = {"device": "PC", "lang": "EN", "pageUrl": f"{ORIGIN}/", "referrer": "", "userId": USER}
LINES = [
    {"productId": "P-10", "price": 40.0, "currency": "EUR", "quantity": 2},
    {"productId": "P-11", "price": 10.0, "currency": "EUR", "quantity": 1},
]


async def test_the_sample_order_makes_the_documented_requests(tmp_path: Path) -> None:
    vendors = Vendors()
    async with selling(tmp_path, vendors, "segmentify", "everflow", "ometria") as relay:
        await post(relay, [sample("order.paid")])
        await drained(relay)

    (came,) = vendors.segmentify.requests
    assert (came.method, came.path, came.query) == ("POST", "/add/events/v1.json", {"apiKey": SEGMENTIFY_KEY})
    assert [came.headers[name] for name in ("origin", "content-type", "accept")] == [
        ORIGIN,
        "application/json",
        "application/json",
    ]
    assert came.json == [
        {
            **COMMON,
            "name": "CHECKOUT",
            "step": "purchase",
            "sessionId": "srv_ORD-1001",
            "orderNo": "ORD-1001",
            "totalPrice": 103.2,
            "currency": "EUR",
            "productList": LINES,
        }
    ]

    (came,) = vendors.everflow.requests
    assert (came.method, came.path, came.body) == ("GET", "/", b"")
    assert came.query == {
        "nid": "5",
        "transaction_id": CLICK,
        "event_id": "0",
        "amount": "103.20",
        "currency": "EUR",
        "order_id": "ORD-1001",
        "coupon_code": "SPRING10",
        "timestamp": "1773480413",
        "verification_token": EVERFLOW_TOKEN,
    }

    came = next(came for came in vendors.ometria.requests if came.method == "POST")
    assert (came.path, came.headers["content-type"]) == ("/v2/push", "application/json")
    assert came.json == [
        {
            "@type": "order",
            "id": "ORD-1001",
            "web_id": "ORD-1001",
            "timestamp": "2026-03-14T09:26:53Z",
            "status": "complete",
            "is_valid": True,
            "currency": "EUR",
            "subtotal": 81.0,
            "discount": -9.0,
            "shipping": 5.0,
            "tax": 17.2,
            "grand_total": 103.2,
            "coupon_code": "SPRING10",
            "store": "Example Shop",
            "customer": {"id": "CUST-42", "email": "ada@example.com", "firstname": "Ada", "lastname": "Example"},
            "shipping_address": {"city": "Leeds", "country_code": "GB"},
            "lineitems": [
                {"product_id": "P-10", "sku": "SKU-10-RED-M", "quantity": 2, "unit_price": 40.0, "subtotal": 80.0},
                {"product_id": "P-11", "sku": "SKU-11", "quantity": 1, "unit_price": 10.0, "subtotal": 10.0},
            ],
        }
    ]


async def test_a_whole_story_at_all_vendors_at_once(tmp_path: Path, logbook: Logbook) -> None:
    vendors = Vendors()
    async with selling(tmp_path, vendors) as relay:
        events = await post(relay, story())
        await drained(relay)
        told = [await ends(relay, event) for event in events]
        kept = await everything_kept(relay, events)

    delivered, no_id = ("delivered", "accepted"), ("skipped", "not_applicable")
    assert [one["segment"] for one in told] == [delivered] * 6
    assert [one["segmentify"] for one in told] == [*[delivered] * 3, ("skipped", "no_mapping"), *[delivered] * 2]
    assert [one["everflow"] for one in told] == [
        ("skipped", "no_mapping"),
        no_id,
        delivered,
        no_id,
        delivered,
        delivered,
    ]
    assert [one["ometria"] for one in told] == [delivered, ("skipped", "mapping_empty"), *[delivered] * 4]

    # The customer's story goes beside the order's.
    stored = sorted(vendors.segmentify.stored, key=lambda one: one["name"] != "USER_OPERATIONS")
    assert [(one["name"], one.get("step", one.get("type"))) for one in stored] == [
        ("USER_OPERATIONS", "signup"),
        ("CHECKOUT", "customer"),
        ("CHECKOUT", "purchase"),
        ("CUSTOM_EVENT", "order_refunded"),
        ("CUSTOM_EVENT", "order_cancelled"),
    ]
    assert vendors.segmentify.warnings == []
    assert {one["userId"] for one in vendors.segmentify.stored} == {USER}
    (conversion,) = vendors.everflow.conversions
    assert conversion["reversed"]
    assert vendors.everflow.rejections == []
    assert vendors.ometria.errors == []
    assert [invoice["paid"] for invoice in vendors.segmetrics.invoices.values()] == [0]
    assert [contact["contact_id"] for contact in vendors.segmetrics.contacts] == ["CUST-42"]
    (contact,) = of_type(vendors.ometria.records, "contact")
    assert (contact["customer_id"], contact["email"]) == ("CUST-42", "ada@example.com")
    (order,) = of_type(vendors.ometria.records, "order")
    assert (order["status"], order["is_valid"], order["timestamp"]) == ("cancelled", False, "2026-03-14T09:26:53Z")
    assert [line["quantity_refunded"] for line in order["lineitems"]] == [2, 1]

    written = logbook.stream.getvalue() + kept
    assert not [secret for secret in SECRETS if secret in written]


async def test_shopify_at_all_vendors_at_once(tmp_path: Path) -> None:
    """Its refund names no customer and holds no order: what was said of the order before does."""
    vendors = Vendors()
    click = [{"name": "everflow_transaction_id", "value": CLICK}]
    came = [
        shopify.webhook(order(note_attributes=click), topic="orders/paid", webhook_id="w-1"),
        shopify.webhook(refund(), topic="refunds/create", webhook_id="w-2"),
        shopify.webhook(
            order(note_attributes=click, cancelled_at="2026-03-02T10:00:00Z"),
            topic="orders/cancelled",
            webhook_id="w-3",
        ),
    ]
    shop = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": shopify.SECRET}
    async with selling(tmp_path, vendors, **shop) as relay, plain_client(timeout=30) as client:
        for webhook in came:
            answer = await client.post(
                f"{relay.url}/webhooks/shop", content=webhook.body, headers=dict(webhook.headers)
            )
            assert answer.status_code == 200
        await drained(relay)
        told = [event.outcomes for event in await relay.journal.find(Selection(), limit=10)]

    assert not [outcome for outcomes in told for outcome in outcomes if outcome.startswith("dead")]
    (stored,) = vendors.ometria.records
    assert (stored["id"], stored["status"], stored["is_valid"]) == (str(shopify.ORDER_ID), "cancelled", False)
    assert any("quantity_refunded" in line for line in stored["lineitems"])
    assert vendors.ometria.errors == []
    (conversion,) = vendors.everflow.conversions
    assert conversion["reversed"]
    assert [one["name"] for one in vendors.segmentify.stored] == ["CHECKOUT", "CUSTOM_EVENT", "CUSTOM_EVENT"]
    assert list(vendors.segmetrics.invoices) == [str(shopify.ORDER_ID)]
    assert [call["event"] for call in vendors.segment.stored] == [
        "Order Completed",
        "Order Refunded",
        "Order Cancelled",
    ]


async def test_products_go_to_the_catalogue_when_they_are_switched_on(tmp_path: Path) -> None:
    vendors = Vendors()
    product = {
        "type": "product",
        "id": "P-10",
        "name": "Wool Scarf",
        "sku": "SKU-10",
        "price": [{"amount": 4_000, "currency": "EUR"}],
        "status": "live",
        "meta": {"timestamps": {"updated_at": "2026-03-14T09:26:53Z"}},
    }
    came = [
        {"id": f"w-{topic}", "triggered_by": topic, "payload": payload}
        for topic, payload in (
            ("product.created", {"data": product}),
            ("product.updated", {"data": {**product, "name": "Warm Scarf"}}),
            ("product.deleted", {"type": "product", "id": "P-10"}),
        )
    ]
    on = {
        f"SOURCES__ELASTICPATH__TRACKING__PRODUCT_{what.upper()}": f"product.{what}"
        for what in ("created", "updated", "deleted")
    }
    async with selling(tmp_path, vendors, "ometria", **on) as relay:
        events = await post(relay, map(orjson.dumps, came))
        await drained(relay)
        assert [await ends(relay, event) for event in events] == [{"ometria": ("delivered", "accepted")}] * 3

    (stored,) = vendors.ometria.records
    assert (stored["@type"], stored["id"], stored["title"], stored["price"]) == ("product", "P-10", "Warm Scarf", 40)
    assert stored["is_active"] is False


async def test_a_refund_of_a_part(tmp_path: Path) -> None:
    vendors = Vendors()
    refund = {
        "type": "transaction",
        "id": "T-1",
        "transaction_type": "refund",
        "status": "complete",
        "refunded_amount": 4_000,
        "meta": {"timestamps": {"created_at": "2026-03-20T10:00:00Z"}},
    }
    paid = sample("order.paid")
    included = {**orjson.loads(paid)["payload"]["included"], "transactions": [refund]}
    async with selling(tmp_path, vendors) as relay:
        _, event = await post(relay, [paid, changed(sample("order.refunded", payment="paid"), included=included)])
        await drained(relay)
        told = await ends(relay, event)

    assert told["everflow"] == ("skipped", "not_applicable")
    assert not vendors.everflow.conversions[0]["reversed"]
    assert vendors.segmentify.stored[-1]["params"] == {"order_id": "ORD-1001", "total": 40.0, "currency": "EUR"}
    (order,) = vendors.ometria.records
    assert (order["status"], order["is_valid"], order["total_refunded"]) == ("complete", True, 40.0)


async def test_a_guest_yen_unicode_and_many_lines(tmp_path: Path) -> None:
    vendors = Vendors()
    guest = sample(
        "order.paid",
        order="ORD-GUEST",
        click="",
        relationships={},
        customer={"name": "Žofie Černá 🎁", "email": "Zofie@Example.com"},
    )
    yen = orjson.loads(sample("order.paid", order="ORD-YEN").replace(b'"EUR"', b'"JPY"'))
    lines = [
        {"type": "order_item", "id": f"l{n}", "product_id": f"P{n}", "sku": f"S{n}", "name": f"N{n}", "quantity": 1,
         "unit_price": {"amount": n, "currency": "EUR"}}
        for n in range(250)
    ]  # fmt: skip
    many = changed(sample("order.paid", order="ORD-MANY", click=""), included={"items": lines})
    async with selling(tmp_path, vendors, "segmentify", "everflow", "ometria") as relay:
        events = await post(relay, [guest, orjson.dumps(yen), many])
        await drained(relay)
        told = [await ends(relay, event) for event in events]

    assert [one["ometria"] for one in told] == [("delivered", "accepted")] * 3
    assert [one["segmentify"] for one in told] == [("delivered", "accepted")] * 3
    assert [one["everflow"][0] for one in told] == ["skipped", "delivered", "skipped"]
    orders = {order["id"]: order for order in vendors.ometria.records}
    assert orders["ORD-GUEST"]["customer"] == {
        "email": "zofie@example.com",
        "firstname": "Žofie",
        "lastname": "Černá 🎁",
    }
    assert (orders["ORD-YEN"]["grand_total"], orders["ORD-YEN"]["lineitems"][0]["unit_price"]) == (10_320, 4_000)
    assert vendors.everflow.conversions[0]["amount"] == "10320"
    assert [line["product_id"] for line in orders["ORD-MANY"]["lineitems"]] == [f"P{n}" for n in range(250)]
    sold = {event["orderNo"]: event for event in vendors.segmentify.stored}
    assert sold["ORD-GUEST"]["userId"] == "srv_" + hashlib.sha256(b"zofie@example.com").hexdigest()
    assert len(sold["ORD-MANY"]["productList"]) == 250
    assert vendors.segmentify.warnings == []
