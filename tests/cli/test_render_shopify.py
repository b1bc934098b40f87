"""`relay render` for a platform that names the topic in a header."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import Relay
from tests.sources.shopify_making import SHOP
from tests.templates.shopify_making import order


def test_the_topic_is_given_as_a_header(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text('[sources.shopify]\nsecret = "hush"\n')
    Path("order.json").write_text(json.dumps(order()))
    command = ("render", "order.json", "--source", "shopify")
    ran = relay(*command, "-H", "X-Shopify-Topic: orders/paid", "-H", f"X-Shopify-Shop-Domain: {SHOP}", "--json")
    assert ran.code == 0, ran
    (call,) = ran.json["calls"]
    assert (call["event"], call["properties"]["affiliation"]) == ("Order Completed", SHOP)
    without = relay(*command)
    assert without.code == 1
    assert "topic_missing\n  there is no X-Shopify-Topic header" in without.err
