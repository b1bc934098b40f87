"""`relay check` tries what it can try without side effects, and says what it got."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.cli.running import Ran, Relay
from tests.pipeline.commerce import CLIENT, commerce
from tests.sources.saleor_making import jwks

TOML = """
[outgoing]
allow_private = {allow_private}
[sources.elasticpath]
secret = "webhook-secret"
[sources.elasticpath.commerce]
base_url = "{commerce}"
client_id = "client"
client_secret = "{client_secret}"
[destinations.segment]
host = "{segment}"
write_key = "a-write-key"
"""
PROBE = "/v2/orders?page%5Blimit%5D=1"


async def check(relay: Relay, segment_url: str, commerce_url: str, **more: str) -> Ran:
    values = {"allow_private": "true", "client_secret": CLIENT["client_secret"], **more}
    Path("relay.toml").write_text(TOML.format(segment=segment_url, commerce=commerce_url, **values))
    return await asyncio.to_thread(relay, "check", "--json")


def statuses(ran: Ran) -> dict[str, str]:
    return {found["name"]: found["status"] for found in ran.json["findings"]}


@pytest.mark.usefixtures("folder")
async def test_connections_that_work(relay: Relay) -> None:
    async with serve(SegmentLookalike(["a-write-key"])) as segment_url, commerce() as api:
        api.documents[PROBE] = {"data": [], "meta": {"results": {"total": 7}}}
        ran = await check(relay, segment_url, api.url)

    assert ran.code == 0
    assert statuses(ran)["sources.elasticpath.commerce"] == "ok"
    assert statuses(ran)["destinations.segment"] == "ok"
    assert "which holds 7" in ran.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("published", "status"), [(jwks(), "ok"), (b"<html>", "failed")], ids=["keys", "html"])
async def test_public_keys_are_fetched(relay: Relay, published: bytes, status: str) -> None:
    async def keys(request: Request) -> Response:
        return Response(published)

    async with serve(Starlette(routes=[Route("/.well-known/jwks.json", keys)])) as url:
        Path("relay.toml").write_text(
            f'[outgoing]\nallow_private = true\n[sources.saleor]\napi_url = "{url}/graphql/"\n'
        )
        ran = await asyncio.to_thread(relay, "check", "--json")

    assert statuses(ran)["sources.saleor"] == status
    assert f"{url}/.well-known/jwks.json" in ran.out


@pytest.mark.usefixtures("folder")
async def test_what_makes_no_calls_without_its_api_is_warned_of(relay: Relay) -> None:
    Path("relay.toml").write_text('[sources.bigcommerce]\nsecret = "a-secret-of-the-tests"\n')
    ran = await asyncio.to_thread(relay, "check", "--json", "--offline")
    assert statuses(ran)["sources.bigcommerce.commerce"] == "warning"
    assert ran.code == 0


@pytest.mark.usefixtures("folder")
async def test_wrong_credentials_fail(relay: Relay) -> None:
    async with serve(SegmentLookalike(["a-write-key"])) as segment_url, commerce() as api:
        ran = await check(relay, segment_url, api.url, client_secret="wrong-client-secret")

    assert ran.code == 1
    assert statuses(ran)["sources.elasticpath.commerce"] == "failed"
    assert "wrong-client-secret" not in ran.out + ran.err


@pytest.mark.usefixtures("folder")
async def test_private_addresses_are_refused_unless_allowed(relay: Relay) -> None:
    async with serve(SegmentLookalike(["a-write-key"])) as segment_url, commerce() as api:
        ran = await check(relay, segment_url, api.url, allow_private="false")

    assert ran.code == 1
    assert statuses(ran)["destinations.segment"] == "failed"
    assert not api.asked


@pytest.mark.usefixtures("folder")
async def test_a_placeholder_is_not_asked_for(relay: Relay) -> None:
    lookalike = SegmentLookalike(["a-write-key"])
    async with serve(lookalike) as segment_url:
        text = TOML.format(segment=segment_url, commerce="http://127.0.0.1:9", allow_private="true", client_secret="x")
        text = text.replace("a-write-key", "your-write-key") + 'mode = "test"\n'
        Path("relay.toml").write_text(text)
        ran = await asyncio.to_thread(relay, "check", "--json")
    told = [found for found in ran.json["findings"] if found["name"] == "destinations.segment"]
    assert [found["status"] for found in told] == ["warning", "warning"]
    assert "so the connection is not tried" in told[0]["text"]
    assert "test mode" in told[1]["text"]
