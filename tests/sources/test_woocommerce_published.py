"""WooCommerce against webhook bodies and signature vectors that others have published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import Webhook
from relay.sources.contract import Refused
from tests.sources.making import NOW_MS
from tests.sources.published import published
from tests.sources.woocommerce_making import event, webhook
from tests.sources.woocommerce_making import woocommerce as shop

BODIES = "payloads/woocommerce"


def files() -> list[Any]:
    try:
        return sorted(path.name for path in published(BODIES).glob("*.json") if "expected" not in path.name)
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


def test_the_signature_vectors_are_accepted_or_refused_as_they_say() -> None:
    vectors = [
        one for one in json.loads(published("signature-vectors.json").read_text()) if one["platform"] == "woocommerce"
    ]
    for vector in vectors:
        came = Webhook({name.lower(): value for name, value in vector["headers"].items()}, vector["body"].encode())
        source = shop(vector.get("secret_as_stored", "any"))
        if vector["kind"] == "ping":
            assert source.is_ping(came)
            continue
        assert vector["valid"]
        received = source.receive(came, now_ms=NOW_MS)
        assert (received.topic, received.entity) == ("order.updated", "order:727")
        # As the key is, without any entity, too; and altered, not.
        assert shop(vector["key"]).receive(came, now_ms=NOW_MS) == received
        with pytest.raises(Refused, match=r"^signature_mismatch"):
            source.receive(Webhook(came.headers, came.body + b" "), now_ms=NOW_MS)
    assert [vector["id"] for vector in vectors] == ["woo-1", "woo-2", "woo-3", "woo-ping-1"]


@pytest.mark.parametrize("name", files())
def test_a_published_body_is_received_and_found_again(name: str) -> None:
    body = published(BODIES, name).read_bytes()
    topic = name.rpartition("-")[0]
    received = shop().receive(webhook(body, topic=topic), now_ms=NOW_MS)
    (document,) = shop().documents(event(received.body, topic), {})
    assert received.entity == f"{topic.partition('.')[0]}:{json.loads(body)['id']}"
    assert received.occurred_at_ms is not None
    assert str(json.loads(body)["id"]) in shop().keys(document)
