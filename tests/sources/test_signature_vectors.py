"""All published signature vectors through the sources as they are configured, whichever platform they are of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from relay.model import Webhook
from relay.renderer import build_sources
from relay.settings.options import RelayOptions
from relay.settings.packaged import packaged_declarations
from relay.settings.source_options import WITH_CODE
from relay.settings.tables import variant, variants
from relay.sources.contract import Refused, Source
from tests.sources.published import published

NOT_OURS = {"adobe-commerce": "the relay does not name Adobe Commerce among its platforms"}
SECRETS = {
    "composer-derived-secret": lambda vector: {"composer_client_secret": vector["client_secret"]},
    "standard-webhooks-v1a": lambda vector: {"secret": vector["public_key"]},
}
"""Options by kind of vector; by default the secret is under one of `NAMES`, as the option of that name or `secret`."""
NAMES = ("secrets", "secret", "key", "client_secret")


def vectors() -> list[Any]:
    try:
        found = json.loads(published("signature-vectors.json").read_text())
    except pytest.skip.Exception as absent:
        return [pytest.param({}, marks=pytest.mark.skip(reason=str(absent)))]
    assert len(found) == 29
    return [pytest.param(vector, id=vector["id"]) for vector in found]


def source_of(vector: dict[str, Any]) -> Source:
    """The platform's source with the vector's secret; the test is skipped for a platform that is not there."""
    platform = vector["platform"]
    if platform in NOT_OURS:
        pytest.skip(f"NOT OURS: {NOT_OURS[platform]}")
    if platform not in {*WITH_CODE, *packaged_declarations()}:
        pytest.skip(f"NOT TESTED: there is no platform {platform} yet")
    if vector["kind"] in SECRETS:
        options = SECRETS[vector["kind"]](vector)
    elif "jwks" in vector:
        options = {"api_url": "https://shop.example.com/graphql/"}
    else:
        name = next((name for name in NAMES if name in vector), "")
        options = {name if name in options_of(platform).model_fields else "secret": vector.get(name, "any")}
    read = RelayOptions.model_validate({"sources": {platform: {"platform": platform, **options}}})
    source = build_sources(read)[platform]
    if source.key_set is not None:
        source.key_set.replace(json.dumps(vector["jwks"]).encode())
    return source


def options_of(platform: str) -> type[BaseModel]:
    model = variant(variants(RelayOptions.model_fields["sources"]), platform)
    assert model is not None
    return model


def webhook(vector: dict[str, Any]) -> Webhook:
    if vector["kind"] == "composer-derived-secret":
        body = json.dumps({"id": "1", "triggered_by": "order.paid", "configuration": {"secret_key": vector["derived"]}})
        return Webhook({}, body.encode())
    return Webhook({name.lower(): value for name, value in vector["headers"].items()}, vector["body"].encode())


@pytest.mark.parametrize("vector", vectors())
def test_a_published_signature_is_accepted_or_refused_as_it_says(vector: dict[str, Any]) -> None:
    source = source_of(vector)
    genuine, code = True, ""
    try:
        source.receive(webhook(vector), now_ms=int(vector.get("now", 1_700_000_000)) * 1000)
    except Refused as refusal:
        # What is genuine may still be no webhook: an empty body, or one without a topic.
        genuine, code = not refusal.code.startswith("signature_") or source.is_ping(webhook(vector)), refusal.code
    assert genuine is vector["valid"], code
