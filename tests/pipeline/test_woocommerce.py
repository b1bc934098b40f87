"""A shop's webhooks through a whole relay: posted, stored, rendered, delivered, over restarts and replays."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from relay.app import Relay, existing_journal, now_ms
from relay.demo.serving import serve
from relay.model import EventId, Selection, Webhook, subject
from relay.pipeline.privacy import find
from relay.pipeline.replay import replay
from relay.renderer import build_sources
from relay.settings.loading import load
from tests.pipeline.commerce import commerce
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources import woocommerce_making as shop
from tests.templates.woocommerce_making import CHANGED, line, order, refund, unpaid

# As it stands in WooCommerce's form after WordPress has escaped it; the shop signs with what it was.
TYPED, SIGNS_WITH = "quay&amp;loom-3391", "quay&loom-3391"
SETTINGS = {"SOURCES__SHOP__PLATFORM": "woocommerce", "SOURCES__SHOP__SECRET": f"newer,{TYPED}"}

STORY = [
    ("order.updated", unpaid("checkout-draft")),
    ("order.created", unpaid("pending")),
    ("order.updated", order()),
    ("order.updated", order(customer_note="stock reduced")),
    ("order.updated", order(status="completed", date_modified_gmt=CHANGED, date_completed_gmt=CHANGED)),
    ("order.updated", order(date_modified_gmt="2026-03-17T08:00:00", refunds=[refund(901, "-9.00")])),
    (
        "order.updated",
        order(
            status="refunded",
            date_modified_gmt="2026-03-18T08:00:00",
            refunds=[refund(902, "-40.20"), refund(901, "-9.00")],
        ),
    ),
    (
        "order.updated",
        order(status="cancelled", date_modified_gmt="2026-03-19T08:00:00", refunds=[refund(901, "-9.00")]),
    ),
    (
        "order.updated",
        order(status="cancelled", date_modified_gmt="2026-03-20T08:00:00", refunds=[refund(901, "-9.00")]),
    ),
    ("order.updated", order(status="trash", date_modified_gmt="2026-03-21T08:00:00")),
    ("coupon.created", {"id": 9, "code": "spring"}),
]
TOLD = [
    ("Checkout Started", None),
    ("Order Completed", None),
    ("Order Updated", None),  # it was shipped
    ("Order Updated", None),  # a part of the money went back
    ("Order Refunded", 9),
    ("Order Refunded", 40.2),
    ("Order Cancelled", None),
]


def environment(folder: Path, segment_url: str) -> dict[str, str]:
    return configuration(folder, {"segment": segment_url}, **SETTINGS)


def told(receiver: Receiver) -> list[tuple[str, Any]]:
    return [
        (call["event"], call["properties"]["total"] if call["event"] == "Order Refunded" else None)
        for call in receiver.stored
    ]


async def post(relay: Relay, came: Webhook) -> tuple[int, dict[str, Any]]:
    async with plain_client(timeout=DEADLINE_S) as client:
        answer = await client.post(f"{relay.url}/webhooks/shop", content=came.body, headers=dict(came.headers))
        return answer.status_code, answer.json()


async def tell(relay: Relay, run: str) -> None:
    """The whole story, as new deliveries."""
    for number, (topic, body) in enumerate(STORY):
        status, said = await post(relay, shop.webhook(body, SIGNS_WITH, topic=topic, delivery_id=f"{run}-{number}"))
        assert (status, said["status"]) == (200, "accepted")
    await drained(relay)


async def test_a_story_is_told_once_over_repetitions_restarts_and_replays(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as url:
        async with running(environment(tmp_path, url)) as relay:
            await tell(relay, "first")
            assert told(receiver) == TOLD
        async with running(environment(tmp_path, url)) as relay:
            await tell(relay, "second")
        async with existing_journal(load(None, environment(tmp_path, url))) as journal:
            appended = [number async for number in replay(journal, Selection(source="shop"), now_ms())]
        async with running(environment(tmp_path, url)) as relay:
            await drained(relay)
            found = await relay.journal.find(Selection(source="shop"), limit=100)
            kinds = Counter(kind for one in found for kind in one.outcomes)

    assert told(receiver) == TOLD
    assert {call["properties"]["order_id"] for call in receiver.stored} == {str(shop.ORDER_ID)}
    assert appended[-1] == 2 * len(STORY)
    assert len(found) == 4 * len(STORY)
    assert kinds["duplicate@segment"] > len(STORY)
    assert not any(kind.startswith("dead") for kind in kinds)


async def test_each_order_that_makes_nothing_says_so(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as url, running(environment(tmp_path, url)) as relay:
        _, said = await post(relay, shop.webhook(unpaid("checkout-draft"), SIGNS_WITH))
        _, other = await post(relay, shop.webhook({"id": 9}, SIGNS_WITH, topic="coupon.created"))
        await drained(relay)
        draft = await relay.journal.timeline(EventId(int(said["event"])))
        coupon = await relay.journal.timeline(EventId(int(other["event"])))

    assert draft is not None
    assert coupon is not None
    assert {(str(end.kind), end.code) for end in draft.outcomes} == {("skipped", "template_empty")}
    assert sorted(end.detail for end in draft.outcomes) == [
        *("checkout_started", "order_cancelled", "order_completed", "order_refunded", "order_updated"),
    ]
    assert [(str(end.kind), end.code) for end in coupon.outcomes] == [("ignored", "no_tracked_event")]
    assert receiver.stored == []


async def test_the_ping_of_a_new_webhook_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as url, running(environment(tmp_path, url)) as relay:
        status, said = await post(relay, shop.PING)
        other = httpx.Request("POST", f"{relay.url}/webhooks/elasticpath", content=shop.PING.body)
        async with plain_client() as client:
            refused = await client.send(other)
            metrics = await client.get(f"{relay.url}/metrics")
        await drained(relay)
        stored = await relay.journal.find(Selection(source="shop"), limit=10)
        kept = await relay.journal.quarantined("shop", limit=10)

    assert (status, said) == (200, {"status": "ping"})
    assert 'relay_webhooks_total{result="ping",source="shop"} 1.0' in metrics.text
    assert (list(stored), list(kept), receiver.stored) == ([], [], [])
    # Of a platform that sends none it is no webhook.
    assert refused.status_code in (400, 401, 415)


async def test_a_forgery_is_refused_and_kept_apart(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as url, running(environment(tmp_path, url)) as relay:
        status, _ = await post(relay, shop.webhook(order(), signature="AAAA"))
        unsigned, _ = await post(relay, shop.webhook(order(), signature=None))
        await drained(relay)
        kept = await relay.journal.quarantined("shop", limit=10)

    assert (status, unsigned) == (401, 401)
    assert sorted(one.code for one in kept) == ["signature_mismatch", "signature_missing"]
    assert receiver.stored == []


async def test_refunds_are_told_with_their_lines_and_at_their_time(tmp_path: Path) -> None:
    """By the shop's API, of which a replay needs nothing."""
    path = f"/wp-json/wc/v3/orders/{shop.ORDER_ID}/refunds?per_page=100"
    whole = {
        "id": 901,
        "amount": "9.00",
        "date_created_gmt": "2026-03-17T07:59:58",
        "line_items": [line("MUG", "-20.00", -1)],
    }
    came = shop.webhook(order(date_modified_gmt="2026-03-17T08:00:00", refunds=[refund(901, "-9.00")]), SIGNS_WITH)
    receiver = Receiver()
    async with serve(receiver) as url, commerce() as api:
        basic = base64.b64encode(b"ck_1:cs_2").decode()
        api.tokens.add(f"Basic {basic}")
        api.documents[path] = [whole]
        keys = {"BASE_URL": api.url, "CONSUMER_KEY": "ck_1", "CONSUMER_SECRET": "cs_2"}
        environ = environment(tmp_path, url) | {
            f"RELAY_SOURCES__SHOP__COMMERCE__{name}": value for name, value in keys.items()
        }
        async with running(environ) as relay:
            assert (await post(relay, came))[0] == 200
            await drained(relay)
        api.documents.clear()
        async with existing_journal(load(None, environ)) as journal:
            assert [n async for n in replay(journal, Selection(source="shop"), now_ms())] == [1]
        async with running(environ) as relay:
            await drained(relay)

    assert [call["event"] for call in receiver.stored] == ["Order Completed", "Order Refunded"]
    assert api.asked == [path]
    refunded = receiver.stored[1]
    assert refunded["timestamp"].startswith("2026-03-17T07:59:58")
    (product,) = refunded["properties"]["products"]
    assert (product["sku"], product["price"], product["quantity"]) == ("MUG", 20, 1)
    assert refunded["properties"]["total"] == 9


async def test_what_is_kept_of_a_person_is_found(tmp_path: Path) -> None:
    about = [subject("customer", str(shop.CUSTOMER_ID)), subject("email", "grace@example.org"), subject("order", "7")]
    receiver = Receiver()
    async with serve(receiver) as url, running(environment(tmp_path, url)) as relay:
        _, hers = await post(relay, shop.webhook(order(id=7), SIGNS_WITH))
        await post(relay, shop.webhook(order(id=shop.CUSTOMER_ID, customer_id=7, billing={}), SIGNS_WITH))
        await drained(relay)
        source = build_sources(load(None, environment(tmp_path, url)).options)["shop"]
        found = [await find(relay.journal, "shop", source, [one]) for one in about]

    assert [[str(event_id) for event_id in concerned.event_ids] for concerned in found] == [[hers["event"]]] * 3
