"""commercetools through a running relay, by way of the queues that push its messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import Response

from relay.app import Relay
from relay.demo.serving import serve
from relay.model import EventId
from relay.packaged import packaged_templates
from tests.logbook import Logbook
from tests.pipeline.commerce import CLIENT, Commerce, commerce
from tests.posting import get, plain_client, until
from tests.receiving import Receiver
from tests.running import configuration, drained, running
from tests.sources.test_declared_envelopes import pub_sub, sns

CASES = packaged_templates() / "sources/commercetools/cases"
PASSWORD = httpx.BasicAuth("user", "password-of-the-tests")
BEARER = {"Authorization": "Bearer user:password-of-the-tests"}
CANCELLED = "/shop/orders/o-0001?expand=discountCodes%5B*%5D.discountCode"


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return found


@asynccontextmanager
async def shop(folder: Path, **options: str) -> AsyncIterator[tuple[Relay, Receiver, httpx.AsyncClient]]:
    receiver = Receiver()
    known = {"PLATFORM": "commercetools", "SECRET": "user:password-of-the-tests"} | options
    source = {f"SOURCES__SHOP__{name}": value for name, value in known.items()}
    async with (
        serve(receiver) as host,
        running(configuration(folder, {"segment": host}, **source)) as relay,
        plain_client(base_url=f"{relay.url}/webhooks") as client,
    ):
        yield relay, receiver, client


def connection(api: Commerce) -> dict[str, str]:
    known = {
        "BASE_URL": f"{api.url}/shop",
        "TOKEN_URL": f"{api.url}/oauth/access_token",
        "CLIENT_ID": CLIENT["client_id"],
        "CLIENT_SECRET": CLIENT["client_secret"],
        "REQUESTS_PER_SECOND": "1000",
    }
    return {f"COMMERCE__{name}": value for name, value in known.items()}


async def test_sns_shows_its_password_when_it_is_asked_and_what_it_confirms_is_kept(tmp_path: Path) -> None:
    plain = case("order_completed/plain")
    async with shop(tmp_path) as (relay, receiver, client):
        push = json.dumps(sns(json.dumps(plain["webhook"])))
        text = {"Content-Type": "text/plain; charset=UTF-8"}
        asked = await client.post("/shop", content=push, headers=text)
        assert asked.status_code == 401
        assert asked.headers["WWW-Authenticate"].startswith("Basic realm=")
        confirmation = json.dumps(
            sns("You have chosen to subscribe …", "SubscriptionConfirmation", SubscribeURL="https://x")
        )
        answers = [
            await client.post("/shop", content=body, headers=text, auth=PASSWORD) for body in (confirmation, push)
        ]
        assert [answer.json()["status"] for answer in answers] == ["accepted", "accepted"]
        wrong = await client.post("/shop", content=push, headers=text, auth=("user", "wrong"))
        assert (wrong.status_code, "WWW-Authenticate" in wrong.headers) == (401, False)
        await drained(relay)

        told = await relay.journal.timeline(EventId(int(answers[0].json()["event"])))
        assert told is not None
        assert [(one.kind, one.code) for one in told.outcomes] == [("ignored", "no_tracked_event")]
        (call,) = receiver.stored
        assert call["properties"] == plain["calls"][0]["properties"]
        metrics = (await get(relay, "/metrics")).text
        assert 'relay_webhooks_total{result="challenged",source="shop"} 1.0' in metrics
        # Asking for the password is no failure; a wrong one is.
        assert [one.code for one in await relay.journal.quarantined("shop", limit=9)] == ["signature_mismatch"]


async def test_event_grid_asks_leave_before_it_sends(tmp_path: Path) -> None:
    async with shop(tmp_path) as (relay, receiver, client):
        asked = await client.request("OPTIONS", "/shop", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
        assert (asked.status_code, asked.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
        assert (await client.request("OPTIONS", "/nobody")).status_code == 404
        plain = await client.request("OPTIONS", "/shop")
        assert "WebHook-Allowed-Origin" not in plain.headers

        event = case("order_completed/cloud_event")["webhook"]
        kind = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
        answer = await client.post("/shop", content=json.dumps(event), headers={**BEARER, **kind})
        assert answer.json()["status"] == "accepted"
        await drained(relay)
        assert receiver.orders == ["1001"]


async def test_the_order_is_fetched_with_a_token_of_another_host(tmp_path: Path, logbook: Logbook) -> None:
    cancelled = case("order_cancelled/plain")
    async with commerce() as api, shop(tmp_path, **connection(api)) as (relay, receiver, client):
        api.sign_in = Response(status_code=401)
        push = pub_sub(json.dumps(cancelled["webhook"]))
        answer = await client.post("/shop", json=push, headers=BEARER)
        assert answer.status_code == 200
        await until(lambda: logbook.having("completion_refused", source="shop"))

        api.sign_in = None
        api.documents[CANCELLED] = cancelled["fetched"]["order"]
        await drained(relay)
        (call,) = [one for one in receiver.stored if one["event"] == "Order Cancelled"]
        assert call["properties"] == cancelled["calls"][0]["properties"]
        assert set(api.asked) == {CANCELLED}

        # An order that came with its message is not fetched again.
        await client.post("/shop", json=case("order_completed/plain")["webhook"] | {"id": "m-2"}, headers=BEARER)
        await drained(relay)
        assert set(api.asked) == {CANCELLED}
        assert len(receiver.stored) == 2
