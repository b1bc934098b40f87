"""What queues put around a message: commercetools sends to queues only, and it is their push that arrives."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Event, EventId, Lane, Received, Webhook
from relay.sources.contract import Refused
from tests.sources.declared_making import NOW_MS, declared, packaged

MESSAGE = {
    "notificationType": "Message",
    "projectKey": "shop",
    "id": "m-1",
    "version": 1,
    "sequenceNumber": 2,
    "resource": {"typeId": "order", "id": "o-1"},
    "resourceVersion": 3,
    "resourceUserProvidedIdentifiers": {"orderNumber": "1001"},
    "type": "OrderCreated",
    "order": {"id": "o-1", "orderNumber": "1001", "customerId": "c-17", "customerEmail": "Ada@example.com"},
    "createdAt": "2026-03-14T09:26:53.045Z",
}
CLOUD_EVENT = {
    "id": "m-1",
    "source": "/shop/orders",
    "specversion": "1.0",
    "type": "com.commercetools.order.message.OrderCreated",
    "subject": "o-1",
    "time": "2026-03-14T09:26:53.045Z",
    "data": MESSAGE,
}
SOURCE = packaged("commercetools", secret="user:password")
HEADERS = {"authorization": "Basic " + base64.b64encode(b"user:password").decode()}


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def sns(message: str, kind: str = "Notification", **more: str) -> dict[str, Any]:
    """As Amazon's page on HTTP notifications shows it."""
    return {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:commercetools",
        "Message": message,
        "Timestamp": "2026-03-14T09:26:54.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        **more,
    }


def pub_sub(message: str) -> dict[str, Any]:
    data = base64.b64encode(message.encode()).decode()
    return {
        "message": {"data": data, "messageId": "2070443601311540", "publishTime": "2026-03-14T09:26:54Z"},
        "subscription": "projects/shop/subscriptions/relay",
    }


def event_bridge(message: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Commercetools",
        "source": "aws.partner/commercetools.com/shop",
        "time": "2026-03-14T09:26:54Z",
        "detail": message,
    }


ENVELOPES = {
    "none": lambda message: message,
    "SNS": lambda message: sns(text(message)),
    "Pub/Sub": lambda message: pub_sub(text(message)),
    "EventBridge": event_bridge,
}


def received(document: Any) -> Received:
    return SOURCE.receive(Webhook(HEADERS, text(document).encode()), now_ms=NOW_MS)


def documents(came: Received) -> list[dict[str, Any]]:
    event = Event(
        EventId(1),
        Lane.LIVE,
        0,
        "shop",
        came.topic,
        came.delivery_key,
        came.entity,
        None,
        NOW_MS,
        "{}",
        came.body,
        None,
    )
    return [dict(one) for one in SOURCE.documents(event, {})]


@pytest.mark.parametrize("message", [MESSAGE, CLOUD_EVENT], ids=["platform", "cloud-events"])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_message_is_the_same_in_every_envelope(envelope: str, message: dict[str, Any]) -> None:
    came = received(ENVELOPES[envelope](message))
    assert (came.topic, came.delivery_key, came.entity) == ("OrderCreated", "m-1", "order:o-1")
    assert came.occurred_at_ms == NOW_MS + 45
    assert documents(came) == [message]
    assert set(SOURCE.keys(documents(came)[0])) == {"o-1", "1001", "c-17", "ada@example.com"}


@pytest.mark.parametrize("message", [MESSAGE, CLOUD_EVENT], ids=["platform", "cloud-events"])
def test_a_message_too_large_for_the_queue_tells_its_type_elsewhere(message: dict[str, Any]) -> None:
    inner = {key: value for key, value in MESSAGE.items() if key not in ("type", "order")}
    inner["payloadNotIncluded"] = {"reason": "Payload too large.", "payloadType": "OrderCreated"}
    came = received({**message, "data": inner} if "data" in message else inner)
    assert (came.topic, came.entity) == ("OrderCreated", "order:o-1")


def test_the_confirmation_that_sns_asks_for_is_kept_for_a_person_to_give() -> None:
    """Nothing a webhook says is ever called: the address stands in the event, for the user to open."""
    url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37fb687f"
    asked = sns("You have chosen to subscribe to the topic …", "SubscriptionConfirmation", SubscribeURL=url)
    came = received(asked)
    assert came.topic == "SubscriptionConfirmation"
    assert came.delivery_key == asked["MessageId"]
    assert (
        SOURCE.lookups(Event(EventId(1), Lane.LIVE, 0, "shop", came.topic, "k", "e", None, 0, "{}", came.body, None))
        == ()
    )
    assert url in came.body.decode()


def test_without_its_password_a_queue_is_asked_for_it() -> None:
    with pytest.raises(Refused) as caught:
        SOURCE.receive(Webhook({}, text(MESSAGE).encode()), now_ms=NOW_MS)
    assert caught.value.code == "signature_missing"
    assert caught.value.challenge.startswith("Basic realm=")
    with pytest.raises(Refused) as wrong:
        SOURCE.receive(Webhook({"authorization": "Basic d3Jvbmc="}, b"{}"), now_ms=NOW_MS)
    assert (wrong.value.code, wrong.value.challenge) == ("signature_mismatch", "")


def test_who_signs_is_not_asked_for_a_password() -> None:
    with pytest.raises(Refused) as caught:
        packaged("stripe", secret="s").receive(Webhook({}, b"{}"), now_ms=NOW_MS)
    assert caught.value.challenge == ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENVELOPED = """
[[unwrap]]
at = "message.data"
encoding = "base64"
[[unwrap]]
at = "Message"
[[unwrap]]
at = "detail"
encoding = "object"
[[authentication]]
scheme = "basic"
[event]
topic = "type"
delivery_key = "id"
entity = { order = "order" }
"""
ANY = declared(ENVELOPED, open=True)


@given(
    document=st.dictionaries(st.text(max_size=5), values, max_size=4),
    envelope=st.sampled_from(sorted(ENVELOPES)),
    topic=st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1, max_size=9),
)
def test_any_body_is_the_same_in_every_envelope(document: dict[str, Any], envelope: str, topic: str) -> None:
    body = {**document, "type": topic, "id": "i"}
    for name in ("message", "Message", "detail"):
        body.pop(name, None)
    bare = ANY.receive(Webhook({}, text(body).encode("utf-8", "surrogatepass")), now_ms=NOW_MS)
    put = text(ENVELOPES[envelope](body)).encode("utf-8", "surrogatepass")
    came = ANY.receive(Webhook({}, put), now_ms=NOW_MS)
    assert (came.topic, came.delivery_key, came.entity) == (bare.topic, bare.delivery_key, bare.entity)


@given(
    st.dictionaries(
        st.sampled_from(["message", "Message", "detail", "type"]),
        values | st.fixed_dictionaries({"data": values}) | st.binary(max_size=20).map(lambda raw: raw.hex()),
    )
)
def test_an_envelope_that_is_none_is_no_error(document: dict[str, Any]) -> None:
    try:
        ANY.receive(Webhook({}, text(document).encode("utf-8", "surrogatepass")), now_ms=NOW_MS)
    except Refused as refused:
        assert refused.code in ("topic_missing", "body_not_json")  # noqa: PT017
