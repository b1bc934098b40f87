"""A shop's webhooks through a whole relay: posted, stored, rendered, delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from relay.app import Relay
from relay.demo.serving import serve
from relay.model import EventId, Webhook
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources import shopify_making as shopify
from tests.templates.shopify_making import order, refund

SETTINGS = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": f"newer,{shopify.SECRET}"}


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[tuple[Relay, Receiver]]:
    receiver = Receiver()
    async with serve(receiver) as url, running(configuration(folder, {"segment": url}, **SETTINGS)) as relay:
        yield relay, receiver


async def post(relay: Relay, came: Webhook) -> tuple[int, dict[str, Any]]:
    async with plain_client(timeout=DEADLINE_S) as client:
        answer = await client.post(f"{relay.url}/webhooks/shop", content=came.body, headers=dict(came.headers))
        return answer.status_code, answer.json()


async def test_a_story_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    paid = shopify.webhook(order(), topic="orders/paid", webhook_id="w-1")
    story = [
        paid,
        paid,
        shopify.webhook(order(), topic="orders/paid", webhook_id="w-2"),  # another subscription, the same fact
        shopify.webhook(order(), topic="orders/updated", webhook_id="w-3"),
        shopify.webhook(refund(), topic="refunds/create", webhook_id="w-4"),
        shopify.webhook({"order_edit": {"order_id": shopify.ORDER_ID}}, topic="orders/edited", webhook_id="w-5"),
    ]
    async with shop(tmp_path) as (relay, receiver):
        answers = [await post(relay, came) for came in story]
        await drained(relay)

        assert [status for status, _ in answers] == [200] * 6
        assert [said["status"] for _, said in answers] == ["accepted", "duplicate", *["accepted"] * 4]
        calls = receiver.stored
        assert [call["event"] for call in calls] == ["Order Completed", "Order Updated", "Order Refunded"]
        assert {call["properties"]["order_id"] for call in calls} == {str(shopify.ORDER_ID)}
        assert calls[0]["userId"] == str(shopify.CUSTOMER_ID)
        assert receiver.requests[0][0]["timestamp"] == "2026-03-01T14:05:01.250Z"
        edited = await relay.journal.timeline(EventId(int(answers[-1][1]["event"])))
        assert edited is not None
        assert [(str(end.kind), end.code) for end in edited.outcomes] == [("ignored", "no_tracked_event")]


async def test_a_forgery_is_refused_and_kept_apart(tmp_path: Path) -> None:
    async with shop(tmp_path) as (relay, receiver):
        status, _ = await post(relay, shopify.webhook(order(), hmac_sha256="AAAA"))
        await drained(relay)

        assert status == 401
        assert receiver.stored == []
        (kept,) = await relay.journal.quarantined("shop", limit=10)
        assert kept.code == "signature_mismatch"
