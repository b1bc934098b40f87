"""A customer is forgotten: by the platform's own webhook, and by hand, in a running relay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.app import Relay, now_ms
from relay.demo.serving import serve
from relay.model import EventId, OutcomeKind, PrivacyKind, Selection, subject
from relay.pipeline import privacy
from relay.renderer import build_sources
from relay.sources.contract import Source
from tests.logbook import Logbook
from tests.posting import EMAIL, plain_client, post, thin, until, webhook
from tests.receiving import Receiver, answering
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources import shopify_making as shopify

SHOPIFY = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": shopify.SECRET}
INES = {"id": shopify.CUSTOMER_ID, "email": "ines@shop.example"}
SHOP_ONLY = {"shop_id": 9, "shop_domain": shopify.SHOP}


async def post_shopify(relay: Relay, topic: str, body: object, webhook_id: str, **headers: str) -> EventId:
    async with plain_client(timeout=DEADLINE_S) as client:
        came = shopify.webhook(body, topic=topic, webhook_id=webhook_id, event_id=webhook_id, **headers)
        answer = await client.post(f"{relay.url}/webhooks/shop", content=came.body, headers=dict(came.headers))
        assert answer.status_code == 200, answer.text
        return EventId(int(answer.json()["event"]))


def order(number: int, **fields: Any) -> dict[str, Any]:
    return {**shopify.ORDER, "id": 6_000_000_000 + number, "name": f"#{number}", "order_number": number, **fields}


async def ends(relay: Relay, event_id: EventId) -> list[tuple[str, str]]:
    timeline = await relay.journal.timeline(event_id)
    assert timeline is not None
    return [(str(outcome.kind), outcome.code) for outcome in timeline.outcomes]


async def bodies(relay: Relay, *event_ids: EventId) -> list[bool]:
    return [event.body != b"" for event in await relay.journal.events(event_ids)]


def elasticpath(relay: Relay) -> Source:
    return build_sources(relay.options)["elasticpath"]


def in_files(folder: Path, text: str) -> int:
    return sum(file.read_bytes().lower().count(text.encode()) for file in folder.iterdir())


async def test_a_customer_is_redacted_by_webhook(tmp_path: Path, logbook: Logbook) -> None:
    async with running(configuration(tmp_path, {}, **SHOPIFY)) as relay:
        hers = await post_shopify(relay, "orders/paid", order(1, customer=INES), "w-1")
        thin_of_hers = await post_shopify(relay, "orders/updated", {"id": 6_000_000_001}, "w-2")
        other = await post_shopify(relay, "orders/paid", order(2, email="b@x.example", customer={"id": 5}), "w-3")
        await drained(relay)
        body = {**SHOP_ONLY, "customer": INES, "orders_to_redact": []}
        request = await post_shopify(relay, "customers/redact", body, "w-4")
        await drained(relay)

        assert await bodies(relay, hers, thin_of_hers, other, request) == [False, False, True, False]
        assert await ends(relay, request) == [("ignored", "privacy_done")]
        (audit,) = await relay.journal.audits(limit=10)
        assert (audit.kind, audit.event_id, audit.events) == (PrivacyKind.REDACT_CUSTOMER, request, 2)
        assert logbook.having("privacy_request", request="redact_customer", source="shop", events=2)
        assert in_files(tmp_path, "ines@shop.example") == 0
        assert in_files(tmp_path, "b@x.example") > 0

        again = await post_shopify(relay, "orders/paid", order(1, customer=INES), "w-1")
        assert again == hers
        assert await bodies(relay, hers) == [False]


async def test_a_shop_is_redacted_and_another_is_not(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {}, **SHOPIFY)) as relay:
        gone = await post_shopify(relay, "orders/paid", order(1), "w-1")
        kept = await post_shopify(relay, "orders/paid", order(2), "w-2", shop_domain="other.myshopify.com")
        await drained(relay)
        request = await post_shopify(relay, "shop/redact", SHOP_ONLY, "w-3")
        await drained(relay)

        assert await bodies(relay, gone, kept, request) == [False, True, False]


async def test_a_data_request_erases_nothing_and_can_be_found(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {}, **SHOPIFY)) as relay:
        hers = await post_shopify(relay, "orders/paid", order(1, customer=INES), "w-1")
        body = {**SHOP_ONLY, "customer": INES, "orders_requested": [], "data_request": {"id": 1}}
        request = await post_shopify(relay, "customers/data_request", body, "w-2")
        await drained(relay)

        assert await bodies(relay, hers, request) == [True, True]
        assert await ends(relay, request) == [("ignored", "data_request")]
        (audit,) = await relay.journal.audits(limit=10)
        assert (audit.kind, audit.events, audit.calls) == (PrivacyKind.DATA_REQUEST, 1, 0)
        assert await relay.journal.count(Selection(key="ines@shop.example", code="data_request")) == 1


async def test_a_request_that_is_none_erases_nothing_and_stops_nobody(tmp_path: Path) -> None:
    environ = configuration(tmp_path, {}, **SHOPIFY, JOURNAL__PARTITIONS="1")
    async with running(environ) as relay:
        hers = await post_shopify(relay, "orders/paid", order(1), "w-1")
        forged = await post_shopify(relay, "shop/redact", order(1), "w-2")
        behind = await post_shopify(relay, "orders/paid", order(2), "w-3")
        await drained(relay)

        assert await bodies(relay, hers, forged, behind) == [True, True, True]
        assert await ends(relay, forged) == [("dead", "privacy_unread")]
        assert await relay.journal.audits(limit=1) == []


async def test_what_waits_for_a_destination_is_never_sent(tmp_path: Path) -> None:
    receiver = Receiver(answering(503))
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
        gone, kept = await post(
            relay,
            [
                webhook("order.created", "hers"),
                webhook(
                    "order.created",
                    "theirs",
                    customer={"name": "B", "email": "b@x.example"},
                    relationships={"customer": {"data": {"type": "customer", "id": "customer-2"}}},
                ),
            ],
        )
        await until(lambda: receiver.requests)
        found = await privacy.find(relay.journal, "elasticpath", elasticpath(relay), [subject("email", EMAIL.upper())])
        assert found.event_ids == [gone]
        await privacy.erase(relay.journal, found, now_ms())
        sent_before = len(receiver.requests)
        receiver.rule = Receiver().rule
        await drained(relay)

        assert receiver.orders == ["theirs"]
        assert all("hers" not in str(calls) for calls in receiver.requests[sent_before + 1 :])
        assert await ends(relay, gone) == [("skipped", "forgotten")]
        assert await ends(relay, kept) == [("delivered", "accepted")]
        assert await relay.journal.count(Selection(outcome=OutcomeKind.DEAD)) == 0


async def test_a_delivered_fact_of_a_forgotten_customer_is_not_sent_again(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
        (first,) = await post(relay, [webhook("order.created", "hers")])
        await drained(relay)
        found = await privacy.find(relay.journal, "elasticpath", elasticpath(relay), ["customer:customer-1"])
        await privacy.erase(relay.journal, found, now_ms())
        (second,) = await post(relay, [webhook("order.created", "hers", envelope="another delivery")])
        await drained(relay)

        assert found.event_ids == [first]
        assert receiver.orders == ["hers"]
        assert await ends(relay, second) == [("duplicate", "already_delivered")]


async def test_refused_requests_about_somebody_are_found_by_what_they_say(tmp_path: Path) -> None:
    escaped = EMAIL.replace("@", "\\u0040").encode()
    refused = [
        webhook("order.created", "hers"),
        b"{broken " + EMAIL.upper().encode(),
        b'{"broken": "' + escaped,
        b"{broken not-" + EMAIL.encode(),
        thin("order.created", "nobody"),
    ]
    async with running(configuration(tmp_path, {})) as relay:
        async with plain_client() as client:
            for body in refused:
                answer = await client.post(f"{relay.url}/webhooks/elasticpath", content=body)
                assert answer.status_code == 401
        found = await privacy.find(relay.journal, "elasticpath", elasticpath(relay), [subject("email", EMAIL)])
        assert list(found.quarantine_ids) == [1, 2, 3]
        await privacy.erase(relay.journal, found, now_ms())
        assert [item.id for item in await relay.journal.quarantined(None, limit=10)] == [5, 4]


async def test_customer_7_is_not_order_7(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {})) as relay:
        order_7, _ = await post(relay, [webhook("order.created", "7"), webhook("order.created", "8")])
        await drained(relay)
        source = elasticpath(relay)

        assert (await privacy.find(relay.journal, "elasticpath", source, ["customer:7"])).event_ids == []
        assert (await privacy.find(relay.journal, "elasticpath", source, ["order:7"])).event_ids == [order_7]
