"""Shopify against webhook bodies and signature vectors that others have published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import Webhook
from relay.sources.contract import Refused
from tests.sources.making import NOW_MS
from tests.sources.published import published
from tests.sources.shopify_making import event, shopify, webhook

BODIES = "payloads/shopify"


def files() -> list[Any]:
    try:
        return sorted(path.name for path in published(BODIES).glob("*.json") if "expected" not in path.name)
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


def test_the_signature_vectors_are_accepted_or_refused_as_they_say() -> None:
    vectors = [
        one for one in json.loads(published("signature-vectors.json").read_text()) if one["platform"] == "shopify"
    ]
    for vector in vectors:
        came = Webhook({name.lower(): value for name, value in vector["headers"].items()}, vector["body"].encode())
        source = shopify(*vector.get("secrets", [vector.get("secret")]))
        if not vector["valid"]:
            with pytest.raises(Refused, match=r"^signature_mismatch"):
                source.receive(came, now_ms=NOW_MS)
        elif not vector["body"]:
            # Genuine, but no webhook.
            with pytest.raises(Refused, match=r"^body_not_json"):
                source.receive(came, now_ms=NOW_MS)
        else:
            received = source.receive(came, now_ms=NOW_MS)
            assert received.entity == "order:820982911946154508"
            assert received.delivery_key.endswith(":orders/create:b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
            (document,) = source.documents(event(received.body, received.topic, dict(received.headers)), {})
            assert document["id"] == "820982911946154508"
            assert document["shop_domain"] == "example.myshopify.com"
    assert len(vectors) == 5


@pytest.mark.parametrize("name", files())
def test_a_published_body_is_received_and_found_again(name: str) -> None:
    body = published(BODIES, name).read_bytes()
    topic = name.rpartition("-")[0].replace("_", "/", 1)
    source = shopify()
    received = source.receive(webhook(body, topic=topic, triggered_at=None), now_ms=NOW_MS)
    (document,) = source.documents(event(received.body, topic), {})
    was = json.loads(body)
    if not name.startswith(("shop_redact", "carts_create-1", "orders_cancelled-1")):
        assert not received.entity.startswith("event:"), received.entity
    if "updated_at" in was or "created_at" in was:
        assert received.occurred_at_ms is not None
    if topic.endswith(("redact", "data_request")):
        assert source.privacy(event(received.body, topic)) is not None
    if "id" in was:
        assert str(was["id"]) in source.keys(document)
