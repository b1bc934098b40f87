"""Stripe through a running relay: signed webhooks, and line items from an API that has good and bad days."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from relay.app import Relay, existing_journal, now_ms
from relay.demo.serving import serve
from relay.model import EventId, Selection
from relay.packaged import packaged_templates
from relay.pipeline.replay import replay
from relay.settings.loading import load
from tests.logbook import Logbook
from tests.pipeline.commerce import HANG, Commerce, commerce
from tests.posting import plain_client, until, worked
from tests.receiving import Receiver
from tests.running import configuration, drained, running
from tests.sources.declared_making import digest

SECRET = "whsec_of-the-tests"
TOKEN = "rk_test_of-the-tests"
CASES = packaged_templates() / "sources/stripe/cases"
PATH = "/v1/checkout/sessions/cs_made_0001/line_items?limit=100&expand[]=data.price.product"


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return found


PAID = case("order_completed/with_line_items")
LINES = PAID["fetched"]["line_items"]
REFUND = case("order_refunded/with_its_session")


@dataclass
class Bench:
    relay: Relay
    api: Commerce
    receiver: Receiver
    environ: dict[str, str]

    async def post(self, body: dict[str, Any], *, secret: str = SECRET) -> httpx.Response:
        raw = json.dumps(body).encode()
        signed_s = str(int(time.time()))
        signature = digest(secret, f"{signed_s}.".encode() + raw)
        async with plain_client(base_url=f"{self.relay.url}/webhooks") as client:
            headers = {"Stripe-Signature": f"t={signed_s},v1={signature}", "Content-Type": "application/json"}
            return await client.post("/stripe", content=raw, headers=headers)

    async def ended(self, event: EventId) -> list[tuple[str, str]]:
        told = await self.relay.journal.timeline(event)
        assert told is not None
        return [(outcome.kind, outcome.code) for outcome in told.outcomes]


@asynccontextmanager
async def bench(folder: Path, **options: str) -> AsyncIterator[Bench]:
    receiver = Receiver()
    async with commerce() as api, serve(receiver) as host:
        api.tokens.add(TOKEN)
        prefix = "SOURCES__STRIPE__"
        stripe = {
            f"{prefix}PLATFORM": "stripe",
            f"{prefix}SECRET": SECRET,
            f"{prefix}COMMERCE__BASE_URL": api.url,
            f"{prefix}COMMERCE__TOKEN": TOKEN,
            f"{prefix}COMMERCE__REQUESTS_PER_SECOND": "1000",
        }
        environ = configuration(folder, {"segment": host}, **{**stripe, **options})
        async with running(environ) as relay:
            yield Bench(relay, api, receiver, environ)


async def test_a_paid_session_arrives_with_its_lines_and_a_refund_with_the_session(tmp_path: Path) -> None:
    async with bench(tmp_path) as stripe:
        stripe.api.documents[PATH] = LINES
        stripe.api.documents["/v1/checkout/sessions?limit=1&payment_intent=pi_made_01"] = REFUND["fetched"][
            "checkout_sessions"
        ]
        assert (await stripe.post(PAID["webhook"])).json()["status"] == "accepted"
        assert (await stripe.post(PAID["webhook"])).json()["status"] == "duplicate"
        assert (await stripe.post(PAID["webhook"], secret="another")).status_code == 401
        assert (await stripe.post(REFUND["webhook"])).json()["status"] == "accepted"
        await drained(stripe.relay)

        bought, refunded = stripe.receiver.stored
        assert bought["properties"] == PAID["calls"][0]["properties"]
        assert refunded["event"] == "Order Refunded"
        assert refunded["properties"]["order_id"] == bought["properties"]["order_id"]
        quarantined = await stripe.relay.journal.quarantined("stripe", limit=10)
        assert [item.code for item in quarantined] == ["signature_mismatch"]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (JSONResponse({"error": {"type": "invalid_request_error"}}, 401), "completion_refused"),
        (JSONResponse({"error": {"type": "rate_limit"}}, 429, headers={"Retry-After": "0"}), "completion_waiting"),
        (Response(status_code=500), "completion_waiting"),
        (HANG, "completion_waiting"),
    ],
    ids=["401", "429", "500", "slow"],
)
async def test_trouble_at_stripe_waits_and_loses_nothing(
    tmp_path: Path, logbook: Logbook, trouble: Response, code: str
) -> None:
    timeout_s = "0.2" if trouble is HANG else "10"
    async with bench(tmp_path, SOURCES__STRIPE__COMMERCE__TIMEOUT_S=timeout_s) as stripe:
        stripe.api.documents[PATH] = trouble
        answer = await stripe.post(PAID["webhook"])
        assert answer.status_code == 200
        event = EventId(int(answer.json()["event"]))
        await until(lambda: logbook.having(code, source="stripe"))
        assert await stripe.ended(event) == []

        stripe.api.documents[PATH] = LINES
        await drained(stripe.relay)
        assert await stripe.ended(event) == [("delivered", "accepted")]
        assert [product["product_id"] for product in stripe.receiver.stored[0]["properties"]["products"]] == [
            "prod_A",
            "prod_B",
        ]


async def test_a_session_that_is_gone_is_a_dead_letter(tmp_path: Path) -> None:
    async with bench(tmp_path) as stripe:
        answer = await stripe.post(PAID["webhook"])
        await drained(stripe.relay)
        assert await stripe.ended(EventId(int(answer.json()["event"]))) == [("dead", "completion_missing")]


async def test_a_replay_says_what_stripe_said_at_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as stripe:
        stripe.api.documents[PATH] = LINES
        answer = await stripe.post(PAID["webhook"])
        await drained(stripe.relay)
        asked = list(stripe.api.asked)

        stripe.api.documents[PATH] = {**LINES, "data": []}
        async with existing_journal(load(None, stripe.environ)) as beside:
            assert [number async for number in replay(beside, Selection(source="stripe"), now_ms())] == [1]
        await worked(stripe.relay, "render:stripe", "deliver:segment")

        (again, first) = await stripe.relay.journal.find(Selection(source="stripe"), limit=5)
        assert again.replay_of == first.id == EventId(int(answer.json()["event"]))
        assert await stripe.ended(again.id) == [("duplicate", "already_delivered")]
        calls = [(await _timeline(stripe, event)).calls[0].text for event in (first.id, again.id)]
        assert calls[0] == calls[1]
        assert stripe.api.asked == asked


async def _timeline(stripe: Bench, event: EventId) -> Any:
    told = await stripe.relay.journal.timeline(event)
    assert told is not None
    return told
