"""What a source signs, it takes; and nobody else's signature."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Webhook
from relay.settings.bigcommerce_options import BigCommerceOptions
from relay.settings.options import ElasticPathOptions
from relay.settings.saleor_options import SaleorOptions
from relay.settings.segment_source_options import SegmentSourceOptions
from relay.settings.source_options import ShopifyOptions
from relay.settings.woocommerce_options import WooCommerceOptions
from relay.sources.bigcommerce import BigCommerce
from relay.sources.contract import Refused, Source, Unsignable
from relay.sources.elasticpath import ElasticPath
from relay.sources.saleor import Saleor
from relay.sources.segment.source import Segment
from relay.sources.shopify import Shopify
from relay.sources.woocommerce import WooCommerce
from tests.sources.declared_making import EVENT, NOW_MS, declared, packaged

SECRET = "a-secret-of-some-length"
WHSEC = "whsec_" + base64.b64encode(SECRET.encode()).decode()
WHPK = "whpk_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"type":"order.paid","id":"1","triggered_by":"order.paid","payload":{"data":{}},"scope":"order.paid"}'
CALL = b'{"type":"track","event":"Order Completed"}'

SCHEMES = {
    "plain hmac": 'scheme = "hmac"\nheader = "x-signature"\nprefix = "sha256="',
    "base64 sha512": 'scheme = "hmac"\nheader = "x-signature"\nalgorithm = "sha512"\nencoding = "base64"',
    "headers": (
        'scheme = "hmac"\nheader = "x-signature"\nsigned = "{id}.{timestamp}.{body}"\n'
        'timestamp_header = "x-time"\nid_header = "x-id"'
    ),
    "list": (
        'scheme = "hmac"\nheader = "x-signature"\nsigned = "{timestamp}:{body}"\n'
        'fields = { signature = "s", timestamp = "t" }'
    ),
    "header": 'scheme = "header"\nheader = "x-token"\nprefix = "Bearer "',
    "basic": 'scheme = "basic"',
}


def elasticpath(**options: Any) -> ElasticPath:
    return ElasticPath(ElasticPathOptions.model_validate({"platform": "elasticpath", **options}))


def shopify(**options: Any) -> Shopify:
    return Shopify(ShopifyOptions.model_validate({"platform": "shopify", **options}))


def woocommerce(**options: Any) -> WooCommerce:
    return WooCommerce(WooCommerceOptions.model_validate({"platform": "woocommerce", **options}))


def bigcommerce(**options: Any) -> BigCommerce:
    return BigCommerce(BigCommerceOptions.model_validate({"platform": "bigcommerce", **options}))


def saleor(**options: Any) -> Saleor:
    api = {"platform": "saleor", "api_url": "https://shop.saleor.example/graphql/"}
    return Saleor(SaleorOptions.model_validate({**api, **options}))


def segment(**options: Any) -> Segment:
    return Segment(SegmentSourceOptions.model_validate({"platform": "segment", **options}))


def by_scheme(name: str, **options: Any) -> Source:
    return declared(f"[[authentication]]\n{SCHEMES[name]}\n{EVENT}", **options)


def topic_in_header(**options: Any) -> Source:
    event = '[event]\ntopic = "$headers.`x-event`"\n'
    return declared(f"[[authentication]]\n{SCHEMES['plain hmac']}\n{event}", **options)


SOURCES = {
    "elasticpath": (elasticpath(secret=SECRET), elasticpath(secret="another-secret-of-it")),
    "elasticpath of composer": (elasticpath(composer_client_secret=SECRET), elasticpath(composer_client_secret="x")),
    "shopify": (shopify(secret=[SECRET, "the one before"]), shopify(secret="another")),
    "stripe": (packaged("stripe", secret=SECRET), packaged("stripe", secret="another")),
    "standard-webhooks": (packaged("standard-webhooks", secret=WHSEC), packaged("standard-webhooks", secret="AAAA")),
    "commercetools": (packaged("commercetools", secret=SECRET), packaged("commercetools", secret="another")),
    "woocommerce": (woocommerce(secret="a &amp; b"), woocommerce(secret="another")),
    "bigcommerce": (bigcommerce(secret=SECRET), bigcommerce(secret="another")),
    "bigcommerce's own": (bigcommerce(client_secret=SECRET), bigcommerce(client_secret="another")),
    "saleor": (saleor(secret=SECRET), saleor(secret="another")),
    "segment": (segment(secret=SECRET), segment(secret="another")),
    "topic in a header": (topic_in_header(secret=SECRET), topic_in_header(secret="another")),
    **{name: (by_scheme(name, secret=SECRET), by_scheme(name, secret="another")) for name in SCHEMES},
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_signed_is_genuine(name: str) -> None:
    ours, anothers = SOURCES[name]
    body, topic = (CALL, "track:Order Completed") if name == "segment" else (BODY, "order.paid")
    webhook = Webhook(ours.sign(body, topic, now_ms=NOW_MS), body)
    assert all(name == name.lower() for name in webhook.headers)

    received = ours.receive(webhook, now_ms=NOW_MS + 1000)
    assert (received.topic, received.body) == (topic, body)
    assert ours.receive(webhook, now_ms=NOW_MS).delivery_key == received.delivery_key
    with pytest.raises(Refused, match="signature_mismatch"):
        anothers.receive(webhook, now_ms=NOW_MS)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40), st.integers(10**11, 10**13))
def test_any_text_is_signed(text: str, now_ms: int) -> None:
    body = BODY[:-1] + f',"note":{json.dumps(text, ensure_ascii=False)}}}'.encode()
    for ours, _ in (SOURCES["stripe"], SOURCES["standard-webhooks"], SOURCES["headers"]):
        webhook = Webhook(ours.sign(body, "order.paid", now_ms=now_ms), body)
        assert ours.receive(webhook, now_ms=now_ms).body == body


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (elasticpath(), "no secret"),
        (shopify(), "no secret"),
        (packaged("stripe"), "no secret"),
        (packaged("standard-webhooks", secret=WHPK), "not a secret"),
        (packaged("swell"), "no secret"),
        (woocommerce(), "no secret"),
        (bigcommerce(), "no secret"),
        (saleor(), "own key"),
        (segment(write_key="k"), "tracking API"),
    ],
)
def test_what_cannot_be_signed_says_why(source: Source, why: str) -> None:
    with pytest.raises(Unsignable, match=why):
        source.sign(BODY, "order.paid", now_ms=NOW_MS)


@pytest.mark.parametrize("source", [elasticpath(open=True), shopify(open=True), packaged("stripe", open=True)])
def test_an_open_source_needs_no_signature(source: Source) -> None:
    headers = source.sign(BODY, "order.paid", now_ms=NOW_MS)
    assert source.receive(Webhook(headers, BODY), now_ms=NOW_MS).topic == "order.paid"
