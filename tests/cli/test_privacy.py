"""`relay forget`, `relay export`, `relay audit`, and `relay quarantine recheck`, beside a running relay."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from relay.demo.serving import serve
from tests.cli.running import Relay
from tests.pipeline.test_privacy import INES, SHOP_ONLY, SHOPIFY, order, post_shopify
from tests.posting import EMAIL, plain_client, post, webhook
from tests.receiving import Receiver, answering
from tests.running import HEADERS, configuration, drained, running

OF_ADA = ("--source", "elasticpath", "--email", EMAIL)


def use(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


async def test_forgetting_counts_first_and_is_written_down(
    folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(answering(503))
    async with serve(receiver) as host:
        use(monkeypatch, environ := configuration(folder, {"segment": host}))
        async with running(environ) as server:
            hers, other = await post(
                server,
                [
                    webhook("order.created", "hers"),
                    webhook("order.created", "other", customer={"email": "b@x.example"}, relationships={}),
                ],
            )
            async with plain_client() as client:
                await client.post(f"{server.url}/webhooks/elasticpath", content=webhook("order.paid", "hers"))
            while (await server.journal.backlogs(["render:elasticpath"]))[0].waiting:
                await asyncio.sleep(0.01)

            counted = await asyncio.to_thread(relay, "forget", *OF_ADA)
            assert "1 event and 1 refused request would be erased" in counted.out
            told = await asyncio.to_thread(relay, "export", *OF_ADA)
            assert [one["event"]["id"] for one in told.json["events"]] == [hers]
            assert EMAIL in told.json["events"][0]["event"]["body"]
            assert "attempts" not in told.json["events"][0]
            assert [EMAIL in one["body"] for one in told.json["quarantined"]] == [True]
            assert "b@x.example" not in told.out

            erased = await asyncio.to_thread(relay, "forget", *OF_ADA, "--run", "--json")
            assert erased.json == {"events": 1, "quarantined": 1, "calls": 1, "scrubbed": True, "run": True}
            assert not any(EMAIL.encode() in file.read_bytes() for file in folder.iterdir())
            again = await asyncio.to_thread(relay, "forget", *OF_ADA, "--json")
            assert again.json == {"events": 0, "quarantined": 0, "run": False}

            receiver.rule = Receiver().rule
            await drained(server)
            assert receiver.orders == ["other"]
            shown = await asyncio.to_thread(relay, "show", hers)
            assert "forgotten" in shown.out
            assert EMAIL not in shown.out
            counted = await asyncio.to_thread(relay, "replay", hers, other, "--json")
            assert (counted.json["events"], counted.json["forgotten"]) == (1, 1)
            counted = await asyncio.to_thread(relay, "replay", hers)
            assert "1 event left out: what they held was erased" in counted.err
            assert "There is nothing to replay." in counted.out
            replayed = await asyncio.to_thread(relay, "replay", hers, other, "--run", "--json")
            assert (replayed.json["appended"], replayed.json["forgotten"]) == (1, 1)
            audits = (await asyncio.to_thread(relay, "audit", "--json")).json
            assert [(one["kind"], one["events"], one["event_id"]) for one in audits] == [
                ("redact_customer", 1, None),
                ("data_request", 1, None),
            ]
            assert EMAIL not in str(audits)
            assert "a person" in (await asyncio.to_thread(relay, "audit")).out
            assert (await server.journal.events([other]))[0].body != b""


async def test_a_platforms_request_is_exported_by_its_event(
    folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, environ := configuration(folder, {}, **SHOPIFY))
    async with running(environ) as server:
        hers = await post_shopify(server, "orders/paid", order(1, customer=INES), "w-1")
        body = {**SHOP_ONLY, "customer": INES, "orders_requested": [], "data_request": {"id": 1}}
        request = await post_shopify(server, "customers/data_request", body, "w-2")
        await drained(server)
        told = await asyncio.to_thread(relay, "export", "--source", "shop", "--event", request)
        assert [one["event"]["id"] for one in told.json["events"]] == [hers, request]
        assert (await asyncio.to_thread(relay, "export", "--source", "shop", "--event", hers)).code == 1


async def test_recheck_beside_a_running_relay(folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    async with serve(receiver) as host:
        use(monkeypatch, good := configuration(folder, {"segment": host}))
        wrong = good | {"RELAY_SOURCES__ELASTICPATH__SECRET": "the-wrong-one-12345"}
        async with running(wrong) as server, plain_client() as client:
            for step in range(3):
                body = webhook("order.updated", "a", step=step)
                await client.post(f"{server.url}/webhooks/elasticpath", content=body, headers=HEADERS)
            counted = await asyncio.to_thread(relay, "quarantine", "recheck")
            assert "Genuine: 3. With --run they are let in." in counted.out
            done = await asyncio.to_thread(relay, "quarantine", "recheck", "--run")
            assert "Let in: 3." in done.out
            async with asyncio.timeout(20):
                while len(receiver.stored) < 3:
                    await asyncio.sleep(0.01)
            assert [call["properties"]["total"] for call in receiver.stored] == sorted(
                call["properties"]["total"] for call in receiver.stored
            )
            assert (await asyncio.to_thread(relay, "quarantine")).out == "Nothing is in quarantine.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("forget", "--source", "elasticpath"),
        ("forget", "--source", "elasticpath", "--email", " "),
        ("forget", "--source", "nobody", "--email", EMAIL),
        ("forget", "--email", EMAIL),
        ("export", "--source", "elasticpath"),
    ],
)
def test_nobody_is_forgotten_by_mistake(
    folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    use(monkeypatch, configuration(folder, {}))
    assert relay(*arguments).code == 2
    assert not (folder / "relay.db").exists()
