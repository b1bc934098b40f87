from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.codes import CODES
from relay.model import PrivacyKind, PrivacyRequest, Quarantined, QuarantineId, Webhook
from relay.sources.contract import Refused
from relay.sources.shopify import Shopify
from tests.sources.making import NOW_MS
from tests.sources.shopify_making import (
    CUSTOMER_ID,
    HEADERS,
    ORDER,
    ORDER_ID,
    SECRET,
    SHOP,
    event,
    raw,
    shopify,
    signature,
    webhook,
)


def refusal(source: Shopify, came: Webhook) -> str:
    with pytest.raises(Refused) as caught:
        source.receive(came, now_ms=NOW_MS)
    assert caught.value.code in CODES
    assert SECRET not in caught.value.detail
    return caught.value.code


# --- genuine or not -------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["newer", "older"])
def test_each_configured_secret_is_accepted(secret: str) -> None:
    assert shopify("newer", "older").receive(webhook(secret=secret), now_ms=NOW_MS).topic == "orders/paid"


@pytest.mark.parametrize(
    ("presented", "code"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        (" ", "signature_missing"),
        (signature(raw(ORDER), "of another app"), "signature_mismatch"),
        (signature(raw(ORDER) + b" "), "signature_mismatch"),
        (signature(raw(ORDER)).rstrip("="), "signature_mismatch"),
        (signature(raw(ORDER)).swapcase(), "signature_mismatch"),
        (SECRET, "signature_mismatch"),
        ("\ud800", "signature_mismatch"),
    ],
)
def test_any_other_signature_is_refused(presented: str | None, code: str) -> None:
    assert refusal(shopify(), webhook(hmac_sha256=presented)) == code


def test_nothing_is_said_of_a_body_that_is_not_genuine() -> None:
    assert refusal(shopify(), webhook(b"not json", hmac_sha256="x", topic=None)) == "signature_mismatch"


def test_the_signature_is_of_the_bytes_and_not_of_what_they_mean() -> None:
    spaced = json.dumps(ORDER, indent=1).encode()
    assert shopify().receive(webhook(spaced), now_ms=NOW_MS).body == spaced
    assert refusal(shopify(), webhook(spaced, hmac_sha256=signature(raw(ORDER)))) == "signature_mismatch"


def test_an_empty_secret_lets_nobody_in() -> None:
    assert refusal(shopify(""), webhook(secret="")) == "signature_mismatch"


def test_an_open_source_asks_for_nothing() -> None:
    assert shopify(open=True).receive(webhook(hmac_sha256=None), now_ms=NOW_MS).topic == "orders/paid"


def test_the_newer_kind_of_header_names_is_understood() -> None:
    came = webhook()
    received = shopify().receive(
        Webhook({name[2:]: value for name, value in came.headers.items()}, came.body), now_ms=NOW_MS
    )
    assert (received.topic, received.delivery_key) == ("orders/paid", f"{SHOP}:orders/paid:w-1")


# --- readable or not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_not_json"),
        (b"id=1", "body_not_json"),
        (b'{"id": NaN}', "body_not_json"),
        (gzip.compress(b"{}", mtime=0), "body_not_json"),
        (b"[" * 300 + b"]" * 300, "body_not_json"),
        (b"[]", "body_not_object"),
        (b"null", "body_not_object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(body: bytes, code: str) -> None:
    assert refusal(shopify(), webhook(body)) == code


@pytest.mark.parametrize("topic", [None, "", " ", "orders\x00paid"])
def test_without_a_topic_nobody_knows_what_happened(topic: str | None) -> None:
    assert refusal(shopify(), webhook(topic=topic)) == "topic_missing"


# --- filing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, f"{SHOP}:orders/paid:w-1"),
        ({"webhook_id": None}, f"{SHOP}:orders/paid:e-1"),
        ({"webhook_id": None, "topic": "orders/updated"}, f"{SHOP}:orders/updated:e-1"),
        ({"shop_domain": None}, "orders/paid:w-1"),
        ({"shop_domain": "other.myshopify.com"}, "other.myshopify.com:orders/paid:w-1"),
    ],
)
def test_the_delivery_key_is_of_shop_topic_and_id(headers: dict[str, Any], key: str) -> None:
    assert shopify().receive(webhook(**headers), now_ms=NOW_MS).delivery_key == key


def test_without_ids_the_delivery_key_is_of_the_body() -> None:
    def key(body: object) -> str:
        return shopify().receive(webhook(body, webhook_id=None, event_id=None), now_ms=NOW_MS).delivery_key

    assert key(ORDER).startswith(f"{SHOP}:orders/paid:sha256:")
    assert key(ORDER) == key(ORDER) != key({**ORDER, "id": ORDER_ID + 1})


@pytest.mark.parametrize(
    ("topic", "body", "entity"),
    [
        ("orders/paid", ORDER, f"order:{ORDER_ID}"),
        ("orders/edited", {"order_edit": {"id": 5, "order_id": 7}}, "order:7"),
        ("refunds/create", {"id": 5, "order_id": ORDER_ID}, f"order:{ORDER_ID}"),
        ("fulfillments/update", {"id": 5, "order_id": 7}, "order:7"),
        ("order_transactions/create", {"id": 5, "order_id": 7}, "order:7"),
        ("checkouts/create", {"id": 5, "token": "t"}, "checkout:5"),
        ("customers/update", {"id": CUSTOMER_ID}, f"customer:{CUSTOMER_ID}"),
        ("customers/delete", {"id": 5}, "customer:5"),
        ("customers/redact", {"shop_id": 1, "customer": {"id": 5}}, "customer:5"),
        ("customers/data_request", {"shop_id": 1, "customer": {"id": 5}, "id": 9}, "customer:5"),
        ("shop/redact", {"shop_id": 1}, f"event:{SHOP}:shop/redact:w-1"),
        ("orders/paid", {"id": 1.5}, f"event:{SHOP}:orders/paid:w-1"),
    ],
)
def test_the_entity_is_what_must_stay_in_order(topic: str, body: dict[str, Any], entity: str) -> None:
    assert shopify().receive(webhook(body, topic=topic), now_ms=NOW_MS).entity == entity


@pytest.mark.parametrize(
    ("triggered_at", "body", "at_ms"),
    [
        ("2026-03-01T14:05:01.250Z", ORDER, 1_772_373_901_250),
        (None, ORDER, 1_772_373_900_000),
        ("soon", ORDER, 1_772_373_900_000),
        (None, {"created_at": "2026-03-01T09:00:00-05:00"}, 1_772_373_600_000),
        (None, {"updated_at": 5, "created_at": {}}, None),
    ],
)
def test_the_time_is_the_triggers_or_else_the_resources(triggered_at: str | None, body: object, at_ms: int) -> None:
    assert shopify().receive(webhook(body, triggered_at=triggered_at), now_ms=NOW_MS).occurred_at_ms == at_ms


def test_bytes_stay_as_they_came_and_headers_that_tell_something() -> None:
    came = webhook(test="true", name="orders")
    came = Webhook(
        {**came.headers, "cookie": "a", "user-agent": "Shopify-Captain-Hook", "host": "r.example"}, came.body
    )
    received = shopify().receive(came, now_ms=NOW_MS)
    assert received.body == came.body
    assert received.headers == {
        **HEADERS,
        "user-agent": "Shopify-Captain-Hook",
        "x-shopify-test": "true",
        "x-shopify-name": "orders",
    }


def test_quarantine_keeps_the_request_to_be_checked_again() -> None:
    came = webhook(hmac_sha256="wrong")
    kept = shopify().strip(Webhook({**came.headers, "authorization": "Basic x"}, came.body))
    assert kept == Webhook({**came.headers, "authorization": "present"}, came.body)


# --- documents and keys ---------------------------------------------------------------------


def test_long_ids_are_exact() -> None:
    (document,) = shopify().documents(event(ORDER), {})
    assert document == {
        **ORDER,
        "id": str(ORDER_ID),
        "customer": {"id": str(CUSTOMER_ID), "email": "ines@shop.example"},
        "shop_domain": SHOP,
    }


@pytest.mark.parametrize(
    ("headers", "body", "domain"),
    [({}, {}, None), ({"shopify-shop-domain": "b"}, {}, "b"), (HEADERS, {"shop_domain": "c"}, "c")],
)
def test_the_shop_is_the_bodys_or_else_the_headers(
    headers: dict[str, str], body: dict[str, str], domain: str | None
) -> None:
    (document,) = shopify().documents(event(body, headers=headers), {})
    assert document.get("shop_domain") == domain


@pytest.mark.parametrize("body", [b"[]", b"{", b"1"])
def test_a_stored_body_that_cannot_be_read_is_said_to_be(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        shopify().documents(event(body), {})


def test_an_event_is_found_by_ids_numbers_and_addresses() -> None:
    assert shopify().keys(ORDER) == [
        *(str(ORDER_ID), "#1042", "1042", str(CUSTOMER_ID)),
        *("ines.faro@shop.example", "ines@shop.example"),
    ]
    assert shopify().keys({"id": 9, "order_id": 7}) == ["9", "7"]
    assert shopify().keys({"order_edit": {"id": 9, "order_id": 7}}) == ["7"]
    assert shopify().keys({"shop_id": 1, "customer": {"id": 5, "email": "A@b.example"}}) == ["5", "a@b.example"]


def test_nothing_is_fetched() -> None:
    assert shopify().lookups(event(ORDER)) == ()
    assert shopify().credentials() is None


# --- privacy --------------------------------------------------------------------------------

CUSTOMER = {"id": CUSTOMER_ID, "email": " Ines@Shop.Example", "phone": "+351 1"}
SHOP_ONLY = {"shop_id": 9, "shop_domain": SHOP}
REDACT = {**SHOP_ONLY, "customer": CUSTOMER, "orders_to_redact": [ORDER_ID]}
DATA = {**SHOP_ONLY, "customer": CUSTOMER, "orders_requested": [7], "data_request": {"id": 3}}
PERSON = [f"customer:{CUSTOMER_ID}", "email:ines@shop.example"]


@pytest.mark.parametrize(
    ("topic", "body", "kind", "subjects"),
    [
        ("customers/redact", REDACT, PrivacyKind.REDACT_CUSTOMER, [*PERSON, f"order:{ORDER_ID}"]),
        ("customers/redact", {**REDACT, "orders_to_redact": []}, PrivacyKind.REDACT_CUSTOMER, PERSON),
        ("customers/data_request", DATA, PrivacyKind.DATA_REQUEST, [*PERSON, "order:7"]),
        ("shop/redact", SHOP_ONLY, PrivacyKind.REDACT_SHOP, [f"shop:{SHOP}"]),
    ],
)
def test_a_privacy_request_tells_whom_it_is_about(
    topic: str, body: object, kind: PrivacyKind, subjects: object
) -> None:
    assert shopify().privacy(event(body, topic)) == PrivacyRequest(kind, subjects)  # type: ignore[arg-type]


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request", "shop/redact"])
@pytest.mark.parametrize("body", [ORDER, REDACT, DATA, SHOP_ONLY, {}, [], {"orders_to_redact": []}, b"{", 1])
def test_the_topic_alone_erases_nothing(topic: str, body: object) -> None:
    """Whoever holds one signed body can post it again under another topic and in the name of another shop."""
    fitting = {"customers/redact": REDACT, "customers/data_request": DATA, "shop/redact": SHOP_ONLY}
    posted = event(body, topic, {"x-shopify-shop-domain": "another.myshopify.com"})
    if body == fitting[topic]:
        told = shopify().privacy(posted)
        assert told is not None
        assert "shop:another.myshopify.com" not in told.subjects
    else:
        with pytest.raises(ValueError, match=r".+"):
            shopify().privacy(posted)


def test_other_topics_ask_for_nothing() -> None:
    assert shopify().privacy(event(REDACT, "orders/paid")) is None


def test_what_a_request_names_is_what_the_events_are_about() -> None:
    source = shopify()
    received = source.receive(webhook(), now_ms=NOW_MS)
    stored = event(received.body)._replace(entity=received.entity)
    documents = source.documents(stored, {})
    about = source.subjects(stored, documents)
    for topic, body in (("customers/redact", REDACT), ("shop/redact", SHOP_ONLY)):
        request = source.privacy(event(body, topic))
        assert request is not None
        assert set(request.subjects) <= set(about)
    values = {one.partition(":")[2] for one in about if not one.startswith("shop:")}
    assert values <= {key for document in documents for key in source.keys(document)}


def test_a_webhook_in_quarantine_is_genuine_once_the_secret_is_right() -> None:
    came = webhook()
    kept = shopify("wrong").strip(came)
    item = Quarantined(QuarantineId(1), "shop", json.dumps(dict(kept.headers)), kept.body, "code", "", NOW_MS)
    assert shopify().recheck(item, lambda _: False) == shopify().receive(came, now_ms=NOW_MS)
    with pytest.raises(Refused, match=r"^signature_mismatch"):
        shopify("wrong").recheck(item, lambda _: True)


# --- anything at all ------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2026-03-01T09:00:00-05:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = ("id", "name", "email", "order_id", "order_number", "customer", "order_edit", "updated_at", "shop_domain")
resources = st.fixed_dictionaries({}, optional=dict.fromkeys(names, anything)) | st.fixed_dictionaries(
    {"customer": st.fixed_dictionaries({}, optional={"id": anything, "email": anything})}
)
bodies = st.binary() | anything.map(lambda value: json.dumps(value).encode()) | resources.map(raw)
topics = st.sampled_from(["orders/paid", "orders/edited", "refunds/create", "customers/redact", "/", "x"]) | st.text()
headers = st.dictionaries(st.sampled_from([*HEADERS, "content-type", "shopify-topic"]), st.text(st.characters()))


@given(body=bodies, headers=headers, topic=topics, signed=st.booleans())
@example(body=b'{"id":' + b"9" * 5_000 + b"}", headers={}, topic="orders/paid", signed=True)
@example(body=b'{"customer":' * 235 + b"1" + b"}" * 235, headers={}, topic="customers/redact", signed=True)
@example(body=b"{}", headers={"x-shopify-shop-domain": "\ud800"}, topic="orders/paid", signed=True)
def test_any_bytes_and_headers_are_received_or_refused(
    body: bytes, headers: dict[str, str], topic: str, signed: bool
) -> None:
    source = shopify()
    proof = {"x-shopify-hmac-sha256": signature(body)} if signed else {}
    came = Webhook({"x-shopify-topic": topic, **headers, **proof}, body)
    source.strip(came)
    try:
        received = source.receive(came, now_ms=NOW_MS)
    except Refused as refused:
        assert signed or refused.code.startswith("signature_")  # noqa: PT017
        return

    assert signed
    for told in (received.topic, received.delivery_key, received.entity):
        assert told.encode()
        assert told.isprintable()
    stored = event(received.body, received.topic, dict(received.headers))
    (document,) = source.documents(stored, {})
    assert all(key and key.isprintable() for key in source.keys(document))
