"""A source that goes quiet in a running relay, and comes back: log, readiness, metrics, command."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.app import Relay, now_ms
from relay.demo.samples import samples
from relay.journal.protocol import Journal
from relay.model import HOUR_MS
from tests.cli.running import runner
from tests.journal.making import event
from tests.logbook import Logbook
from tests.posting import get, plain_client, post, webhook
from tests.running import HEADERS, configuration, running

SHOPIFY = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": "a-shop-secret-of-16"}


async def sent_hourly(journal: Journal, *, days: int, until_h: int, source: str = "elasticpath") -> None:
    """A webhook each hour, the last so many hours ago; one of any body, which no test renders."""
    start_ms = now_ms()
    await journal.append_many(
        [
            event(f"{source} {hour}", source=source, topic="none", received_at_ms=start_ms - hour * HOUR_MS)
            for hour in range(days * 24, until_h - 1, -1)
        ]
    )


async def told_by_metrics(relay: Relay, name: str) -> dict[str, float]:
    lines = [line for line in (await get(relay, "/metrics")).text.splitlines() if line.startswith(name)]
    return {labels: float(value) for labels, value in (line.removeprefix(name).split(" ") for line in lines)}


async def test_it_is_told_everywhere_and_once(
    tmp_path: Path, logbook: Logbook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    environ = configuration(tmp_path, {}, **SHOPIFY)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with running(environ) as relay:
        await sent_hourly(relay.journal, days=20, until_h=40)
        await sent_hourly(relay.journal, days=20, until_h=0, source="shop")
        await sent_hourly(relay.journal, days=2, until_h=1, source="gone")
        async with plain_client() as client:
            for body in (b"{", b"{}"):
                await client.post(f"{relay.url}/webhooks/elasticpath", content=body, headers=HEADERS)
            await client.post(f"{relay.url}/webhooks/elasticpath", content=samples()[0].body)

        ready = (await get(relay, "/readyz")).json()
        assert ready["ready"] is True
        assert ready["sources"]["elasticpath"]["state"] == "quiet"
        assert ready["sources"]["elasticpath"]["code"] == "source_quiet"
        assert 39.9 * 3600 < ready["sources"]["elasticpath"]["silent_s"] < 41 * 3600
        assert ready["sources"]["shop"]["state"] == "ok"
        assert await told_by_metrics(relay, "relay_source_quiet") == {
            '{source="elasticpath"}': 1,
            '{source="shop"}': 0,
        }
        last = await told_by_metrics(relay, "relay_source_last_received_timestamp_seconds")
        assert abs(last['{source="elasticpath"}'] - (now_ms() / 1000 - 40 * 3600)) < 60
        assert await told_by_metrics(relay, "relay_quarantined") == {
            '{code="body_not_json",source="elasticpath"}': 1,
            '{code="signature_missing",source="elasticpath"}': 1,
            '{code="topic_missing",source="elasticpath"}': 1,
        }
        (line,) = logbook.having("source_quiet")
        assert (line["source"], line["level"], line["usual_s"]) == ("elasticpath", "warning", 3600)

        listed = await asyncio.to_thread(runner(capsys), "sources", "--json")
        quiet, fine, gone = listed.json
        assert (quiet["name"], quiet["platform"], quiet["state"]) == ("elasticpath", "elasticpath", "quiet")
        assert (quiet["last_hour"], quiet["last_day"], quiet["usual_silence_s"]) == (0, 0, 3600)
        assert quiet["quarantined"] == {"body_not_json": 1, "signature_missing": 1, "topic_missing": 1}
        assert (fine["name"], fine["state"], fine["quarantined"]) == ("shop", "ok", {})
        assert fine["last_day"] in (24, 25)
        assert (gone["name"], gone["state"], gone["platform"]) == ("gone", "removed", "")
        shown = await asyncio.to_thread(runner(capsys), "sources")
        assert "up to 1 h" in shown.out
        assert "signature_missing 1" in shown.out
        assert "elasticpath: Nothing has come from the source" in shown.out

        await post(relay, [webhook("order.paid", "a")])
        assert (await get(relay, "/readyz")).json()["sources"]["elasticpath"]["state"] == "ok"
        assert len(logbook.having("source_back", source="elasticpath")) == 1
        assert len(logbook.having("source_quiet")) == 1


async def test_a_source_of_which_nothing_came(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {})) as relay:
        assert (await get(relay, "/readyz")).json()["sources"] == {"elasticpath": {"state": "nothing came"}}
        assert await told_by_metrics(relay, "relay_source_last_received_timestamp_seconds") == {}
        await post(relay, [webhook("order.paid", "a")])
        assert (await get(relay, "/readyz")).json()["sources"] == {"elasticpath": {"state": "new", "silent_s": 0}}
