from __future__ import annotations

import base64
import gzip
import hashlib
import json
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.codes import CODES
from relay.model import JsonObject, Quarantined, QuarantineId, Webhook
from relay.sources.contract import Refused
from relay.sources.elasticpath import ElasticPath
from tests.sources.making import (
    CUSTOMER_ID,
    NOW_MS,
    ORDER_ID,
    SECRET,
    elasticpath,
    envelope,
    event,
    order,
    webhook,
    written,
)

CLIENT_SECRET = "composer-client-secret"
DERIVED = base64.b64encode(hashlib.sha256(CLIENT_SECRET.encode()).digest()).decode()
PAID = envelope(payload=order(), store_id="store-7", configuration={"url": "https://r.example", "secret_key": SECRET})


def refusal(source: ElasticPath, webhook: Webhook) -> str:
    with pytest.raises(Refused) as caught:
        source.receive(webhook, now_ms=NOW_MS)
    assert caught.value.code in CODES
    assert SECRET not in caught.value.detail
    return caught.value.code


# --- genuine or not -------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["current-secret", "previous-secret"])
def test_each_configured_secret_is_accepted_in_the_header(secret: str) -> None:
    source = elasticpath(secret=["current-secret", "previous-secret"])

    assert source.receive(webhook(PAID, {"x-moltin-secret-key": secret}), now_ms=NOW_MS).topic == "order.paid"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "signature_missing"),
        ({"x-moltin-secret-key": ""}, "signature_missing"),
        ({"x-moltin-secret-key": SECRET + "x"}, "signature_mismatch"),
        ({"x-moltin-secret-key": SECRET[:-1]}, "signature_mismatch"),
        ({"x-moltin-secret-key": "\ud800"}, "signature_mismatch"),
        ({"authorization": SECRET}, "signature_missing"),
    ],
)
def test_a_webhook_without_the_secret_is_refused_whatever_its_body(headers: dict[str, str], code: str) -> None:
    # The secret in the body is no proof unless Composer's form is asked for.
    assert refusal(elasticpath(), webhook(PAID, headers)) == code
    assert refusal(elasticpath(), webhook(b"not json", headers)) == code


def test_a_secret_beyond_ascii_is_accepted_as_http_servers_hand_it_on() -> None:
    source = elasticpath(secret=["schlüssel-漢字"])

    assert source.receive(
        webhook(PAID, {"x-moltin-secret-key": "schlüssel-漢字".encode().decode("latin-1")}), now_ms=NOW_MS
    )


def test_an_empty_secret_lets_nobody_in() -> None:
    source = elasticpath(secret=[""])

    assert refusal(source, webhook(PAID, {"x-moltin-secret-key": ""})) == "signature_missing"
    assert refusal(elasticpath(secret=[], composer=" "), webhook(PAID, {})) == "signature_mismatch"


def composed(secret: object) -> JsonObject:
    return {**PAID, "configuration": {"secret_key": secret}}


def test_composers_form_in_the_body_is_accepted_only_when_asked_for() -> None:
    source = elasticpath(composer=CLIENT_SECRET)

    received = source.receive(webhook(composed(DERIVED), {}), now_ms=NOW_MS)

    assert json.loads(received.body)["configuration"] == {"secret_key": ""}
    assert source.receive(webhook(composed(DERIVED), {"x-moltin-secret-key": DERIVED}), now_ms=NOW_MS)
    assert source.receive(webhook(composed(DERIVED), {"x-moltin-secret-key": "of something else"}), now_ms=NOW_MS)
    assert refusal(elasticpath(), webhook(composed(DERIVED), {})) == "signature_missing"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (composed(""), "signature_missing"),
        (composed(7), "signature_missing"),
        (composed([DERIVED]), "signature_missing"),
        ({**PAID, "configuration": "x"}, "signature_missing"),
        (composed(CLIENT_SECRET), "signature_mismatch"),
        (composed(DERIVED + "="), "signature_mismatch"),
        (b"{", "body_not_json"),
    ],
)
def test_any_other_secret_in_the_body_is_refused(body: object, code: str) -> None:
    assert refusal(elasticpath(composer=CLIENT_SECRET), webhook(body, {})) == code


def test_an_open_source_asks_for_nothing_and_still_keeps_no_secret() -> None:
    received = elasticpath(open=True).receive(webhook(PAID, {"x-moltin-secret-key": "whatever"}), now_ms=NOW_MS)

    assert json.loads(received.body)["configuration"]["secret_key"] == ""


# --- readable or not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_not_json"),
        (b"order.paid", "body_not_json"),
        (b'{"id": NaN}', "body_not_json"),
        (b'{"id":"\\ud800"}', "body_not_json"),
        (b'\xff\xfe{"id"', "body_not_json"),
        (gzip.compress(b"{}", mtime=0), "body_not_json"),
        (b'{"a":' * 100_000, "body_not_json"),
        (b"[" * 300 + b"]" * 300, "body_not_json"),
        (b"[]", "body_not_object"),
        (b'"order.paid"', "body_not_object"),
        (b"null", "body_not_object"),
        (b"{}", "topic_missing"),
        (b'{"triggered_by": ["order.paid"], "trigger": {}}', "topic_missing"),
        (b'{"triggered_by": "order\\u0000paid"}', "topic_missing"),
        (b'{"specversion": "1.0", "type": "order.paid", "data": {}}', "topic_missing"),
    ],
)
def test_what_cannot_be_filed_is_refused_with_its_reason(body: bytes, code: str) -> None:
    assert refusal(elasticpath(), webhook(body)) == code


@pytest.mark.parametrize(
    ("fields", "header", "topic"),
    [
        ({"triggered_by": "order.paid"}, "order.updated", "order.paid"),
        ({"trigger": "order.fulfilled"}, None, "order.fulfilled"),
        ({"triggered_by": None, "trigger": "order.fulfilled"}, None, "order.fulfilled"),
        ({}, "order.refunded", "order.refunded"),
    ],
)
def test_the_topic_is_the_bodys_or_else_the_headers(fields: JsonObject, header: str | None, topic: str) -> None:
    headers = {"x-moltin-secret-key": SECRET} | ({"x-moltin-integration-trigger": header} if header else {})

    assert elasticpath().receive(webhook({"id": "e-1", **fields}, headers), now_ms=NOW_MS).topic == topic


# --- filing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"id": "e-1"}, "e-1"),
        ({"id": "e-1", "store_id": "s", "org_id": "o"}, "s:e-1"),
        ({"id": "e-1", "org_id": "o"}, "o:e-1"),
        ({"id": 17, "store_id": None}, "17"),
    ],
)
def test_the_delivery_key_is_the_envelopes_id_within_its_store(fields: JsonObject, key: str) -> None:
    assert elasticpath().receive(webhook({"triggered_by": "order.paid", **fields}), now_ms=NOW_MS).delivery_key == key


@pytest.mark.parametrize("identifier", [None, "", {"id": 1}, 1.5, True, "x" * 1_000, "a\x00"])
def test_without_an_id_the_delivery_key_is_what_a_retry_repeats(identifier: object) -> None:
    def key(**fields: Any) -> str:
        body = {**PAID, "id": identifier, **fields}
        return elasticpath(secret=[SECRET, "next"]).receive(webhook(body), now_ms=NOW_MS).delivery_key

    first = key()

    assert first.startswith("sha256:")
    assert (
        key(attempt=2) == key(attempt="3") == key(configuration={**PAID["configuration"], "secret_key": "x"}) == first
    )
    others = [key(triggered_by="order.updated"), key(payload=order(attempt=2)), key(store_id="store-8")]
    assert len({first, *others}) == 4


def test_without_an_id_two_topics_are_two_deliveries_also_when_only_the_header_tells_them_apart() -> None:
    keys = {
        elasticpath(open=True)
        .receive(webhook({"payload": order()}, {"x-moltin-integration-trigger": topic}), now_ms=NOW_MS)
        .delivery_key
        for topic in ("order.paid", "order.updated")
    }

    assert len(keys) == 2


def test_ids_too_long_for_a_number_still_differ() -> None:
    keys = {
        elasticpath()
        .receive(webhook(b'{"triggered_by":"order.paid","id":1234567890123456789012%d}' % last), now_ms=NOW_MS)
        .delivery_key
        for last in (1, 2)
    }

    assert len(keys) == 2


@pytest.mark.parametrize(
    ("topic", "payload", "entity"),
    [
        ("order.paid", order(), f"order:{ORDER_ID}"),
        ("order.paid", {"data": {"id": 5, "type": "order_v2"}}, "order:5"),
        ("customer.updated", {"data": {"id": CUSTOMER_ID}}, f"customer:{CUSTOMER_ID}"),
        ("customer.deleted", {"type": "customer", "id": CUSTOMER_ID}, f"customer:{CUSTOMER_ID}"),
        ("stock-transaction.created", {"data": {"id": "t-1", "type": "stock"}}, "stock:t-1"),
        ("cart.updated", {"data": {"id": "c-1"}}, "cart:c-1"),
        ("order.paid", {"data": {"id": {"a": 1}}}, "event:e-1"),
        ("settings.updated", {"a": 1}, "event:e-1"),
        ("order.paid", None, "event:e-1"),
    ],
)
def test_the_entity_is_what_must_stay_in_order(topic: str, payload: object, entity: str) -> None:
    body = {"id": "e-1", "triggered_by": topic, "payload": payload}

    assert elasticpath().receive(webhook(body), now_ms=NOW_MS).entity == entity


@pytest.mark.parametrize(
    ("topic", "at_ms"),
    [("order.created", 1_709_287_200_000), ("order.paid", 1_709_287_500_250), ("customer.created", 1_709_287_500_250)],
)
def test_the_time_is_the_orders_creation_or_else_its_last_change(topic: str, at_ms: int) -> None:
    assert elasticpath().receive(webhook({**PAID, "triggered_by": topic}), now_ms=NOW_MS).occurred_at_ms == at_ms


@pytest.mark.parametrize("meta", [None, {}, {"timestamps": {"updated_at": 5}}, {"timestamps": []}])
def test_without_a_time_there_is_none(meta: object) -> None:
    body = {**PAID, "payload": order(meta=meta)}

    assert elasticpath().receive(webhook(body), now_ms=NOW_MS).occurred_at_ms is None


@pytest.mark.parametrize(
    "resources",
    [order(), json.dumps(order()), [order()["data"], {"id": "other"}], order()["data"]],
    ids=["object", "text", "array", "flat"],
)
def test_older_forms_are_filed_alike(resources: object) -> None:
    received = elasticpath().receive(webhook(envelope(resources=resources)), now_ms=NOW_MS)

    assert received.entity == f"order:{ORDER_ID}"
    assert received.occurred_at_ms == 1_709_287_500_250


# --- secrets --------------------------------------------------------------------------------


def test_of_the_body_only_the_secret_is_changed_and_of_the_headers_a_few_are_kept() -> None:
    raw = json.dumps(PAID, indent=1).replace("42.00", "42\\u002e00").encode()
    headers = {
        "x-moltin-secret-key": SECRET,
        "content-type": "application/json",
        "user-agent": "EP",
        "cookie": "a",
        "x-moltin-integration-trigger": "order.paid",
    }

    received = elasticpath().receive(Webhook(headers, raw), now_ms=NOW_MS)

    assert received.body == raw.replace(SECRET.encode(), b"")
    assert sorted(received.headers) == ["content-type", "user-agent", "x-moltin-integration-trigger"]


long_secrets = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=16, max_size=40)
spellings = st.sampled_from([0.0, 0.1, 0.6])


@given(secret=long_secrets, seed=st.integers(0, 2**32), escapes=spellings, data=st.data())
def test_no_secret_ever_gets_through(secret: str, seed: int, escapes: float, data: st.DataObject) -> None:
    random = Random(seed)
    place = data.draw(st.sampled_from(["id", "triggered_by", "store_id", "note"]))
    body: JsonObject = {**PAID, "configuration": {"secret_key": secret}}
    body[place] = data.draw(st.sampled_from([secret, f"<{secret}>", body.get(place, "")]))
    body["resources"] = data.draw(st.sampled_from(["", secret, written(body, random, escapes=escapes)]))
    came = Webhook(
        {"x-moltin-secret-key": secret, "user-agent": secret, "x-note": secret},
        written(body, random, escapes=escapes).encode(),
    )

    received = elasticpath(secret=[secret]).receive(came, now_ms=NOW_MS)
    opened = elasticpath(open=True).receive(came, now_ms=NOW_MS)
    kept = elasticpath(secret=[secret]).strip(came)

    for result in (received, opened):
        shown = [
            *strings(json.loads(result.body)),
            *result.headers.values(),
            result.topic,
            result.delivery_key,
            result.entity,
        ]
        assert not [text for text in shown if secret in text]
    assert not [text for text in [*strings(json.loads(kept.body)), *kept.headers.values()] if secret in text]


def strings(value: Any) -> list[str]:
    """All texts of a document, also of JSON within texts."""
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in [name, *strings(inner)]]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    if not isinstance(value, str):
        return []
    try:
        return [value, *strings(json.loads(value))]
    except ValueError:
        return [value]


@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15), escapes=spellings)
def test_a_short_secret_goes_from_its_own_field(secret: str, escapes: float) -> None:
    body = written({**PAID, "configuration": {"secret_key": secret}}, Random(0), escapes=escapes)

    received = elasticpath(open=True).receive(webhook(body.encode(), {}), now_ms=NOW_MS)

    assert json.loads(received.body) == {**PAID, "configuration": {"secret_key": ""}}


@given(
    headers=st.dictionaries(
        st.text(st.characters(), max_size=8) | st.just("x-moltin-secret-key"), st.text(st.characters())
    ),
    body=st.binary(),
    at=st.integers(0, 50),
)
def test_quarantine_gets_the_bytes_without_the_configured_secret(headers: dict[str, str], body: bytes, at: int) -> None:
    came = Webhook({**headers, "x-moltin-secret-key": SECRET}, body[:at] + SECRET.encode() + body[at:])

    kept = elasticpath().strip(came)

    assert SECRET.encode() not in kept.body
    assert kept.headers["x-moltin-secret-key"] == "present"
    assert kept.headers.keys() == came.headers.keys()
    assert not any(SECRET in value for value in kept.headers.values())
    assert all(value.encode() is not None for value in kept.headers.values())


def test_quarantine_keeps_a_wrong_secret_neither() -> None:
    wrong = "secret-of-another-shop-0815"
    came = webhook({**PAID, "configuration": {"secret_key": wrong}, "note": wrong}, {"x-moltin-secret-key": wrong})

    kept = elasticpath().strip(came)

    assert wrong.encode() not in kept.body
    assert kept.headers == {"x-moltin-secret-key": "present"}


# --- anything at all ------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["order.paid", "[{", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "included", "meta", "timestamps", "type", "items"]) | st.text(), inner
        )
    ),
    max_leaves=8,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        name: anything | anything.map(json.dumps)
        for name in (
            *("id", "triggered_by", "trigger", "attempt", "store_id", "org_id", "integration"),
            *("configuration", "payload", "resources"),
        )
    },
)
topics = st.sampled_from(["order.paid", "order.refunded", "customer.updated", "customer.deleted", "cart.updated"])
bodies = st.one_of(
    st.binary(),
    anything.map(lambda value: json.dumps(value).encode()),
    envelopes.map(lambda value: json.dumps(value).encode()),
    st.tuples(envelopes, topics).map(lambda pair: json.dumps({**pair[0], "triggered_by": pair[1]}).encode()),
)


@given(body=bodies, headers=st.dictionaries(st.text(st.characters()), st.text(st.characters())))
@example(body=b'{"triggered_by":"order.paid","id":' + b"9" * 5_000 + b"}", headers={})
@example(body=b'{"triggered_by":"order.paid","resources":"' + b"[" * 5_000 + b'"}', headers={})
@example(body=b'{"triggered_by":"order.paid","resources":"\\"\\\\ud800\\""}', headers={})
@example(body=b'{"triggered_by":"order.paid","payload":' + b'{"a":' * 235 + b"1" + b"}" * 236, headers={})
@example(body=b'{"triggered_by":"order.paid"}', headers={"x-moltin-integration-trigger": "\ud800"})
def test_any_bytes_and_headers_are_received_or_refused(body: bytes, headers: dict[str, str]) -> None:
    source = elasticpath(open=True)
    came = Webhook(headers, body)
    source.strip(came)
    try:
        received = source.receive(came, now_ms=NOW_MS)
    except Refused:
        return

    for text in (received.topic, received.delivery_key, received.entity, json.dumps(dict(received.headers))):
        assert text.encode()
        assert text.isprintable()
    stored = event(received.body, received.topic)
    documents = source.documents(stored, {})
    assert documents
    for document in documents:
        assert isinstance(document["payload"]["data"], dict)
        assert document["triggered_by"] == received.topic
        assert all(key and key.isprintable() for key in source.keys(document))
    assert all(lookup.path.startswith("/v2/") for lookup in source.lookups(stored))


# --- once more, from quarantine ---------------------------------------------------------------


def quarantined(source: ElasticPath, came: Webhook) -> Quarantined:
    kept = source.strip(came)
    return Quarantined(QuarantineId(1), "shop", json.dumps(dict(kept.headers)), kept.body, "code", "", 0)


@pytest.mark.parametrize("secret", [SECRET, "short"])
@pytest.mark.parametrize("identifier", ["e-1", None])
def test_a_refused_webhook_is_read_as_it_would_have_been(secret: str, identifier: str | None) -> None:
    body = envelope(payload=order(), configuration={"secret_key": secret}, note=f"key {SECRET}")
    body["id"] = identifier
    came = webhook(body, {"x-moltin-secret-key": secret, "x-request-id": "r-1"})
    before, mended = elasticpath(secret=["another-secret-0123456"]), elasticpath(secret=[secret])
    item = quarantined(before, came)

    assert refusal(before, came) == "signature_mismatch"
    assert mended.recheck(item, lambda candidate: candidate == before.presented(came)) == mended.receive(came, now_ms=0)


def test_it_stays_refused_while_the_secret_is_another() -> None:
    source = elasticpath()
    item = quarantined(source, webhook(PAID, {"x-moltin-secret-key": "another"}))

    for candidate in ("another", ""):
        with pytest.raises(Refused, match="signature_mismatch"):
            source.recheck(item, candidate.__eq__)
    with pytest.raises(Refused, match="body_not_json"):
        source.recheck(quarantined(source, webhook(b"{")), lambda secret: secret == SECRET)


def test_the_presented_secret_is_that_of_the_header_else_of_composers_body() -> None:
    source = elasticpath(composer=CLIENT_SECRET)
    embedded = envelope(payload=order(), configuration={"secret_key": DERIVED})

    assert source.presented(webhook(embedded)) == SECRET
    assert source.presented(webhook(embedded, {})) == DERIVED
    assert source.recheck(quarantined(source, webhook(embedded, {})), lambda secret: secret == DERIVED)
    for nothing in (b"{", b"[]", b'{"configuration":{"secret_key":1}}', b"\xff"):
        assert source.presented(webhook(nothing, {})) == ""


# --- whom it is about ---------------------------------------------------------------------------


def test_an_order_is_about_itself_its_customer_and_the_customers_address() -> None:
    source = elasticpath()
    received = source.receive(webhook(PAID), now_ms=0)
    stored = event(received.body)._replace(entity=received.entity)

    assert set(source.subjects(stored, source.documents(stored, {}))) == {
        f"order:{ORDER_ID}",
        f"customer:{CUSTOMER_ID}",
        "email:ines.faro@shop.example",
    }
    assert source.privacy(stored) is None
