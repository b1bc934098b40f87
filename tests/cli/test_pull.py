"""`relay pull` and `relay reconcile` against shops that answer as the platforms do, beside a relay that runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest
from starlette.responses import Response

from relay.demo.serving import serve
from tests.cli.running import Configured, Relay
from tests.cli.shops import TOKEN, ElasticPathOrders, ShopifyOrders, WooCommerceOrders
from tests.posting import plain_client, post, webhook
from tests.receiving import Receiver, refusing, take_all
from tests.running import drained, running
from tests.sources import woocommerce_making as woocommerce
from tests.sources.shopify_making import ORDER, SECRET
from tests.templates.woocommerce_making import order as woocommerce_order

PULL = ("pull", "--source", "elasticpath", "--since", "2025-01-01")
RECONCILE = ("reconcile", "--source", "elasticpath", "--since", "2025-01-01")


def order(name: str, payment: str = "paid", status: str = "complete", **data: Any) -> dict[str, Any]:
    day = f"2025-0{1 + int(name) % 9}-10T10:00:00Z" if name.isdecimal() else "2025-05-05T10:00:00Z"
    times = {"created_at": day, "updated_at": day}
    said = orjson.loads(webhook("order.paid", name, payment=payment, status=status, **data))["payload"]
    said["data"]["meta"]["timestamps"] = times
    said["included"]["items"][0]["id"] = f"item-{name}"
    said["data"]["relationships"]["items"] = {"data": [{"type": "item", "id": f"item-{name}"}]}
    payload: dict[str, Any] = said
    return payload


def commerce(url: str) -> dict[str, str]:
    return {
        "SOURCES__ELASTICPATH__COMMERCE__BASE_URL": url,
        "SOURCES__ELASTICPATH__COMMERCE__CLIENT_ID": "client",
        "SOURCES__ELASTICPATH__COMMERCE__CLIENT_SECRET": "secret",
        "SOURCES__ELASTICPATH__COMMERCE__REQUESTS_PER_SECOND": "1000",
    }


async def test_every_page_comes_in_and_an_order_that_came_by_webhook_counts_once(
    relay: Relay, configured: Configured
) -> None:
    shop = ElasticPathOrders([order(str(n)) for n in range(120)] + [order("1200", payment="unpaid")])
    shop.trouble = [Response(status_code=503), Response(status_code=429, headers={"retry-after": "0"})]
    receiver = Receiver()
    async with serve(shop) as api, serve(receiver) as host, running(configured(host, more=commerce(api))) as served:
        await post(served, [webhook("order.paid", "7")])
        counted = (await asyncio.to_thread(relay, *PULL, "--json")).json
        assert (counted["rows"], counted["calls"], counted["revenue"]) == (
            121,
            {"order_completed": 120},
            {"EUR": 1200.0},
        )
        ran = (await asyncio.to_thread(relay, *PULL, "--rate", "5000", "--run", "--json")).json
        assert (ran["appended"], ran["rejected"]) == (120, 0)
        again = (await asyncio.to_thread(relay, *PULL, "--rate", "5000", "--run", "--json")).json
        assert (again["appended"], again["known"]) == (0, 120)
        await drained(served)
    assert Counter(receiver.orders) == Counter({str(n): 1 for n in range(120)})
    pulled = next(call for call in receiver.stored if call["properties"]["order_id"] == "3")
    assert pulled["timestamp"].startswith("2025-04-10T10:00:00")
    assert len(pulled["properties"]["products"]) == 1


async def test_what_completes_an_order_is_waited_for_and_told_when_it_is_not_there(
    relay: Relay, configured: Configured
) -> None:
    shop = ElasticPathOrders([order("back", payment="refunded")])
    async with serve(shop) as api:
        configured("http://127.0.0.1:9", more=commerce(api))
        # The token, the list, then what the refund is asked of: busy at first, and then not there.
        shop.later = {2: Response(status_code=429, headers={"retry-after": "0"})}
        told = (await asyncio.to_thread(relay, *PULL, "--json")).json
    assert told["calls"] == {"order_completed": 1}
    assert told["endings"] == {"completion_missing": 1}


async def test_what_is_lacking_is_found_and_mended(relay: Relay, configured: Configured) -> None:
    shop = ElasticPathOrders([order("there"), order("lost"), order("refused"), order("cheaper")])
    receiver = Receiver(refusing("refused", 400))
    async with serve(shop) as api, serve(receiver) as host, running(configured(host, more=commerce(api))) as served:
        await post(served, [webhook("order.paid", name) for name in ("there", "refused")])
        await post(served, [webhook("order.paid", "cheaper", step=100)])
        await drained(served)
        found = await asyncio.to_thread(relay, *RECONCILE, "--json")
        assert found.code == 1
        assert {(one["order"], one["kind"]) for one in found.json["differences"]} == {
            ("lost", "missing"),
            ("refused", "undelivered"),
            ("cheaper", "differs"),
        }
        assert found.json["days"] == {"2025-05-05": {"platform": {"EUR": 40.0}, "journal": {"EUR": 31.0}}}
        shown = (await asyncio.to_thread(relay, *RECONCILE)).out
        assert "11.00 EUR in the journal, 10.00 EUR at the platform" in shown
        receiver.rule = take_all
        assert (await asyncio.to_thread(relay, *RECONCILE, "--fix")).code == 0
        await drained(served)
        mended = (await asyncio.to_thread(relay, *RECONCILE, "--json")).json
        assert [one["kind"] for one in mended["differences"]] == ["differs"]
    assert sorted(receiver.orders) == ["cheaper", "lost", "refused", "there"]


async def test_shopify_is_read_by_its_cursor_and_nothing_leads_elsewhere(relay: Relay, configured: Configured) -> None:
    def sold(n: int, **more: Any) -> dict[str, Any]:
        made = {"created_at": f"2025-03-01T00:{n:02d}:00Z", "financial_status": "paid", "currency": "EUR"}
        return {**ORDER, "id": 9_000_000_000_000_000_000 + n, "total_price": "5.00", "line_items": [], **made, **more}

    shop = ShopifyOrders([sold(n) for n in range(58)] + [sold(58, financial_status="pending")])
    receiver = Receiver()
    more = {
        "SOURCES__KETTLES__PLATFORM": "shopify",
        "SOURCES__KETTLES__SECRET": SECRET,
        "SOURCES__KETTLES__COMMERCE__TOKEN": TOKEN,
        "SOURCES__KETTLES__COMMERCE__REQUESTS_PER_SECOND": "1000",
    }
    async with serve(shop) as api, serve(receiver) as host:
        more["SOURCES__KETTLES__COMMERCE__BASE_URL"] = f"{api}/admin/api/2026-10"
        async with running(configured(host, more=more)) as served:
            arguments = ("pull", "--source", "kettles", "--since", "2025-01-01", "--rate", "5000", "--run", "--json")
            ran = (await asyncio.to_thread(relay, *arguments)).json
            assert (ran["rows"], ran["appended"]) == (59, 58)
            await drained(served)
    assert sorted(receiver.orders) == [str(9_000_000_000_000_000_000 + n) for n in range(58)]
    assert [path.partition("?")[0] for path in shop.asked] == ["/admin/api/2026-10/orders.json"] * 2


async def test_woocommerce_is_read_by_page_and_counts_beside_its_webhooks(relay: Relay, configured: Configured) -> None:
    def sold(n: int, **more: Any) -> dict[str, Any]:
        made = f"2025-03-01T00:{n:02d}:00"
        times = {"date_created_gmt": made, "date_modified_gmt": made, "date_paid_gmt": made}
        return woocommerce_order(id=n, **times, **more)

    shop = WooCommerceOrders([sold(n) for n in range(1, 57)] + [sold(57, status="pending"), sold(58, status="trash")])
    receiver = Receiver()
    more = {
        "SOURCES__LOOM__PLATFORM": "woocommerce",
        "SOURCES__LOOM__SECRET": woocommerce.SECRET,
        "SOURCES__LOOM__COMMERCE__CONSUMER_KEY": "ck_1",
        "SOURCES__LOOM__COMMERCE__CONSUMER_SECRET": TOKEN,
        "SOURCES__LOOM__COMMERCE__REQUESTS_PER_SECOND": "1000",
    }
    async with serve(shop) as api, serve(receiver) as host:
        more["SOURCES__LOOM__COMMERCE__BASE_URL"] = api
        async with running(configured(host, more=more)) as served:
            came = woocommerce.webhook(sold(3))
            async with plain_client(base_url=served.url) as client:
                await client.post("/webhooks/loom", content=came.body, headers=dict(came.headers))
            await drained(served)
            since = ("--source", "loom", "--since", "2025-01-01", "--json")
            ran = (await asyncio.to_thread(relay, "pull", *since, "--rate", "5000", "--run")).json
            assert (ran["rows"], ran["appended"], ran["rejected"]) == (58, 56, 0)
            await drained(served)
            reconciled = (await asyncio.to_thread(relay, "reconcile", *since)).json
    completed = [call for call in receiver.stored if call["event"] == "Order Completed"]
    assert sorted(call["properties"]["order_id"] for call in completed) == sorted(str(n) for n in range(1, 57))
    assert {call["timestamp"][:10] for call in completed} == {"2025-03-01"}
    assert reconciled["differences"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--source", "elasticpath"), "Nothing says from when on"),
        (("--source", "elasticpath", "--since", "soon"), "--since 'soon' is not a time"),
        (("--source", "elasticpath", "--since", "1d"), "sources.elasticpath.commerce is not set"),
        (("--source", "till", "--since", "1d"), "stripe has no list of orders"),
        (("--source", "shop", "--since", "1d"), "No source 'shop' is configured"),
    ],
)
def test_what_cannot_be_pulled_is_said(
    relay: Relay, configured: Configured, arguments: tuple[str, ...], told: str
) -> None:
    configured("http://127.0.0.1:9", more={"SOURCES__TILL__PLATFORM": "stripe", "SOURCES__TILL__SECRET": "whsec_x"})
    for command in ("pull", "reconcile"):
        ran = relay(command, *arguments)
        assert ran.code in (1, 2)
        assert told in ran.err
        assert "Traceback" not in ran.err


def test_without_a_connection_it_says_so_and_no_more(relay: Relay, configured: Configured) -> None:
    configured("http://127.0.0.1:9")
    ran = relay(*PULL)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[:2] == ["config_missing", "  sources.elasticpath.commerce is not set."]
