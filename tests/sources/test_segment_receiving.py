"""Segment as a source: what is genuine, what a call is filed under, and what templates see of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import CODES
from relay.model import JsonObject, Quarantined, QuarantineId, Received, Webhook
from relay.sources.contract import Refused
from relay.sources.fields import moment_ms
from relay.sources.segment.requests import ENDPOINTS, MAX_CALLS, basic_authorization, basic_key, read
from relay.sources.segment.slices import elements, members
from tests.sources.segment_making import AT, SECRET, SENT_AT, WRITE_KEY, batch, call, event, segment, webhook

NOW_MS = moment_ms("2026-03-01T14:05:03.000Z") or 0


def taken(body: bytes, endpoint: str = "batch", **options: Any) -> tuple[list[Received], list[tuple[Webhook, Refused]]]:
    """What becomes of a request to the tracking API."""
    posted = read(endpoint, basic_authorization(WRITE_KEY), body)
    return segment(**options).take_apart(posted, {"user-agent": "test/1"}, {}, now_ms=NOW_MS)


def shown(received: Received) -> JsonObject:
    (document,) = segment().documents(event(received.body, received.topic, received.occurred_at_ms), {})
    return document


# -- webhooks


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        ("shared-with-segment", b'{"type":"page"}', "a11fb549bc2664443cec9804c59acd25c80eb3ef"),
        ("clé", '{"type":"page","name":"Caisse é"}'.encode(), "bbfd9b4a1fef12e3a5e6e6a32c47b344ba2f0bbe"),
    ],
)
def test_signature_vectors(secret: str, body: bytes, signature: str) -> None:
    """Signatures by ``openssl dgst -sha1 -hmac``."""
    source = segment(secret=[secret])
    came = Webhook({"x-signature": signature}, body)
    assert source.receive(came, now_ms=NOW_MS).topic == "page"
    assert source.receive(Webhook({"x-signature": signature.upper()}, body), now_ms=NOW_MS).topic == "page"
    for changed in (Webhook({"x-signature": signature}, body + b" "), Webhook({"x-signature": signature[:-1]}, body)):
        with pytest.raises(Refused, match=r"^signature_mismatch"):
            source.receive(changed, now_ms=NOW_MS)


def test_a_webhook_without_a_signature_or_a_source_without_a_secret() -> None:
    with pytest.raises(Refused, match=r"^signature_missing"):
        segment().receive(Webhook({}, b"{}"), now_ms=NOW_MS)
    with pytest.raises(Refused, match=r"^signature_mismatch"):
        segment(secret=[]).receive(webhook(call(), secret=""), now_ms=NOW_MS)
    assert segment(secret=[], open=True).receive(Webhook({}, json.dumps(call()).encode()), now_ms=NOW_MS)


def test_a_webhook_has_been_through_segment() -> None:
    body = call(originalTimestamp="2026-03-01T14:09:11Z", sentAt="2026-03-01T14:09:12Z", receivedAt=SENT_AT)
    received = segment().receive(webhook(body), now_ms=NOW_MS)
    assert received.occurred_at_ms == moment_ms(AT)
    assert not segment().keeps_message_ids(event(received.body))
    assert received.body == webhook(body).body


def test_a_call_out_of_a_file_keeps_its_time() -> None:
    body = json.dumps(call(sentAt="2024-01-01T00:00:01Z", timestamp="2024-01-01T00:00:00Z")).encode()
    received = segment(open=True).receive(Webhook({}, body), now_ms=NOW_MS)
    assert received.occurred_at_ms == moment_ms("2024-01-01T00:00:00Z")


# -- the tracking API


def test_every_call_of_a_batch_is_stored_by_itself_as_it_was_written() -> None:
    one = (
        '{ "type":"track", "event":"Caf\\u00e9 \u2615", "userId":"u",'
        ' "properties":{"n":1.50e2,"id":12345678901234567890} }'
    )
    two = '{"type":"identify","anonymousId":"a","writeKey":"w","messageId":"m-2"}'
    body = f'{{"sentAt" : "{SENT_AT}", "batch":[ {one} ,{two} ], "writeKey":"w"}}'.encode()
    (first, second), refused = taken(body)
    assert not refused
    assert first.body == f'{{"batch":[{one}],"sentAt":"{SENT_AT}"}}'.encode()
    assert json.loads(second.body) == {
        "batch": [{"type": "identify", "anonymousId": "a", "messageId": "m-2"}],
        "sentAt": SENT_AT,
    }
    assert [first.topic, second.topic] == ["track:Café ☕", "identify"]
    assert [first.entity, second.entity] == ["customer:u", "customer:a"]
    assert first.delivery_key.startswith("sha256:")
    assert second.delivery_key == "m-2"
    assert first.headers == {"user-agent": "test/1"}
    assert shown(first)["properties"] == {"n": 150.0, "id": "12345678901234567890"}
    assert segment().keeps_message_ids(event(first.body))


@pytest.mark.parametrize(
    ("endpoint", "kind"), [("t", "track"), ("i", "identify"), ("page", "page"), ("s", "screen"), ("g", "group")]
)
def test_the_endpoint_says_the_type(endpoint: str, kind: str) -> None:
    for body in (call(kind, type=None), call(kind)):
        ((received,), refused) = taken(json.dumps(body).encode(), endpoint)
        assert not refused
        assert received.topic.partition(":")[0] == shown(received)["type"] == kind
    ((received,), _) = taken(json.dumps(call("track", type="page")).encode(), "alias")
    assert (received.topic, shown(received)["type"]) == ("alias", "alias")


def test_what_is_common_to_a_batch_goes_to_each_call() -> None:
    body = batch(call(context={"ip": "192.0.2.1"}), call(messageId="m-2"), context={"ip": "192.0.2.9", "locale": "de"})
    (first, second), _ = taken(body)
    assert shown(first)["context"] == {"ip": "192.0.2.1", "locale": "de"}
    assert shown(second)["context"] == {"ip": "192.0.2.9", "locale": "de"}


def test_what_the_request_tells_of_the_browser_holds_where_the_call_does_not() -> None:
    posted = read("batch", "", batch(call(context={"ip": "192.0.2.1"}), call(messageId="m-2", context={"a": 1})))
    (first, second), _ = segment().take_apart(posted, {}, {"ip": "198.51.100.7", "userAgent": "B"}, now_ms=NOW_MS)
    assert shown(first)["context"] == {"ip": "192.0.2.1", "userAgent": "B"}
    assert shown(second)["context"] == {"ip": "198.51.100.7", "userAgent": "B", "a": 1}


@pytest.mark.parametrize(
    ("fields", "common", "at"),
    [
        ({"timestamp": AT}, {"sentAt": SENT_AT}, "2026-03-01T14:05:01.350Z"),  # it took 100 ms
        ({"timestamp": "2026-03-01T15:05:01.250Z"}, {"sentAt": "2026-03-01T15:05:02.900Z"}, "2026-03-01T14:05:01.350Z"),
        ({"timestamp": AT, "sentAt": "2026-03-01T14:05:03.000Z"}, {"sentAt": SENT_AT}, AT),  # its own goes before
        ({"timestamp": AT}, {"sentAt": "soon"}, AT),
        ({"timestamp": AT}, {"sentAt": None}, AT),
        ({"timestamp": AT}, {"sentAt": "9999-01-01T00:00:00Z"}, AT),  # no year to correct to
        ({"timestamp": None, "originalTimestamp": AT}, {"sentAt": None}, AT),
    ],
)
def test_time_is_corrected_by_the_senders_clock(fields: JsonObject, common: JsonObject, at: str) -> None:
    ((received,), _) = taken(batch(call(**fields), **common))
    document = shown(received)
    assert received.occurred_at_ms == moment_ms(at)
    assert document["timestamp"] == at
    assert document["originalTimestamp"] == (fields["timestamp"] or AT)


def test_a_call_without_a_time_happened_when_it_came() -> None:
    for time in (None, "yesterday", 17):
        ((received,), _) = taken(batch(call(timestamp=time)))
        assert received.occurred_at_ms is None


def test_ids_are_texts_and_empty_ones_are_none() -> None:
    body = batch(call("group", userId=7, anonymousId="", groupId=2**60 + 1, previousId=None, messageId=99))
    ((received,), _) = taken(body)
    document = shown(received)
    assert (received.delivery_key, received.entity) == ("99", "customer:7")
    assert {name: document[name] for name in ("userId", "groupId", "messageId")} == {
        "userId": "7",
        "groupId": str(2**60 + 1),
        "messageId": "99",
    }
    assert "anonymousId" not in document


def test_php_writes_an_empty_object_as_an_array() -> None:
    ((received,), _) = taken(batch(call(properties=[], context=[], traits=[1])))
    document = shown(received)
    assert (document["properties"], document["context"], document["traits"]) == ({}, {}, [1])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\uDE00 cut \ud83d\ud83d\ude00", "\ufffd cut \ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (b"cut \xf0\x9f\x98", "cut \ufffd"),
    ],
)
def test_half_a_character_is_replaced(written: bytes, name: str) -> None:
    """As Segment's API does, which is written in Go."""
    body = batch(call(messageId="a"), call(messageId="b", event="NAME")).replace(b"NAME", written)
    (_, received), refused = taken(body)
    assert not refused
    assert received.topic == f"track:{name}"
    assert shown(received)["event"] == name


def test_a_bad_call_is_refused_by_itself_and_the_rest_go() -> None:
    body = batch(call(), 7, {"type": "delete", "userId": "u"}, call(messageId="m-9", properties={"x": "y" * 40_000}))
    received, refused = taken(body, "b")
    assert [one.delivery_key for one in received] == ["m-1"]
    assert [why.code for _, why in refused] == ["body_not_object", "call_unknown", "call_too_large"]
    assert len(taken(body, max_call_bytes=100_000)[0]) == 2


def test_what_was_refused_is_let_in_when_the_key_was_presented_and_the_reason_is_mended() -> None:
    _, ((came, why),) = taken(batch(call(properties={"x": "y" * 40_000}), writeKey=WRITE_KEY))
    source = segment()
    assert source.presented(came) == WRITE_KEY
    stripped = source.strip(came)
    assert WRITE_KEY not in stripped.body.decode() + json.dumps(dict(stripped.headers))
    assert base64.b64encode(f"{WRITE_KEY}:".encode()).decode() not in json.dumps(dict(stripped.headers))
    item = Quarantined(
        QuarantineId(1), "shop", json.dumps(dict(stripped.headers)), stripped.body, why.code, why.detail, NOW_MS, ""
    )
    assert source.recheck(item, lambda secret: secret == WRITE_KEY).delivery_key == "m-1"
    with pytest.raises(Refused, match=r"^signature_missing"):
        source.recheck(item, lambda secret: False)


def test_keys_are_found_in_body_basic_and_first_call() -> None:
    body = batch(call(writeKey="in-call"), writeKey="in-body")
    assert read("batch", basic_authorization("basic"), body).presented == ["in-body", "basic", "in-call"]
    assert segment().admits(["x", WRITE_KEY])
    for none in ([], [""], [WRITE_KEY + "x"], [SECRET]):
        assert not segment().admits(none)
    assert not segment(write_key=[]).admits(["", "x"])
    for header in ("", "Basic", "Basic ?", "Bearer x", "Basic " + base64.b64encode(b"\xff:").decode()):
        assert basic_key(header) == ""


def test_a_batch_has_bounds() -> None:
    with pytest.raises(Refused, match=r"^batch_too_large"):
        read("batch", "", batch(*[1] * (MAX_CALLS + 1)))
    for body in (b"{}", b'{"batch":{}}', b"[]", b"7"):
        with pytest.raises(Refused, match=r"^body_not_object"):
            read("batch", "", body)
    with pytest.raises(Refused, match=r"^body_not_json"):
        read("track", "", b"{")


def test_a_customer_is_found_by_every_name() -> None:
    body = call("alias", userId="Ada@Example.com", previousId="a-1", anonymousId="a-2", properties={"orderId": 50314})
    source = segment()
    ((received,), _) = taken(batch(body, messageId="x"))
    (document,) = source.documents(event(received.body, "alias"), {})
    subjects = source.subjects(event(received.body, "alias"), [document])
    assert {"customer:ada@example.com", "customer:a-1", "customer:a-2", "email:ada@example.com", "order:50314"} <= {
        *subjects
    }
    assert {one.partition(":")[2] for one in subjects} <= {key.lower() for key in source.keys(document)} | {"user-17"}


# -- properties

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=5), st.lists(values, max_size=5), st.data())
def test_slices_are_the_values(an_object: JsonObject, an_array: list[Any], data: st.DataObject) -> None:
    indent = data.draw(st.sampled_from([None, 0, 2]))
    written = json.dumps(an_object, indent=indent, ensure_ascii=data.draw(st.booleans()))
    assert {name: json.loads(raw) for name, raw in members(f" {written}\n").items()} == json.loads(written)
    assert [json.loads(raw) for raw in elements(json.dumps(an_array, indent=indent))] == an_array


fields = st.sampled_from(["type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "context"])
words = st.sampled_from(["track", "identify", "Order Completed", AT, "", "9999-12-31T23:59:59.999Z", "u"])
calls = st.dictionaries(fields | st.text(max_size=4), words | values, max_size=8)
bodies = (
    st.binary(max_size=60)
    | calls.map(lambda one: json.dumps(one).encode())
    | st.fixed_dictionaries(
        {"batch": st.lists(calls | values, max_size=4)},
        optional={"context": values, "sentAt": words | values, "type": words | values, "writeKey": values},
    ).map(lambda one: json.dumps(one).encode())
)
headers = st.dictionaries(
    st.sampled_from(["x-signature", "authorization", "content-type", "user-agent"]), st.text(max_size=20)
)


@given(bodies, headers, st.sampled_from(sorted(ENDPOINTS)), st.booleans(), st.integers(0, 2**43))
def test_any_request_is_read_or_refused(
    body: bytes, sent: dict[str, str], endpoint: str, is_open: bool, now_ms: int
) -> None:
    source = segment(open=is_open)
    received: list[Received] = []
    try:
        received.append(source.receive(Webhook(sent, body), now_ms=now_ms))
    except Refused as refusal:
        assert refusal.code in CODES  # noqa: PT017
    try:
        posted = read(endpoint, sent.get("authorization", ""), body)
    except Refused as refusal:
        assert refusal.code in CODES  # noqa: PT017
    else:
        taken_in, refused = source.take_apart(posted, sent, {"ip": "192.0.2.1"}, now_ms=now_ms)
        assert len(taken_in) + len(refused) == len(posted.pieces)
        received += taken_in
        for came, _ in refused:
            source.strip(came)
    source.strip(Webhook(sent, body))
    source.presented(Webhook(sent, body))
    for one in received:
        stored = event(one.body, one.topic, one.occurred_at_ms)
        for document in source.documents(stored, {}):
            json.dumps([document, source.keys(document), source.subjects(stored, [document])])
            assert one.topic.startswith(document["type"])
