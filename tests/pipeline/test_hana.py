"""A shop without an API: its own script posts, the relay tells SegMetrics."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from relay.app import Relay
from relay.demo.segmetrics import SegMetricsLookalike
from relay.demo.serving import serve
from relay.model import EventId, JsonObject
from tests.pipeline.vendors import ends
from tests.posting import plain_client
from tests.running import DEADLINE_S, configuration, drained, running

EXAMPLES = Path(__file__).parents[2] / "docs/examples/hana"
SECRET = "hana-secret-0815"
ORDER: JsonObject = orjson.loads((EXAMPLES / "order.json").read_bytes())
CONTACT = {
    "contact_id": "CUST-42",
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Example",
    "date_created": "2025-11-02 00:00:00",
    "last_updated": "2026-03-14 02:26:53",
}
INVOICE = {
    "id": "ORD-1001",
    "email": "ada@example.com",
    "amount": 10320,
    "paid": 10320,
    "is_refunded": 0,
    "discount": 900,
    "tax": 1720,
    "shipping": 500,
    "date_created": "2026-03-14 02:26:53",
    "items": [
        {"id": "ORD-1001-1", "product_id": "P-10", "name": "Wool Scarf", "amount": 8000, "total_paid": 8000},
        {"id": "ORD-1001-2", "product_id": "P-11", "name": "Gift Box", "amount": 1000, "total_paid": 1000},
    ],
}


@asynccontextmanager
async def hana(folder: Path, **more: str) -> AsyncIterator[tuple[Relay, SegMetricsLookalike]]:
    there = SegMetricsLookalike("ACC123", "INT456", "SM-K3Y")
    async with serve(there) as url:
        options = {
            "SOURCES__HANA__SECRET": SECRET,
            "SOURCES__HANA__SETTINGS": '{"timezone": "America/Los_Angeles", "currency": "USD"}',
            "DESTINATIONS__SEGMETRICS__HOST": url,
            "DESTINATIONS__SEGMETRICS__ACCOUNT_ID": "ACC123",
            "DESTINATIONS__SEGMETRICS__INTEGRATION_ID": "INT456",
            "DESTINATIONS__SEGMETRICS__API_KEY": "SM-K3Y",
            "DESTINATIONS__SEGMETRICS__TIMEZONE": "America/Los_Angeles",
            "DESTINATIONS__SEGMETRICS__REQUESTS_PER_SECOND": "1000",
        }
        async with running(configuration(folder, {}, **(options | more))) as relay:
            yield relay, there


async def post(relay: Relay, body: JsonObject, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json", **headers}
    async with plain_client(timeout=DEADLINE_S) as client:
        return await client.post(f"{relay.url}/webhooks/hana", content=orjson.dumps(body), headers=sent)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: the script of the docs is not tried")
async def test_the_script_of_the_docs_sends_the_contact_then_the_order(tmp_path: Path) -> None:
    async with hana(tmp_path) as (relay, there):
        for _ in range(2):
            environ = {**os.environ, "RELAY_URL": f"{relay.url}/webhooks/hana", "RELAY_SECRET": SECRET}
            script = await asyncio.create_subprocess_exec(
                "sh", str(EXAMPLES / "send.sh"), str(EXAMPLES / "order.json"), env=environ
            )
            assert await script.wait() == 0
        await drained(relay)

    assert there.taken == [("POST contact", CONTACT), ("POST invoice", INVOICE)]


async def test_an_order_s_story(tmp_path: Path) -> None:
    order: dict[str, Any] = {"id": "ORD-1001"}
    refund = {"id": "R-1", "amount": "20.00", "date_created": "2026-03-20 03:00:00"}
    story = [
        {"event": "contact.created", "contact": ORDER["contact"]},
        ORDER,
        {"event": "order.refunded", "order": order, "refund": refund},
        {**ORDER, "event": "order.cancelled"},
    ]
    async with hana(tmp_path) as (relay, there):
        for body in story:
            assert (await post(relay, body)).status_code == 200
        await drained(relay)

    assert sorted(path for path, _ in there.taken) == ["POST contact"] * 2 + ["POST invoice"] * 3
    invoices = [body for path, body in there.taken if path == "POST invoice"]
    assert invoices == [INVOICE, {**INVOICE, "paid": 8320}, {**INVOICE, "paid": 0, "is_refunded": 1}]
    assert len(there.contacts) == 1


async def test_test_mode_tells_the_payloads_and_sends_nothing(tmp_path: Path) -> None:
    async with hana(tmp_path, DESTINATIONS__SEGMETRICS__MODE="test") as (relay, there):
        event = EventId(int((await post(relay, ORDER)).json()["event"]))
        await drained(relay)
        told = await relay.journal.timeline(event)
        ended = await ends(relay, event)

    assert there.requests == []
    assert ended == {"segmetrics": ("skipped", "test_mode")}
    assert told is not None
    assert [orjson.loads(attempt.request) for attempt in told.attempts] == [{"contact": CONTACT}, {"invoice": INVOICE}]


async def test_who_does_not_know_the_secret_is_refused(tmp_path: Path) -> None:
    async with hana(tmp_path) as (relay, there):
        assert (await post(relay, ORDER, Authorization="Bearer other")).status_code == 401
        await drained(relay)

    assert there.requests == []
