from __future__ import annotations

import gzip
import html
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from relay.codes import CODES
from relay.model import Quarantined, QuarantineId, Webhook
from relay.settings.woocommerce_options import WooCommerceCommerceOptions
from relay.sources.contract import Lookup, Refused
from relay.sources.woocommerce import WooCommerce, decoded
from tests.sources.making import NOW_MS
from tests.sources.shopify_making import raw, signature
from tests.sources.woocommerce_making import CUSTOMER_ID, HEADERS, ORDER, ORDER_ID, PING, SECRET, event, webhook
from tests.sources.woocommerce_making import woocommerce as shop


def refusal(source: WooCommerce, came: Webhook) -> str:
    with pytest.raises(Refused) as caught:
        source.receive(came, now_ms=NOW_MS)
    assert caught.value.code in CODES
    assert SECRET not in caught.value.detail
    return caught.value.code


# --- genuine or not -------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["newer", "older"])
def test_each_configured_secret_is_accepted(secret: str) -> None:
    assert shop("newer", "older").receive(webhook(secret=secret), now_ms=NOW_MS).topic == "order.updated"


@pytest.mark.parametrize(
    ("typed", "signs_with"),
    [
        ("a&b", "a&b"),
        ("a&amp;b", "a&b"),
        ("a&amp;b", "a&amp;b"),
        ("&lt;&gt;&quot;&#039;", "<>\"'"),
        ("&#0039;&#x27;&#X00022;&#060;&#62;&#38;", "''\"<>&"),
    ],
)
def test_the_secret_is_known_as_typed_and_as_wordpress_decodes_it(typed: str, signs_with: str) -> None:
    assert shop(typed).receive(webhook(secret=signs_with), now_ms=NOW_MS).topic == "order.updated"


@pytest.mark.parametrize("untouched", ["&amp", "&eacute;", "&nbsp;", "&#65;", "&#x3c;", "&QUOT;", "&#39", "a & b;"])
def test_other_entities_are_no_entities_to_wordpress(untouched: str) -> None:
    assert decoded(untouched) == untouched


@given(st.text())
def test_decoding_undoes_escaping_once(secret: str) -> None:
    assert decoded(html.escape(secret)) == secret
    assert decoded("&amp;amp;") == "&amp;"


@pytest.mark.parametrize(
    ("presented", "code"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        (" ", "signature_missing"),
        (signature(raw(ORDER), "of another shop"), "signature_mismatch"),
        (signature(raw(ORDER) + b" ", SECRET), "signature_mismatch"),
        (signature(raw(ORDER), SECRET).rstrip("="), "signature_mismatch"),
        (signature(raw(ORDER), SECRET).swapcase(), "signature_mismatch"),
        (SECRET, "signature_mismatch"),
        ("\ud800", "signature_mismatch"),
    ],
)
def test_any_other_signature_is_refused(presented: str | None, code: str) -> None:
    assert refusal(shop(), webhook(signature=presented)) == code


def test_nothing_is_said_of_a_body_that_is_not_genuine() -> None:
    assert refusal(shop(), webhook(b"not json", signature="x", topic=None)) == "signature_mismatch"


def test_an_empty_secret_lets_nobody_in() -> None:
    assert refusal(shop(""), webhook(secret="")) == "signature_mismatch"


def test_an_open_source_asks_for_nothing() -> None:
    assert shop(open=True).receive(webhook(signature=None), now_ms=NOW_MS).topic == "order.updated"


# --- the ping -------------------------------------------------------------------------------


def test_the_ping_of_a_new_webhook_is_known_and_is_no_webhook() -> None:
    assert refusal(shop(), PING) == "signature_missing"
    assert refusal(shop(open=True), PING) == "body_not_json"
    assert shop().is_ping(PING)


@pytest.mark.parametrize(
    "came",
    [
        Webhook({}, b""),
        Webhook({}, b"webhook_id="),
        Webhook({}, b"webhook_id=1&x=2"),
        Webhook({}, b"webhook_id=1\n"),
        Webhook({}, b"webhook_id=" + b"1" * 21),
        Webhook({}, b'{"webhook_id": 1}'),
        Webhook({"x-wc-webhook-topic": "order.updated"}, b"webhook_id=142"),
        Webhook({"x-wc-webhook-signature": "x"}, b"webhook_id=142"),
        webhook(signature="wrong"),
    ],
)
def test_nothing_else_passes_for_a_ping(came: Webhook) -> None:
    assert not shop().is_ping(came)


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
    assert refusal(shop(), webhook(body)) == code


@pytest.mark.parametrize("topic", [None, "", " ", "order\x00updated"])
def test_without_a_topic_nobody_knows_what_happened(topic: str | None) -> None:
    assert refusal(shop(), webhook(topic=topic)) == "topic_missing"


# --- filing ---------------------------------------------------------------------------------


def key(body: object = ORDER, **headers: Any) -> str:
    return shop().receive(webhook(body, **headers), now_ms=NOW_MS).delivery_key


def test_the_same_delivery_is_known_again() -> None:
    assert key() == key()
    assert key().startswith("order.updated:d-1:sha256:")


def test_deliveries_of_one_second_share_their_id_and_are_two() -> None:
    others = [key({**ORDER, "id": 5}), key(delivery_id="d-2"), key(topic="order.created")]
    assert len({key(), *others}) == 4


def test_without_a_delivery_id_the_webhook_and_the_body_tell() -> None:
    assert key(delivery_id=None).startswith("order.updated:12:sha256:")
    assert key(delivery_id=None, id=None).startswith("order.updated:sha256:")


@pytest.mark.parametrize(
    ("topic", "body", "entity"),
    [
        ("order.updated", ORDER, f"order:{ORDER_ID}"),
        ("order.created", {"id": "7"}, "order:7"),
        ("order.deleted", {"id": 7}, "order:7"),
        ("customer.updated", {"id": 58}, "customer:58"),
        ("product.updated", {"id": 9}, "product:9"),
    ],
)
def test_the_entity_is_what_must_stay_in_order(topic: str, body: dict[str, Any], entity: str) -> None:
    assert shop().receive(webhook(body, topic=topic), now_ms=NOW_MS).entity == entity


@pytest.mark.parametrize(
    ("topic", "body"),
    [("action.woocommerce_add_to_cart", {"action": "x", "arg": 5, "id": 3}), ("order.updated", {"id": 1.5})],
)
def test_what_is_about_nothing_known_stands_alone(topic: str, body: dict[str, Any]) -> None:
    received = shop().receive(webhook(body, topic=topic), now_ms=NOW_MS)
    assert received.entity == f"event:{received.delivery_key}"


@pytest.mark.parametrize(
    ("body", "at_ms"),
    [
        (ORDER, 1_772_373_900_000),
        ({**ORDER, "date_modified_gmt": None}, 1_772_373_600_000),
        ({**ORDER, "date_modified_gmt": "soon"}, 1_772_373_600_000),
        ({"date_modified": "2026-03-01T09:05:00"}, None),
        ({"date_modified_gmt": 5, "date_created_gmt": {}}, None),
    ],
)
def test_times_in_gmt_are_utc_and_those_of_the_shops_zone_are_left_alone(body: object, at_ms: int) -> None:
    assert shop().receive(webhook(body), now_ms=NOW_MS).occurred_at_ms == at_ms


def test_bytes_stay_as_they_came_and_headers_that_tell_something() -> None:
    came = webhook()
    more = {"cookie": "a", "user-agent": "WooCommerce/10.1.0 Hookshot (WordPress/6.8)", "host": "r.example"}
    received = shop().receive(Webhook({**came.headers, **more}, came.body), now_ms=NOW_MS)
    assert received.body == came.body
    assert received.headers == {**HEADERS, "user-agent": more["user-agent"]}


def test_a_webhook_in_quarantine_is_genuine_once_the_secret_is_right() -> None:
    came = webhook()
    kept = shop("wrong").strip(Webhook({**came.headers, "authorization": "Basic x"}, came.body))
    assert kept == Webhook({**came.headers, "authorization": "present"}, came.body)
    item = Quarantined(QuarantineId(1), "shop", json.dumps(dict(kept.headers)), kept.body, "code", "", NOW_MS)
    assert shop().recheck(item, lambda _: False) == shop().receive(came, now_ms=NOW_MS)
    with pytest.raises(Refused, match=r"^signature_mismatch"):
        shop("wrong").recheck(item, lambda _: True)


# --- documents, keys and subjects -----------------------------------------------------------


def document(body: object, headers: dict[str, str] | None = None) -> dict[str, Any]:
    (found,) = shop().documents(event(body, headers=headers), {})
    return dict(found)


def test_long_ids_are_exact() -> None:
    assert document({"id": 2**53 + 1, "customer_id": 2**60})["id"] == str(2**53 + 1)


@pytest.mark.parametrize(
    ("headers", "body", "site"),
    [
        ({}, {"id": 1}, None),
        (HEADERS, {"id": 1}, "shop.example"),
        ({"x-wc-webhook-source": "https://shop.example/fr/"}, {"id": 1}, "shop.example/fr"),
        ({"x-wc-webhook-source": "shop"}, {"id": 1}, "shop"),
        (HEADERS, {"id": 1, "site": "c"}, "c"),
    ],
)
def test_the_site_is_where_the_webhook_says_it_comes_from(headers: dict[str, str], body: object, site: str) -> None:
    assert document(body, headers).get("site") == site


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Tea &ndash; Green &amp; Black", "Tea – Green & Black"),
        ("Caf&#233; &#x1F375;", "Café 🍵"),
        ("pens&notebooks; a &b", "pens&notebooks; a &b"),
        ("&#99999999;&#0;", "&#99999999;\ufffd"),
    ],
)
def test_names_of_lines_are_without_entities(name: str, read: str) -> None:
    lines = [{"name": name, "parent_name": None, "sku": "&amp;"}, 5]
    assert document({"line_items": lines})["line_items"] == [{"name": read, "parent_name": None, "sku": "&amp;"}, 5]


@pytest.mark.parametrize("body", [b"[]", b"{", b"1", {"order": {"id": 1}}])
def test_a_stored_body_that_cannot_be_read_is_said_to_be(body: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        document(body)


def test_an_event_is_found_by_ids_numbers_and_addresses() -> None:
    assert shop().keys(ORDER) == [str(ORDER_ID), "2026-4711", str(CUSTOMER_ID), "ines.faro@shop.example"]
    assert shop().keys({"id": 9, "customer_id": 0, "billing": {"email": ""}}) == ["9"]
    customer = {"id": 58, "email": "A@b.example", "billing": {"email": "c@d.example"}}
    assert shop().keys(customer) == ["58", "a@b.example", "c@d.example"]


def test_an_order_is_about_itself_its_customer_and_the_address() -> None:
    stored = event(ORDER)._replace(entity=f"order:{ORDER_ID}")
    documents = shop().documents(stored, {})
    about = shop().subjects(stored, documents)
    assert set(about) == {f"order:{ORDER_ID}", f"customer:{CUSTOMER_ID}", "email:ines.faro@shop.example"}
    assert {one.partition(":")[2] for one in about} <= {found for each in documents for found in shop().keys(each)}
    guest = shop().subjects(stored, [{**ORDER, "customer_id": 0}])
    assert not any(one.startswith("customer:") for one in guest)


def test_no_topic_asks_for_privacy() -> None:
    assert shop().privacy(event(ORDER)) is None


# --- the commerce connection ----------------------------------------------------------------

COMMERCE = WooCommerceCommerceOptions(
    base_url="https://shop.example/fr", consumer_key="ck_1", consumer_secret=SecretStr("cs_2")
)


def test_of_refunds_what_the_order_does_not_tell_is_fetched() -> None:
    (lookup,) = shop().lookups(event({**ORDER, "refunds": [{"id": 901, "total": "-9.00"}]}))
    assert lookup == Lookup("refunds", f"/wp-json/wc/v3/orders/{ORDER_ID}/refunds?per_page=100", optional=True)


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("order.updated", ORDER),
        ("order.updated", {**ORDER, "refunds": []}),
        ("order.updated", {"refunds": [{"id": 1}]}),
        ("order.updated", {"id": "../customers", "refunds": [{"id": 1}]}),
        ("order.updated", b"{"),
        ("order.updated", b"[]"),
        ("coupon.updated", {"id": 1, "refunds": [{"id": 1}]}),
    ],
)
def test_nothing_else_is_fetched(topic: str, body: object) -> None:
    assert shop().lookups(event(body, topic)) == ()


@pytest.mark.parametrize("fetched", [None, [], {}, [5, {"id": 902}], "x"])
def test_a_refund_that_was_not_fetched_stays_as_it_is(fetched: object) -> None:
    body = {**ORDER, "refunds": [{"id": 901, "total": "-9.00"}, 7]}
    (found,) = shop().documents(event(body), {"refunds": fetched})
    assert found["refunds"] == body["refunds"]


def test_a_fetched_refund_is_joined_by_its_id() -> None:
    body = {**ORDER, "refunds": [{"id": 901, "total": "-9.00"}]}
    fetched = [{"id": 900, "reason": "other"}, {"id": "901", "amount": "9.00", "line_items": [{"name": "A &amp; B"}]}]
    (found,) = shop().documents(event(body), {"refunds": fetched})
    assert found["refunds"] == [{"id": 901, "total": "-9.00", "amount": "9.00", "line_items": [{"name": "A & B"}]}]


def test_the_connection_signs_in_by_key_and_secret() -> None:
    credentials = shop(commerce=COMMERCE).credentials()
    assert credentials is not None
    assert credentials.headers == {"Authorization": "Basic Y2tfMTpjc18y"}
    assert "cs_2" not in repr(credentials)
    assert shop().credentials() is None


def test_a_past_order_is_as_its_webhook_would_have_been() -> None:
    source = shop(commerce=COMMERCE, open=True)
    received = source.receive(source.historic("order.updated", ORDER), now_ms=NOW_MS)
    assert (received.topic, received.entity) == ("order.updated", f"order:{ORDER_ID}")
    (found,) = source.documents(event(received.body, headers=dict(received.headers)), {})
    assert found == {**ORDER, "site": "shop.example/fr"}
    assert shop().historic(None, ORDER).headers == {}


# --- anything at all ------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2026-03-01T09:00:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = ("id", "number", "email", "customer_id", "billing", "line_items", "date_modified_gmt", "site", "refunds")
resources = st.fixed_dictionaries({}, optional=dict.fromkeys(names, anything)) | st.fixed_dictionaries(
    {
        "billing": st.fixed_dictionaries({}, optional={"email": anything}),
        "line_items": st.lists(anything | st.fixed_dictionaries({"name": anything | st.just("&#38;&lt;&x;")})),
    }
)
bodies = st.binary() | anything.map(lambda value: json.dumps(value).encode()) | resources.map(raw)
topics = st.sampled_from(["order.updated", "order.deleted", "customer.created", "action.x", ".", "x"]) | st.text()
headers = st.dictionaries(st.sampled_from([*HEADERS, "content-type", "x-request-id"]), st.text(st.characters()))


@given(body=bodies, headers=headers, topic=topics, signed=st.booleans(), fetched=anything)
@example(body=b'{"id":' + b"9" * 5_000 + b"}", headers={}, topic="order.updated", signed=True, fetched=None)
@example(body=b'{"billing":' * 235 + b"1" + b"}" * 235, headers={}, topic="order.updated", signed=True, fetched=None)
@example(body=b"{}", headers={"x-wc-webhook-source": "\ud800"}, topic="order.updated", signed=True, fetched=None)
@example(body=b"{}", headers={"x-wc-webhook-source": "https://"}, topic="order.updated", signed=True, fetched=None)
@example(body=b"webhook_id=142", headers={}, topic="order.updated", signed=False, fetched=None)
def test_any_bytes_and_headers_are_received_or_refused(
    body: bytes, headers: dict[str, str], topic: str, signed: bool, fetched: object
) -> None:
    source = shop()
    proof = {"x-wc-webhook-signature": signature(body, SECRET)} if signed else {}
    came = Webhook({"x-wc-webhook-topic": topic, **headers, **proof}, body)
    source.strip(came)
    assert not source.is_ping(came)
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
    source.lookups(stored)
    try:
        (found,) = source.documents(stored, {"refunds": fetched})
    except ValueError as error:
        assert "older API" in str(error)  # noqa: PT017
        return
    assert json.dumps(found)
    assert all(found and found.isprintable() for found in source.keys(found))
    source.subjects(stored, [found])
