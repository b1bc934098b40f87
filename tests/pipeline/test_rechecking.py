"""Webhooks refused for a wrong secret are let in when it was mended."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from relay.app import Relay, existing_journal, now_ms, verifier
from relay.codes import RelayError
from relay.model import Quarantined, QuarantineId, Selection
from relay.pipeline.rechecking import Rechecked, recheck
from relay.pipeline.verifying import KEY_BYTES, Verifier
from relay.renderer import build_sources
from relay.settings.loading import load
from tests.posting import EMAIL, plain_client, post, webhook
from tests.running import HEADERS, SECRET, configuration, drained, running
from tests.sources import shopify_making as shopify

STEPS = [webhook("order.created", "a"), webhook("order.paid", "a", step=1), webhook("order.updated", "a", step=2)]


def environ(folder: Path, secret: str = SECRET, shopify_secret: str = shopify.SECRET) -> dict[str, str]:
    more = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": shopify_secret}
    return configuration(folder, {}, **more) | {"RELAY_SOURCES__ELASTICPATH__SECRET": secret}


async def refused(relay: Relay, source: str, body: bytes, headers: dict[str, str]) -> None:
    async with plain_client() as client:
        answer = await client.post(f"{relay.url}/webhooks/{source}", content=body, headers=headers)
        assert answer.status_code in (400, 401)


async def rechecked(relay: Relay, settings: dict[str, str], source: str | None = None, *, run: bool) -> Rechecked:
    loaded = load(None, settings)
    sources = build_sources(loaded.options)
    return await recheck(relay.journal, sources, await verifier(loaded, relay.journal, lasting=False), source, run=run)


async def test_let_in_once_in_order_and_with_their_times(tmp_path: Path) -> None:
    began_ms = now_ms()
    async with running(environ(tmp_path, "the-wrong-one-12345", "wrong")) as relay:
        for body in (*STEPS, STEPS[0]):
            await refused(relay, "elasticpath", body, HEADERS)
        await refused(relay, "elasticpath", STEPS[0], {"X-MOLTIN-SECRET-KEY": "a-stranger"})
        await refused(relay, "elasticpath", STEPS[0], {})
        came = shopify.webhook()
        await refused(relay, "shop", came.body, dict(came.headers))
        ended_ms = now_ms()
        assert (await rechecked(relay, environ(tmp_path, "the-wrong-one-12345", "wrong"), run=True)).genuine == 0

    mended = environ(tmp_path)
    async with running(mended) as relay:
        (early,) = await post(relay, [STEPS[1]])
        assert (await rechecked(relay, mended, "shop", run=False)).genuine == 1
        counted = await rechecked(relay, mended, run=False)
        assert (counted.genuine, counted.appended) == (5, 0)
        assert counted.refused == {"signature_mismatch": 2}
        assert len(await relay.journal.quarantined(None, limit=100)) == 7

        done = await rechecked(relay, mended, run=True)
        assert (done.genuine, done.appended, done.duplicates) == (5, 3, 2)
        assert len(await relay.journal.quarantined(None, limit=100)) == 2
        assert (await rechecked(relay, mended, run=True)).genuine == 0
        relay.wakeups.wake_all()
        await drained(relay)
        found = await relay.journal.find(Selection(), limit=10)
        events = [event for event in await relay.journal.events([one.id for one in found]) if event.id > early]
        assert [(event.source, event.topic) for event in events] == [
            ("elasticpath", "order.created"),
            ("elasticpath", "order.updated"),
            ("shop", "orders/paid"),
        ]
        assert all(began_ms <= event.received_at_ms <= ended_ms for event in events)
        assert all(EMAIL.encode() in event.body for event in events[:2])


async def test_the_secret_is_in_no_file_but_can_be_recognised(tmp_path: Path) -> None:
    async with running(environ(tmp_path, "the-wrong-one-12345")) as relay:
        await refused(relay, "elasticpath", STEPS[0], HEADERS)
        (item,) = await relay.journal.quarantined(None, limit=1)

    assert SECRET not in repr(item)
    assert not any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    key = tmp_path / "relay.db.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() not in (tmp_path / "relay.db").read_bytes()
    loaded, lost = load(None, environ(tmp_path)), Verifier(b"k" * KEY_BYTES)
    async with existing_journal(loaded) as journal:
        same = await verifier(loaded, journal, lasting=True)
    assert same.was_presented(item)(SECRET)
    assert not same.was_presented(item)(SECRET + "x")
    assert not lost.was_presented(item)(SECRET)


def test_no_secret_is_like_none() -> None:
    made = Verifier(b"k" * KEY_BYTES)
    item = Quarantined(QuarantineId(1), "shop", "{}", b"", "signature_missing", "", 0, made.of("shop", ""))

    assert item.verifier == ""
    assert not made.was_presented(item)("")
    assert not made.was_presented(item)("anything")
    assert made.of("shop", "s") != made.of("other", "s")


async def test_a_damaged_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "relay.db.key").write_bytes(b"short")
    with pytest.raises(RelayError, match="damaged"):
        async with running(environ(tmp_path)):
            pytest.fail("it started")
