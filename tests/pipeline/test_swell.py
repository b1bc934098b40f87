"""Swell through a running relay: webhooks are known by where they come from, also behind a proxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relay.demo.serving import serve
from relay.packaged import packaged_templates
from relay.pipeline.rechecking import recheck
from relay.pipeline.verifying import KEY_BYTES, Verifier
from relay.renderer import build_sources
from relay.settings.loading import load
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import configuration, drained, running

PAID = json.loads((packaged_templates() / "sources/swell/cases/order_completed/plain.json").read_text())
SWELL = "52.52.111.237"


@pytest.mark.parametrize(
    ("trusted", "networks", "forwarded_for", "status"),
    [
        ("", "127.0.0.1", "", 200),
        ("", "", "", 403),
        ("", "", SWELL, 403),  # nobody is believed
        ("127.0.0.1", "", SWELL, 200),
        ("127.0.0.1", "", f"{SWELL}, 203.0.113.7", 403),  # the client claims what the proxy did not see
        ("127.0.0.1,203.0.113.0/24", "", f"{SWELL}, 203.0.113.7", 200),
        ("127.0.0.1", "", "", 403),
    ],
)
async def test_an_order_is_taken_from_the_addresses_of_swell(
    tmp_path: Path, trusted: str, networks: str, forwarded_for: str, status: int
) -> None:
    receiver = Receiver()
    options = {"SOURCES__SWELL__PLATFORM": "swell"}
    options |= {"SOURCES__SWELL__NETWORKS": networks} if networks else {}
    options |= {"SERVER__TRUSTED_PROXIES": trusted} if trusted else {}
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, **options)
        async with running(environ) as relay, plain_client(base_url=f"{relay.url}/webhooks") as client:
            headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
            answer = await client.post("/swell", json=PAID["webhook"], headers=headers)
            await drained(relay)
            refused = await relay.journal.quarantined("swell", limit=9)
            assert answer.status_code == status
            assert receiver.orders == ([PAID["webhook"]["data"]["id"]] if status == 200 else [])
            assert [one.code for one in refused] == ([] if status == 200 else ["sender_refused"])
            if not trusted and not networks:
                # Once the networks are mended it is let in, by the address that it came from.
                mended = build_sources(load(None, {**environ, "RELAY_SOURCES__SWELL__NETWORKS": "127.0.0.1"}).options)
                told = await recheck(relay.journal, mended, Verifier(bytes(KEY_BYTES)), "swell", run=True)
                assert (told.genuine, told.appended) == (1, 1)
