"""Elastic Path against webhook bodies and signature vectors that others have published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.model import Webhook
from relay.sources.contract import Refused
from relay.sources.signing import composer_secret
from tests.sources.making import NOW_MS, elasticpath, envelope, event, webhook
from tests.sources.published import published

BODIES = "payloads/elasticpath"


def files(pattern: str) -> list[Any]:
    try:
        return sorted(path.name for path in published(BODIES).glob(pattern))
    except pytest.skip.Exception as absent:
        return [pytest.param("", marks=pytest.mark.skip(reason=str(absent)))]


def test_the_signature_vectors_are_accepted_or_refused_as_they_say() -> None:
    vectors = json.loads(published("signature-vectors.json").read_text())
    headers = [vector for vector in vectors if vector["platform"] == "elasticpath" and "headers" in vector]
    derived = [vector for vector in vectors if vector["platform"] == "elasticpath" and "derived" in vector]

    for vector in headers:
        came = Webhook({name.lower(): value for name, value in vector["headers"].items()}, vector["body"].encode())
        source = elasticpath(secret=[vector["secret"]])
        if vector["valid"]:
            assert source.receive(came, now_ms=NOW_MS).topic == "order.paid"
        else:
            with pytest.raises(Refused, match=r"^signature_"):
                source.receive(came, now_ms=NOW_MS)
    for vector in derived:
        assert composer_secret(vector["client_secret"]) == vector["derived"]
        body = envelope(configuration={"secret_key": vector["derived"]})
        assert (
            elasticpath(composer=vector["client_secret"]).receive(webhook(body, {}), now_ms=NOW_MS).topic
            == "order.paid"
        )
    assert (len(headers), len(derived)) == (3, 1)


@pytest.mark.parametrize("name", files("[op]*.json"))
def test_a_published_webhook_is_received_and_normalised(name: str) -> None:
    raw = published(BODIES, name).read_bytes()
    source = elasticpath()

    received = source.receive(webhook(raw), now_ms=NOW_MS)
    (document,) = source.documents(event(received.body, received.topic), {})

    topic = name.rpartition("-")[0]
    assert document["triggered_by"] == received.topic == topic
    assert received.delivery_key.endswith(json.loads(raw)["id"])
    assert b"secret_squirrel" not in received.body
    data = document["payload"]["data"]
    if topic.startswith("order."):
        assert received.entity == f"order:{data['id']}"
        assert data["type"] == "order"
        assert data["id"] in source.keys(document)
        # Complete from payload or from its text; the forms before 2019 are not.
        whole = name.startswith("order.paid")
        assert (received.occurred_at_ms is not None) == whole
        assert [lookup.name for lookup in source.lookups(event(received.body, topic))] == ([] if whole else ["order"])


def test_the_payload_and_its_copy_as_text_give_the_same_document() -> None:
    body = json.loads(published(BODIES, "order.paid-1.json").read_text())
    as_text = {name: value for name, value in body.items() if name != "payload"}

    assert elasticpath().documents(event(body), {}) == elasticpath().documents(event(as_text), {})


@pytest.mark.parametrize("name", files("sqs.*.json"))
def test_cloud_events_are_refused_as_they_do_not_come_over_http(name: str) -> None:
    with pytest.raises(Refused, match=r"^topic_missing"):
        elasticpath().receive(webhook(published(BODIES, name).read_bytes()), now_ms=NOW_MS)


@pytest.mark.parametrize("name", files("resource.*.json"))
def test_a_published_resource_is_normalised_as_payload_and_as_text(name: str) -> None:
    resource = json.loads(published(BODIES, name).read_text())
    topic = "customer.updated" if "customer" in name else "order.updated"
    source = elasticpath()

    for fields in ({"payload": resource}, {"resources": json.dumps(resource)}):
        received = source.receive(webhook(envelope(triggered_by=topic, **fields)), now_ms=NOW_MS)
        documents = source.documents(event(received.body, topic), {})
        expected = resource["data"] if isinstance(resource.get("data"), list) else [resource.get("data", resource)]
        assert [document["payload"]["data"] for document in documents] == expected


@pytest.mark.parametrize("name", files("resource.order-*.json"))
def test_a_published_order_completes_a_thin_webhook(name: str) -> None:
    resource = json.loads(published(BODIES, name).read_text())
    thin = envelope(trigger="order.updated", resources={"type": "order", "id": resource["data"]["id"]})

    (document,) = elasticpath().documents(event(thin, "order.updated"), {"order": resource})

    assert document["payload"]["data"] == resource["data"]
    assert document["payload"].get("included") == resource.get("included")
