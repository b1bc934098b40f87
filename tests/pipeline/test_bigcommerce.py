"""A BigCommerce store's webhooks through a whole relay, completed by its API on a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from relay.app import Relay
from relay.demo.serving import serve
from relay.model import EventId, Gate, Selection, Timeline, Webhook
from relay.pipeline.handling import USUAL, Handling
from relay.pipeline.replay import replay
from tests.pipeline.commerce import HANG, Commerce, commerce
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources.bigcommerce_making import (
    CLIENT_SECRET,
    CREATED_AT,
    CUSTOMERS,
    PATHS,
    PRODUCTS,
    REFUNDS,
    SECRET,
    TOKEN,
    body,
    of_order,
    order,
    raw,
    signature,
    status,
    webhook,
)
from tests.sources.published import published


@dataclass
class Shop:
    relay: Relay
    api: Commerce
    receiver: Receiver

    async def post(self, *came: Webhook) -> list[EventId]:
        async with plain_client(timeout=DEADLINE_S) as client:
            events = []
            for one in came:
                answer = await client.post(
                    f"{self.relay.url}/webhooks/shop", content=one.body, headers=dict(one.headers)
                )
                assert answer.status_code == 200, answer.text
                events.append(EventId(int(answer.json()["event"])))
            return events

    async def timeline(self, event: EventId) -> Timeline:
        found = await self.relay.journal.timeline(event)
        assert found is not None
        return found

    async def ended(self, event: EventId) -> list[tuple[str, str]]:
        return [(str(outcome.kind), outcome.code) for outcome in (await self.timeline(event)).outcomes]

    async def closed(self, code: str) -> Gate:
        """The gate of the store's API, once it is closed for this reason."""
        async with asyncio.timeout(DEADLINE_S):
            while (gate := await self.relay.journal.gate("render:shop")).code != code:
                await asyncio.sleep(0.005)
        return gate

    @property
    def told(self) -> list[tuple[str, Any]]:
        return [(call.get("event", "identify"), call["properties"].get("total")) for call in self.receiver.stored]


@asynccontextmanager
async def shop(folder: Path, *, connected: bool = True, **options: str) -> AsyncIterator[Shop]:
    async with commerce() as api, serve(receiver := Receiver()) as segment:
        api.tokens = {TOKEN}
        api.documents = {
            PATHS["order"]: order(),
            PATHS["products"]: PRODUCTS,
            PATHS["coupons"]: Response(status_code=204),
            PATHS["refunds"]: REFUNDS,
            PATHS["customer"]: CUSTOMERS,
        }
        known = {"PLATFORM": "bigcommerce", "SECRET": SECRET, "CLIENT_SECRET": CLIENT_SECRET}
        if connected:
            known |= {"COMMERCE__BASE_URL": api.url, "COMMERCE__TOKEN": TOKEN, "COMMERCE__REQUESTS_PER_SECOND": "1000"}
        settings = {f"SOURCES__SHOP__{name}": value for name, value in (known | options).items()}
        async with running(configuration(folder, {"segment": segment}, **settings)) as relay:
            yield Shop(relay, api, receiver)


def signed_now(came: object, identifier: str) -> Webhook:
    timestamp = str(int(time.time()))
    headers = {"webhook-id": identifier, "webhook-timestamp": timestamp}
    return Webhook({**headers, "webhook-signature": signature(identifier, timestamp, raw(came))}, raw(came))


COMPLETED = status(0, 11)


async def test_a_story_is_completed_and_delivered_once_and_in_order(tmp_path: Path) -> None:
    paid = signed_now(COMPLETED, "w-2")
    async with shop(tmp_path) as it:
        await it.post(
            signed_now(of_order("created"), "w-1"),
            *(paid, paid, signed_now(COMPLETED, "w-3")),  # a retry, and another webhook of the same fact
            signed_now(of_order("updated"), "w-4"),
            signed_now(of_order("refund/created", refund={"refund_id": 9}), "w-5"),
            signed_now(status(11, 14), "w-6"),
        )
        await drained(it.relay)

        assert it.told == [
            *(("Checkout Started", None), ("Order Completed", 112.8), ("Order Updated", 112.8)),
            ("Order Refunded", 72),
        ]
        completed = it.receiver.stored[1]
        assert completed["userId"] == "21"
        assert completed["properties"]["products"] == [
            {"product_id": "77", "sku": "K-1", "name": "Kettle", "price": 60, "quantity": 1}
        ]
        assert it.receiver.requests[0][0]["timestamp"] == "2026-03-14T09:27:10.000Z"
        assert set(it.api.asked) == {path for name, path in PATHS.items() if name != "customer"}


async def test_a_customer_is_completed_too(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        await it.post(webhook(body("store/customer/created", {"type": "customer", "id": 21})))
        await drained(it.relay)
        (call,) = it.receiver.stored
        assert (call["userId"], call["traits"]["email"]) == ("21", "mira.solberg@example.com")


async def test_a_replay_makes_the_same_of_what_was_fetched_then(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        (event,) = await it.post(webhook(COMPLETED))
        await drained(it.relay)
        asked = list(it.api.asked)
        it.api.documents = {PATHS["order"]: order(total_inc_tax="1.0000")}
        again = await replayed(it, event)
        (first,), (second,) = (await it.timeline(event)).calls, again.calls
        assert (first.text, first.message_id) == (second.text, second.message_id)
        assert [end for end in await it.ended(again.event.id) if end[0] != "skipped"] == [
            ("duplicate", "already_delivered")
        ]
        assert it.api.asked == asked
        assert it.told == [("Order Completed", 112.8)]


async def replayed(it: Shop, event: EventId, handling: Handling = USUAL) -> Timeline:
    async for _ in replay(it.relay.journal, Selection(event_ids=[event]), CREATED_AT * 1000, handling=handling):
        it.relay.wakeups.wake_all()
    await drained(it.relay)
    return await it.timeline((await it.timeline(event)).replays[-1])


async def test_a_replay_asks_again_when_told_to(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        (event,) = await it.post(webhook(COMPLETED))
        await drained(it.relay)
        it.api.documents[PATHS["order"]] = order(total_inc_tax="120.0000")

        again = await replayed(it, event, Handling(fetch_anew=True))
        assert '"total":120' in again.calls[0].text
        assert (await it.timeline(event)).fetched["order"] == order(), "and what was fetched then stays"


async def test_a_replay_needs_no_connection_for_what_was_fetched_then(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        (event,) = await it.post(webhook(COMPLETED))
        await drained(it.relay)
    async with shop(tmp_path, connected=False) as it:
        again = await replayed(it, event)
        assert again.calls[0].text == (await it.timeline(event)).calls[0].text


async def test_a_replay_fetches_what_a_new_setting_needs_and_no_more(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        (event,) = await it.post(webhook(of_order("updated")))
        await drained(it.relay)
    async with shop(tmp_path, TRACKING__ORDER_REFUNDED="store/order/updated") as it:
        again = await replayed(it, event)
        assert it.api.asked == [PATHS["refunds"]]
        assert {call.tracked_event for call in again.calls} == {"order_updated", "order_refunded"}


@pytest.mark.parametrize("gone", ["order", "customer"])
async def test_what_the_store_does_not_know_is_a_dead_letter_with_its_reason(tmp_path: Path, gone: str) -> None:
    async with shop(tmp_path) as it:
        it.api.documents[PATHS["customer"]] = {"data": [], "meta": {}}
        del it.api.documents[PATHS["order"]]
        customer = body("store/customer/created", {"type": "customer", "id": 21})
        (event,) = await it.post(webhook(COMPLETED if gone == "order" else customer))
        await drained(it.relay)
        (outcome,) = (await it.timeline(event)).outcomes
        assert (str(outcome.kind), outcome.code) == ("dead", "completion_missing")
        assert outcome.detail == f"{gone}: the platform {'answers 404' if gone == 'order' else 'finds none'}"
        assert it.receiver.stored == []


BUSY = JSONResponse({}, 429, {"X-Rate-Limit-Time-Reset-Ms": "1200"})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(status_code=500), "completion_waiting"),
        (BUSY, "completion_waiting"),
        (HANG, "completion_waiting"),
        (Response(status_code=403), "completion_refused"),
    ],
    ids=["500", "429", "slow", "403"],
)
async def test_a_store_in_trouble_is_waited_for(tmp_path: Path, answer: Response, code: str) -> None:
    async with shop(tmp_path, COMMERCE__TIMEOUT_S="0.3") as it:
        it.api.documents[PATHS["products"]] = answer
        await it.post(webhook(COMPLETED))
        closed = await it.closed(code)
        if answer is BUSY:
            assert closed.not_before_ms > time.time() * 1000 + 500, "the wait that the store asks for"
        it.api.documents[PATHS["products"]] = PRODUCTS
        await drained(it.relay)
        assert it.told == [("Order Completed", 112.8)]


async def test_a_token_that_was_withdrawn_holds_the_queue_until_it_is_good_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        it.api.tokens.clear()
        await it.post(webhook(COMPLETED))
        assert TOKEN not in (await it.closed("completion_refused")).why
        it.api.tokens.add(TOKEN)
        await drained(it.relay)
        assert it.told == [("Order Completed", 112.8)]


async def test_without_a_connection_the_reason_is_told_and_the_order_is_found(tmp_path: Path) -> None:
    async with shop(tmp_path, connected=False) as it:
        paid, archived = await it.post(webhook(COMPLETED), webhook(of_order("archived")))
        await drained(it.relay)
        assert await it.ended(paid) == [("dead", "completion_unconfigured")]
        assert await it.ended(archived) == [("ignored", "no_tracked_event")]
        (found,) = await it.relay.journal.find(Selection(key="118", topic="store/order/statusUpdated"), limit=5)
        assert found.id == paid


async def test_a_forgery_is_refused_and_kept_apart(tmp_path: Path) -> None:
    async with shop(tmp_path) as it, plain_client() as client:
        forged = webhook(COMPLETED, x_relay_secret="guessed")
        answer = await client.post(f"{it.relay.url}/webhooks/shop", content=forged.body, headers=dict(forged.headers))
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_mismatch")
        (kept,) = await it.relay.journal.quarantined("shop", limit=10)
        assert "guessed" not in kept.headers
        assert it.api.asked == []


async def test_every_published_webhook_makes_a_call_or_tells_its_reason(tmp_path: Path) -> None:
    files = sorted(published("payloads/bigcommerce").glob("store.*.json"))
    resources = {
        name: (published("payloads/bigcommerce") / f"resource.{name}-1.json").read_bytes()
        for name in ("order", "order-products", "order-coupons")
    }
    assert len(files) >= 13
    async with shop(tmp_path) as it:
        for number in (250, 251):
            for name, path in (
                ("order", ""),
                ("order-products", "/products?limit=250"),
                ("order-coupons", "/coupons?limit=250"),
            ):
                it.api.documents[f"/v2/orders/{number}{path}"] = Response(
                    resources[name], media_type="application/json"
                )
        it.api.documents["/v3/customers?id:in=32&include=addresses"] = {"data": [{**CUSTOMERS["data"][0], "id": 32}]}
        ended: dict[str, list[tuple[str, str]]] = {}
        for file in files:
            (event,) = await it.post(Webhook({"x-relay-secret": SECRET, "webhook-id": file.name}, file.read_bytes()))
            await drained(it.relay)
            ended[file.name.removeprefix("store.").removesuffix("-1.json")] = await it.ended(event)

        delivered, ignored = ("delivered", "accepted"), ("ignored", "no_tracked_event")
        skipped, duplicate = ("skipped", "template_empty"), ("duplicate", "already_delivered")
        assert ended == {
            "cart.abandoned": [ignored],
            "cart.converted": [ignored],
            "cart.created": [ignored],
            "customer.created": [delivered],
            "customer.deleted": [duplicate],  # the sample's scope is store/customer/created
            "customer.updated": [duplicate],
            "hook.deliveryException": [ignored],
            "order.archived": [ignored],
            "order.created": [skipped, delivered],  # the sample's order awaits payment
            "order.statusUpdated": [skipped, skipped, delivered],
            "order.transaction.created": [ignored],
            "order.updated": [delivered],
            "shipment.created": [ignored],
        }
        completed = next(call for call in it.receiver.stored if call.get("event") == "Order Completed")
        assert completed["properties"] | {"products": None} == {
            "order_id": "218",
            "checkout_id": "7e48f7ef-2e88-4817-aea4-b0ed01490114",
            "subtotal": 53.44,
            "revenue": 53.44,
            "total": 69.84,
            "shipping": 11.09,
            "tax": 5.31,
            "discount": 10,
            "coupon": "S2549JM0Y",
            "currency": "USD",
            "products": None,
        }
