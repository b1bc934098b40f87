"""The senders that docs/examples shows for Medusa and Vendure, run by Node and received by a running relay."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from relay.demo.serving import serve
from tests.receiving import Receiver
from tests.running import configuration, drained, running
from tests.sources.published import published

EXAMPLES = Path(__file__).parents[2] / "docs/examples/standard-webhooks"
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
SHOPS = {
    "medusa": ("medusa/resource.order-1", '"order.placed", shop.order(given, {minorUnits: true})'),
    "vendure": ("vendure/event.OrderStateTransitionEvent-1", "shop.type(given), shop.order(given.order)"),
}
SCRIPT = """
import {{ readFileSync }} from "node:fs";
import {{ send }} from "{examples}/send.mjs";
import * as shop from "{examples}/{shop}.mjs";
const given = JSON.parse(readFileSync(0, "utf8"));
await send("{url}", "{secret}", "first/1", {call});
await send("{url}", "{secret}", "first/1", {call});
"""


Ran = subprocess.CompletedProcess[str]


async def sent(folder: Path, shop: str, secret: str = SECRET) -> tuple[list[dict[str, Any]], Ran]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("NOT TESTED: the senders of the examples need node, which is not there")
    given, call = SHOPS[shop]
    body = published("payloads", f"{given}.json").read_text()
    receiver = Receiver()
    async with serve(receiver) as host:
        source = {"SOURCES__SHOP__PLATFORM": "standard-webhooks", "SOURCES__SHOP__SECRET": SECRET}
        async with running(configuration(folder, {"segment": host}, **source)) as relay:
            url = f"{relay.url}/webhooks/shop"
            script = SCRIPT.format(examples=EXAMPLES.as_uri(), shop=shop, url=url, secret=secret, call=call)
            command = [node, "--input-type=module", "-e", script]
            ran = await asyncio.to_thread(
                subprocess.run, command, input=body, capture_output=True, text=True, timeout=30, check=False
            )
            await drained(relay)
    return receiver.stored, ran


async def test_an_order_of_medusa_arrives_once(tmp_path: Path) -> None:
    stored, ran = await sent(tmp_path, "medusa")
    assert (ran.returncode, ran.stderr) == (0, "")
    (call,) = stored
    assert call["event"] == "Order Completed"
    facts = {"order_id": "order_01F0YET7CZ741ECWG1J3N34RXF", "total": 82, "revenue": 72, "shipping": 10, "discount": 8}
    assert {**call["properties"], **facts, "coupon": "TEST134", "currency": "USD"} == call["properties"]
    (product,) = call["properties"]["products"]
    assert (product["name"], product["price"], product["quantity"]) == ("Line Item", 80, 1)
    assert call["context"]["traits"]["email"] == "test@email.com"


async def test_an_order_of_vendure_arrives_once(tmp_path: Path) -> None:
    stored, ran = await sent(tmp_path, "vendure")
    assert (ran.returncode, ran.stderr) == (0, "")
    (call,) = stored
    assert (call["event"], call["userId"]) == ("Order Completed", "3")
    facts = {"order_id": "T3EPGJKTVZPBD6Z9", "revenue": 151.44, "shipping": 10, "tax": 30.29, "total": 191.73}
    assert {**call["properties"], **facts} == call["properties"]
    assert [one["sku"] for one in call["properties"]["products"]] == ["C24F390", "IHD455T1"]


async def test_a_sender_is_told_that_it_was_not_taken(tmp_path: Path) -> None:
    other = "whsec_" + base64.b64encode(bytes(24)).decode()
    stored, ran = await sent(tmp_path, "medusa", other)
    assert stored == []
    assert "the relay answers 401" in ran.stderr
