from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from relay.codes import CODES
from relay.model import Quarantined, QuarantineId, Webhook
from relay.sources.bigcommerce import BigCommerce
from relay.sources.contract import Refused
from tests.sources.bigcommerce_making import (
    CLIENT_SECRET,
    CREATED_AT,
    CUSTOMERS,
    NOW_MS,
    PATHS,
    PRODUCTS,
    REFUNDS,
    SECRET,
    STORE,
    TOKEN,
    bigcommerce,
    body,
    event,
    of_order,
    order,
    raw,
    signed,
    status,
    webhook,
)
from tests.sources.published import published

CREATED = of_order("created")
API = f"https://api.example.com/{STORE}"


def refusal(came: Webhook, source: BigCommerce | None = None, now_ms: int = NOW_MS) -> str:
    with pytest.raises(Refused) as caught:
        (source or bigcommerce()).receive(came, now_ms=now_ms)
    assert caught.value.code in CODES
    assert not {SECRET, CLIENT_SECRET, TOKEN} & set(caught.value.detail.split())
    return caught.value.code


# --- genuine or not -------------------------------------------------------------------------


@pytest.mark.parametrize("came", [signed(CREATED), webhook(CREATED)], ids=["signature", "custom header"])
def test_a_signature_or_the_custom_header_proves_it(came: Webhook) -> None:
    assert bigcommerce().receive(came, now_ms=NOW_MS).topic == "store/order/created"


@pytest.mark.parametrize(
    ("came", "code"),
    [
        (Webhook({}, raw(CREATED)), "signature_missing"),
        (webhook(CREATED, x_relay_secret="harbour-lantern-2208"), "signature_mismatch"),
        (webhook(CREATED, x_relay_secret=""), "signature_missing"),
        (signed(CREATED, secret="of another app"), "signature_mismatch"),
        (signed(CREATED)._replace(body=raw(CREATED) + b" "), "signature_mismatch"),
        (Webhook({**signed(CREATED).headers, "webhook-id": "w-2"}, raw(CREATED)), "signature_mismatch"),
    ],
)
def test_anything_else_is_refused(came: Webhook, code: str) -> None:
    assert refusal(came) == code


def test_a_signature_expires_and_the_custom_header_does_not() -> None:
    later_ms = NOW_MS + 301_000
    assert refusal(signed(CREATED), now_ms=later_ms) == "signature_expired"
    assert bigcommerce().receive(webhook(CREATED), now_ms=later_ms)
    assert bigcommerce(tolerance_s=600).receive(signed(CREATED), now_ms=later_ms)


def test_each_is_accepted_only_when_configured() -> None:
    assert refusal(signed(CREATED), bigcommerce(client_secret=[])) == "signature_missing"
    assert refusal(webhook(CREATED), bigcommerce(secret=[])) == "signature_missing"
    assert (
        refusal(webhook(CREATED, x_relay_secret=""), bigcommerce(secret=[""], client_secret=[])) == "signature_missing"
    )
    assert bigcommerce(secret=[], client_secret=[], open=True).receive(Webhook({}, raw(CREATED)), now_ms=NOW_MS)


def test_the_header_has_the_name_that_is_configured() -> None:
    source = bigcommerce(secret_header="X-Shop-Key")
    assert source.receive(Webhook({"x-shop-key": SECRET}, raw(CREATED)), now_ms=NOW_MS)
    assert refusal(webhook(CREATED), source) == "signature_missing"
    assert source.strip(Webhook({"x-shop-key": "a wrong one"}, b"")).headers == {"x-shop-key": "present"}


def test_the_signature_vectors_are_accepted_or_refused_as_they_say() -> None:
    vectors = json.loads(published("signature-vectors.json").read_text())
    (vector,) = [one for one in vectors if one["platform"] == "bigcommerce"]
    assert vector["valid"]
    source = bigcommerce(secret=[], client_secret=[SecretStr(vector["client_secret"])])
    came = Webhook(vector["headers"], vector["body"].encode())
    received = source.receive(came, now_ms=vector["now"] * 1000)
    assert (received.topic, received.entity, received.delivery_key) == ("store/order/created", "order:250", "msg_bc_1")
    assert refusal(came._replace(body=came.body + b" "), source, vector["now"] * 1000) == "signature_mismatch"


def test_quarantine_keeps_no_secret_and_can_be_checked_again() -> None:
    def item(came: Webhook) -> Quarantined:
        kept = bigcommerce().strip(came)
        headers = json.dumps(dict(kept.headers))
        return Quarantined(QuarantineId(1), "shop", headers, kept.body, "signature_mismatch", "", NOW_MS)

    source = bigcommerce()
    presented = webhook({**CREATED, "note": SECRET})
    assert SECRET not in item(presented).headers + item(presented).body.decode()
    assert source.presented(presented) == SECRET
    assert source.recheck(item(presented), lambda secret: secret == SECRET).entity == "order:118"
    with pytest.raises(Refused):
        source.recheck(item(presented), lambda secret: False)
    assert source.recheck(item(signed(CREATED)), lambda secret: False).delivery_key == "w-1"


# --- filing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "entity"),
    [
        (CREATED, "order:118"),
        (of_order("refund/created", refund={"refund_id": 9}), "order:118"),
        (body("store/shipment/created", {"type": "shipment", "id": 12, "orderId": 251}), "order:251"),
        (body("store/order/transaction/created", {"type": "transaction", "order_id": "250"}), "order:250"),
        (body("store/customer/created", {"type": "customer", "id": 32}), "customer:32"),
        (body("store/cart/converted", {"type": "cart", "id": "d3", "orderId": 252}), "cart:d3"),
        (body("store/order/created", {"type": "order", "id": ".."}), "order:.."),
        (body("store/app/uninstalled", {}), "event:w-1"),
    ],
)
def test_the_entity_is_what_must_stay_in_order(came: dict[str, Any], entity: str) -> None:
    assert bigcommerce().receive(webhook(came, webhook_id="w-1"), now_ms=NOW_MS).entity == entity


def test_what_is_filed() -> None:
    came = webhook(CREATED, webhook_id="w-1", user_agent="BC", cookie="a", host="r.example")
    received = bigcommerce().receive(came, now_ms=NOW_MS)
    assert received.occurred_at_ms == CREATED_AT * 1000
    assert received.headers == {"webhook-id": "w-1", "user-agent": "BC"}
    assert received.body == came.body


def test_without_an_id_a_retry_is_known_by_what_it_says() -> None:
    def key(came: object) -> str:
        return bigcommerce().receive(webhook(came), now_ms=NOW_MS).delivery_key

    assert key(CREATED) == key(dict(reversed(CREATED.items()))) != key({**CREATED, "created_at": CREATED_AT + 1})


@pytest.mark.parametrize(
    ("came", "code"),
    [(b"", "body_not_json"), (b"id=1", "body_not_json"), (b"[]", "body_not_object"), (b"{}", "topic_missing")],
)
def test_what_cannot_be_read_is_refused_with_its_reason(came: bytes, code: str) -> None:
    assert refusal(webhook(came)) == code


# --- completing -----------------------------------------------------------------------------


def names(came: dict[str, Any], **options: Any) -> list[str]:
    source = bigcommerce(API, **options)
    found = source.lookups(event(came))
    assert all(lookup.path == PATHS[lookup.name] for lookup in found)
    lacking = source.lacks(event(came), {})
    assert bool(lacking) == bool(found)
    assert source.lacks(event(came), dict.fromkeys(lookup.name for lookup in found)) == ""
    return [lookup.name for lookup in found]


ORDER = ["order", "products", "coupons"]


@pytest.mark.parametrize(
    ("came", "fetched"),
    [
        (CREATED, ORDER),
        (of_order("updated"), ORDER),
        (status(0, 11), ORDER),
        (status(11, 5), ORDER),
        (status(11, 4), [*ORDER, "refunds"]),
        (status(0, 12), []),
        (of_order("refund/created", refund={"refund_id": 9}), [*ORDER, "refunds"]),
        (of_order("archived"), []),
        (body("store/customer/created", {"type": "customer", "id": 21}), ["customer"]),
        (body("store/customer/deleted", {"type": "customer", "id": 21}), []),
        (body("store/cart/created", {"type": "cart", "id": "c-1"}), []),
        (body("store/order/created", {"type": "order", "id": "../.."}), []),
        (body("store/order/created", {}), []),
    ],
)
def test_only_what_makes_a_call_is_completed(came: dict[str, Any], fetched: list[str]) -> None:
    assert names(came) == fetched


def test_what_is_switched_off_is_not_fetched() -> None:
    assert names(of_order("updated"), tracking={"order_updated": False}) == []
    assert names(status(11, 4), tracking={"order_refunded": False}) == []
    assert names(status(11, 4), refunded_statuses=[]) == []
    assert names(status(0, 12), tracking={"order_updated": "store/order/statusUpdated"}) == ORDER
    (lookup,) = bigcommerce(API, tracking={"checkout_started": "store/cart/created"}).lookups(
        event(body("store/cart/created", {"type": "cart", "id": "a/b"}))
    )
    assert lookup.path == "/v3/carts/a%2Fb"


def test_nothing_is_asked_of_the_api_of_another_store() -> None:
    source = bigcommerce("https://api.example.com/stores/other/")
    assert source.lookups(event(CREATED)) == ()
    assert STORE in source.lacks(event(CREATED), {})
    assert source.lacks(event(of_order("archived")), {}) == ""
    assert bigcommerce("https://bc.example.com").lookups(event(CREATED))


def test_the_token_goes_along_in_its_header() -> None:
    credentials = bigcommerce(API).credentials()
    assert credentials is not None
    assert credentials.headers == {"X-Auth-Token": TOKEN}
    assert TOKEN not in repr(credentials)
    assert bigcommerce().credentials() is None


def test_what_was_fetched_stands_beside_the_data() -> None:
    fetched = {"order": order(), "products": PRODUCTS, "coupons": None, "refunds": REFUNDS, "customer": CUSTOMERS}
    (document,) = bigcommerce().documents(event(CREATED), fetched)
    assert document == {
        **CREATED,
        "order": order(),
        "products": PRODUCTS,
        "coupons": [],
        "refunds": REFUNDS["data"],
        "customer": CUSTOMERS["data"][0],
    }
    (document,) = bigcommerce().documents(event(CREATED), {"cart": {"data": {"id": "c"}}, "customer": {"data": []}})
    assert (document["cart"], document["customer"]) == ({"id": "c"}, None)
    assert bigcommerce().documents(event(CREATED), {}) == [CREATED]


@pytest.mark.parametrize("stored", [b"[]", b"{", b"1"])
def test_a_stored_body_that_cannot_be_read_is_said_to_be(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        bigcommerce().documents(event(stored), {})
    assert bigcommerce(API).lookups(event(stored)) == ()


def test_an_event_is_found_and_forgotten_by_its_order_and_its_customer() -> None:
    (document,) = bigcommerce().documents(event(CREATED), {"order": order()})
    assert bigcommerce().keys(document) == ["118", "c-118", "21", "mira.solberg@example.com"]
    assert set(bigcommerce().subjects(event(CREATED), [document])) == {
        *("order:118", "customer:21", "email:mira.solberg@example.com")
    }
    (guest,) = bigcommerce().documents(event(CREATED), {"order": order(customer_id=0)})
    assert bigcommerce().keys(guest) == ["118", "c-118", "mira.solberg@example.com"]
    assert set(bigcommerce().subjects(event(CREATED), [guest])) == {"order:118", "email:mira.solberg@example.com"}


# --- strangers ------------------------------------------------------------------------------

NAMES = ["x-relay-secret", "webhook-id", "webhook-timestamp", "webhook-signature", "content-type"]
values = st.text(max_size=40) | st.sampled_from(["v1,", "v1,AAAA", "v1a,é", str(CREATED_AT), "9" * 30, "\ud800"])
things = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["scope", "data", "type", "id", "status", "orderId", "created_at", "producer", "new_status_id"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    headers=st.dictionaries(st.sampled_from(NAMES), values), came=st.binary(max_size=60), now_ms=st.integers(0, 10**14)
)
def test_a_stranger_gets_a_refusal_and_nothing_else(headers: dict[str, str], came: bytes, now_ms: int) -> None:
    assert refusal(Webhook(headers, came), now_ms=now_ms).startswith("signature_")
    stripped = bigcommerce().strip(Webhook(headers, came))
    assert SECRET not in bigcommerce().presented(stripped)


@given(came=things, fetched=st.dictionaries(st.sampled_from([*PATHS, "cart"]), things))
def test_whatever_is_in_a_genuine_body_it_is_received_or_refused(came: Any, fetched: dict[str, Any]) -> None:
    source = bigcommerce(API)
    try:
        received = source.receive(webhook(came), now_ms=NOW_MS)
    except Refused as refused:
        assert refused.code in ("body_not_object", "topic_missing")  # noqa: PT017
        return
    stored = event(received.body, received.topic)
    assert all(lookup.path.startswith("/v") for lookup in source.lookups(stored))
    source.lacks(stored, fetched)
    (document,) = source.documents(stored, fetched)
    assert all(isinstance(key, str) for key in source.keys(document))
    assert all(":" in one for one in source.subjects(stored, [document]))
