from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import CODES
from relay.model import Quarantined, QuarantineId, Webhook
from relay.settings.saleor_options import SaleorTrackingOptions
from relay.sources.contract import KeyOutdated, Refused
from relay.sources.key_set import MOST_KEYS, KeySet
from relay.sources.saleor import Saleor, keys_url
from relay.templates.library import packaged_templates
from tests.sources.published import published
from tests.sources.saleor_making import (
    NOW_MS,
    ORDER_ID,
    SECRET,
    base64url,
    event,
    event_of,
    hex_signature,
    jwk,
    jwks,
    jws,
    raw,
    saleor,
    unfetched,
    webhook,
)

PAID = event_of()
BODY = raw(PAID)


def refusal(came: Webhook, source: Saleor | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        (source or saleor()).receive(came, now_ms=NOW_MS)
    assert caught.value.code in CODES
    assert SECRET not in caught.value.detail
    return caught.value


# --- genuine or not -------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["saleor-signature", "x-saleor-signature"])
def test_the_stores_key_or_the_webhooks_secret_proves_it(header: str) -> None:
    for signature in (jws(BODY), jws(BODY, typ="JWT"), hex_signature(BODY)):
        assert saleor().receive(Webhook({header: signature}, BODY), now_ms=NOW_MS).topic == "order_fully_paid"


def test_any_of_several_keys_signs() -> None:
    both = saleor(jwk("1"), jwk("2", "second"))
    assert both.receive(webhook(PAID), now_ms=NOW_MS)
    assert both.receive(webhook(PAID, name="second", kid="2"), now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("", "signature_missing"),
        (hex_signature(BODY, "another"), "signature_mismatch"),
        (hex_signature(BODY + b" "), "signature_mismatch"),
        ("..", "signature_mismatch"),
        ("a.b", "signature_mismatch"),
        (jws(BODY) + ".", "signature_mismatch"),
        (jws(BODY).replace("..", f".{base64url(BODY)}."), "signature_mismatch"),
        (jws(BODY) + "=", "signature_mismatch"),
        (jws(BODY)[:-8], "signature_mismatch"),
        (jws(BODY + b" "), "signature_mismatch"),
        (jws(BODY, name="second"), "signature_mismatch"),
        (jws(BODY, kid="2"), "signature_key_unknown"),
        (jws(BODY, kid=None), "signature_mismatch"),
        (jws(BODY, kid=1.5), "signature_mismatch"),
        (jws(BODY, alg="none"), "signature_mismatch"),
        (jws(BODY, alg="HS256"), "signature_mismatch"),
        (jws(BODY, alg="RS512"), "signature_mismatch"),
        (jws(BODY, b64=True), "signature_mismatch"),
        (jws(BODY, b64=None, crit=None), "signature_mismatch"),
        (jws(BODY, crit=["b64", "exp"]), "signature_mismatch"),
        (jws(BODY, padding="x" * 9_000), "signature_mismatch"),
    ],
    ids=map(str, range(21)),  # the keys are made anew in each process
)
def test_any_other_signature_is_refused(signature: str, code: str) -> None:
    assert refusal(Webhook({"saleor-signature": signature}, BODY)).code == code


def test_only_what_a_newer_key_could_mend_asks_for_one() -> None:
    assert isinstance(refusal(webhook(PAID, kid="2")), KeyOutdated)
    assert isinstance(refusal(webhook(PAID, name="second")), KeyOutdated), "a store may reuse the id"
    assert not isinstance(refusal(webhook(PAID, alg="none")), KeyOutdated)
    assert not isinstance(refusal(webhook(PAID, signature=hex_signature(BODY, "x"))), KeyOutdated)


def test_each_is_accepted_only_when_configured() -> None:
    assert refusal(webhook(PAID), saleor(api_url=None)).code == "signature_mismatch"
    assert refusal(webhook(PAID, signature=hex_signature(BODY)), saleor(secret=[])).code == "signature_mismatch"
    assert refusal(webhook(PAID, signature=hex_signature(BODY, "")), saleor(secret=[""])).code == "signature_mismatch"
    assert saleor(api_url=None, secret=[], open=True).receive(Webhook({}, BODY), now_ms=NOW_MS)


def test_before_the_keys_are_fetched_none_is_known() -> None:
    assert refusal(webhook(PAID), unfetched()).code == "signature_key_unknown"


def test_the_signature_vectors_are_accepted_or_refused_as_they_say() -> None:
    found = json.loads(published("signature-vectors.json").read_text())
    vectors = [one for one in found if one["platform"] == "saleor"]
    assert len(vectors) == 3
    for vector in vectors:
        source = saleor(api_url=None, secret=[vector["secret"]]) if "secret" in vector else saleor(secret=[])
        if source.key_set is not None:
            source.key_set.replace(json.dumps(vector["jwks"]).encode())
        came = Webhook({name.lower(): value for name, value in vector["headers"].items()}, vector["body"].encode())
        if vector["valid"]:
            received = source.receive(came, now_ms=NOW_MS)
            assert (received.topic, received.entity) == ("order_created", "order:T3JkZXI6MQ==")
        else:
            assert refusal(came, source).code == "signature_mismatch"


def test_quarantine_keeps_the_signature_to_be_checked_again() -> None:
    came = Webhook({**webhook(PAID).headers, "authorization": "Bearer x"}, BODY)
    kept = saleor().strip(came)
    assert kept == Webhook({**came.headers, "authorization": "present"}, BODY)
    item = Quarantined(QuarantineId(1), "shop", json.dumps(dict(kept.headers)), kept.body, "", "", NOW_MS)
    assert saleor().recheck(item, lambda secret: False).topic == "order_fully_paid"
    with pytest.raises(Refused):
        saleor().recheck(replace(item, body=b"{}"), lambda secret: False)


# --- the keys -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api_url",
    ["https://a.example/graphql/", "https://a.example/graphql", "https://a.example", "https://a.example/"],
)
def test_keys_are_published_beside_the_api(api_url: str) -> None:
    assert keys_url(api_url) == "https://a.example/.well-known/jwks.json"
    assert keys_url("https://a.example/shop/graphql/") == "https://a.example/shop/.well-known/jwks.json"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"keys": {}}',
        b'{"keys": []}',
        jwks(jwk("1", kty="EC")),
        jwks(jwk("1", use="enc")),
        jwks(jwk("1", alg="RS512")),
        jwks(jwk("")),
        jwks(jwk("1", n="AQAB")),
        jwks(jwk("1", n=base64url(b"\xff" * 1500))),
        jwks(jwk("1", e="AA")),
        jwks(jwk("1", n=7)),
        jwks(jwk("1", n="!")),
    ],
    ids=map(str, range(14)),
)
def test_what_is_no_key_set_leaves_the_keys_as_they_were(document: bytes) -> None:
    keys = KeySet("https://a.example")
    assert keys.replace(jwks()) == 1
    with pytest.raises(ValueError, match=r".+"):
        keys.replace(document)
    assert "1" in keys


def test_a_key_set_is_replaced_as_a_whole_and_bounded() -> None:
    keys = KeySet("https://a.example")
    assert keys.replace(jwks(jwk("1"), jwk("odd", kty="EC"), jwk("2", "second"))) == 2
    assert keys.replace(jwks(jwk("2", "second"))) == 1
    assert "1" not in keys
    assert keys.replace(jwks(*(jwk(str(number)) for number in range(MOST_KEYS + 5)))) == MOST_KEYS


# --- readable or not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_not_json"),
        (b"a=1", "body_not_json"),
        (b"[]", "body_not_object"),
        (b"1", "body_not_object"),
        (b"{}", "topic_missing"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(body: bytes, code: str) -> None:
    assert refusal(webhook(body)).code == code


def test_an_array_is_said_to_be_of_a_webhook_without_a_query() -> None:
    assert "no subscription query" in refusal(webhook(b'[{"type": "Order"}]')).detail


# --- filing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "header", "topic", "entity"),
    [
        (PAID, "", "order_fully_paid", f"order:{ORDER_ID}"),
        (PAID, "order_cancelled", "order_fully_paid", f"order:{ORDER_ID}"),  # what is signed counts
        ({"order": {"id": "a"}}, "ORDER_UPDATED", "order_updated", "order:a"),
        ({"data": {"orderCreated": {"order": {"id": "a"}}}}, "", "order_created", "order:a"),
        ({"data": {"event": event_of("OrderCreated")}}, "", "order_created", f"order:{ORDER_ID}"),
        ({"__typename": "CustomerUpdated", "user": {"id": "u"}}, "", "customer_updated", "customer:u"),
        ({"payment": {"id": "p"}}, "payment_captured", "payment_captured", "payment:p"),
        ({"transaction": {"id": "t", "order": {"id": "a"}}}, "transaction_item_metadata_updated", "", "order:a"),
        ({"notify_event": "order_confirmed", "payload": {}}, "notify_user", "notify_user", ""),
    ],
)
def test_what_happened_and_to_what(body: dict[str, Any], header: str, topic: str, entity: str) -> None:
    received = saleor().receive(webhook(body, header), now_ms=NOW_MS)
    assert received.topic == (topic or header)
    assert received.entity == (entity or f"event:{received.delivery_key}")


def test_a_retry_is_known_by_event_thing_and_time() -> None:
    def key(body: object, topic: str = "order_created") -> str:
        return saleor().receive(webhook(body, topic), now_ms=NOW_MS).delivery_key

    assert key(PAID) == f"order_fully_paid:{ORDER_ID}:{PAID['issuedAt']}"
    bare = {"order": {"id": "a"}}
    assert key(bare) == key(bare) != key(bare, "order_updated")
    assert key(bare) != key({"order": {"id": "a", "number": "1"}})
    assert key(bare).startswith("order_created:sha256:")


def test_what_is_filed() -> None:
    came = webhook(PAID, "order_fully_paid")
    came = Webhook({**came.headers, "saleor-api-url": "https://elsewhere.example", "cookie": "a"}, came.body)
    received = saleor().receive(came, now_ms=NOW_MS)
    assert received.occurred_at_ms == 1_773_480_430_250
    assert received.headers == {"saleor-event": "order_fully_paid", "saleor-api-url": "https://elsewhere.example"}
    assert received.body == BODY


def test_an_event_is_found_and_forgotten_by_its_order_and_its_customer() -> None:
    (document,) = saleor().documents(event(PAID), {})
    assert document == PAID
    assert saleor().keys(document) == [ORDER_ID, "118", "VXNlcjoyMQ==", "mira.solberg@example.com"]
    assert set(saleor().subjects(event(PAID), [document])) == {
        *(f"order:{ORDER_ID.lower()}", "customer:vxnlcjoymq==", "email:mira.solberg@example.com")
    }
    user = {"user": {"id": "u", "email": "A@b.example"}}
    assert saleor().keys(user) == ["u", "a@b.example"]


@pytest.mark.parametrize("stored", [b"[]", b"{", b"1"])
def test_a_stored_body_that_cannot_be_read_is_said_to_be(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        saleor().documents(event(stored), {})


def test_nothing_is_fetched_for_an_event() -> None:
    assert saleor().lookups(event(PAID)) == ()
    assert saleor().credentials() is None


@pytest.mark.parametrize(
    ("topic", "document", "entity"),
    [
        ("order_fully_paid", PAID["order"], f"order:{ORDER_ID}"),
        ("customer_updated", {"id": "u"}, "customer:u"),
        ("order_fully_paid", {"order": {"id": "a"}}, "order:a"),
        (None, PAID, f"order:{ORDER_ID}"),
    ],
)
def test_history_becomes_webhooks(topic: str | None, document: dict[str, Any], entity: str) -> None:
    source = saleor(open=True)
    received = source.receive(source.historic(topic, document), now_ms=NOW_MS)
    assert (received.topic, received.entity) == (topic or "order_fully_paid", entity)


# --- the query ------------------------------------------------------------------------------


def test_the_query_selects_what_the_templates_read() -> None:
    """Every event that is tracked by default, and every field of the cases, which are of its shape."""
    folder = packaged_templates() / "sources/saleor"
    query = (folder / "subscription.graphql").read_text()
    for topics in SaleorTrackingOptions().model_dump().values():
        for topic in topics:
            assert f"... on {topic.title().replace('_', '')} {{" in query
    plain = list(Path(folder).glob("cases/*/plain.json"))
    assert len(plain) == 7
    for path in plain:
        for name in members(json.loads(path.read_text())["webhook"]):
            assert f" {name}" in query, (path, name)
    assert query.count("{") == query.count("}")


def members(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in members(item)}
    if isinstance(value, dict):
        return set(value) | {name for item in value.values() for name in members(item)}
    return set()


# --- strangers ------------------------------------------------------------------------------

NAMES = ["saleor-signature", "x-saleor-signature", "saleor-event", "saleor-api-url", "content-type"]
parts = st.sampled_from(
    ["", "..", "e30", base64url(b'{"alg":"RS256"}'), base64url(b"[]"), jws(BODY).split(".")[0], "=", "é", "\ud800"]
)
values = st.text(max_size=40) | st.tuples(parts, parts, parts).map(".".join) | st.text("0123456789abcdef", max_size=70)
things = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["__typename", "issuedAt", "order", "user", "data", "event", "id", "number", "userEmail", "email"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(headers=st.dictionaries(st.sampled_from(NAMES), values), body=st.binary(max_size=60))
def test_a_stranger_gets_a_refusal_and_nothing_else(headers: dict[str, str], body: bytes) -> None:
    assert refusal(Webhook(headers, body)).code.startswith("signature_")
    saleor().strip(Webhook(headers, body))


@given(body=things, topic=st.text(max_size=10))
def test_whatever_is_in_a_genuine_body_it_is_received_or_refused(body: Any, topic: str) -> None:
    source = saleor()
    try:
        received = source.receive(
            Webhook({"saleor-event": topic, "saleor-signature": hex_signature(raw(body))}, raw(body)), now_ms=NOW_MS
        )
    except Refused as refused:
        assert refused.code in ("body_not_object", "topic_missing")  # noqa: PT017
        return
    (document,) = source.documents(event(received.body, received.topic), {})
    assert all(isinstance(key, str) for key in source.keys(document))
    assert all(":" in one for one in source.subjects(event(received.body), [document]))


@given(document=st.binary(max_size=80) | st.dictionaries(st.just("keys"), st.lists(things, max_size=3)).map(raw))
def test_any_published_document_gives_keys_or_a_value_error(document: bytes) -> None:
    try:
        assert KeySet("https://a.example").replace(document) > 0
    except ValueError:
        # It holds none.
        return
