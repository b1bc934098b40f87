"""`/healthz`, `/readyz` and `/metrics`, of a relay that is well and of one whose journal is in trouble."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.app import Relay
from relay.demo.faults import Fault
from relay.demo.serving import serve
from relay.model import Selection
from tests.logbook import NEVER, Logbook
from tests.long.ledger import check_ledger
from tests.long.orders import order_webhook
from tests.posting import get, plain_client, post, post_story, story, until, webhook, worked
from tests.receiving import Calls, Receiver
from tests.running import HEADERS, configuration, drained, running

pytestmark = pytest.mark.usefixtures("logbook")


async def metrics(relay: Relay) -> dict[str, float]:
    """Samples by name and label values, as Prometheus reads them."""
    answer = await get(relay, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert not [word for word in NEVER if word in answer.text]
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_what_a_relay_tells_that_is_well(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.fault = Fault(2, 503)
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
        assert (await get(relay, "/healthz")).text == "ok\n"
        await post_story(relay, story(["a", "b"], 2))
        await post(relay, [order_webhook("a", 0), webhook("order.shipped", "a")])
        async with plain_client(base_url=relay.url) as client:
            await client.post("/webhooks/elasticpath", content=b"{", headers=HEADERS)
            await client.post("/webhooks/elasticpath", content=b"{}")
            await client.post("/webhooks/shopware", content=b"{}")
        await drained(relay)

        ready = await get(relay, "/readyz")
        assert ready.status_code == 200
        assert ready.json()["ready"] is True
        assert ready.json()["reasons"] == []
        assert ready.json()["lines"] == {
            "render:elasticpath": {"state": "open"},
            "deliver:segment": {"state": "open"},
        }
        told = await metrics(relay)
        assert {name: value for name, value in told.items() if name.startswith("relay_webhooks_total")} == {
            "relay_webhooks_total accepted elasticpath": 5,
            "relay_webhooks_total duplicate elasticpath": 1,
            "relay_webhooks_total body_not_json elasticpath": 1,
            "relay_webhooks_total signature_missing elasticpath": 1,
        }
        assert told["relay_outcomes_total accepted segment delivered"] == 4
        assert told["relay_outcomes_total no_tracked_event elasticpath ignored"] == 1
        failed = told["relay_attempts_total server_error segment retry"]
        passed = told["relay_attempts_total accepted segment delivered"]
        assert failed == 2
        assert passed == len(receiver.requests) - 2
        assert told["relay_attempt_calls_total segment delivered"] == 4
        assert told["relay_attempt_duration_seconds_count segment"] == failed + passed
        assert told["relay_attempt_duration_seconds_sum segment"] > 0
        assert told["relay_journal_commit_seconds_count"] > 5
        assert told["relay_journal_commit_seconds_sum"] > 0
        for stage in ("render:elasticpath", "deliver:segment"):
            assert told[f"relay_backlog {stage}"] == 0
            assert told[f"relay_oldest_waiting_seconds {stage}"] == 0
            assert told[f"relay_waiting_after_failure {stage}"] == 0


# --- a journal in trouble --------------------------------------------------------------------


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file of this process may grow beyond the journal's write-ahead log as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log_bytes = (folder / "relay.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes + 1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def refused(relay: Relay, body: bytes) -> None:
    async with plain_client(timeout=20) as client:
        answer = await client.post(f"{relay.url}/webhooks/elasticpath", content=body, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (503, "journal_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def unready(relay: Relay) -> None:
    answer = await get(relay, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    (reason,) = answer.json()["reasons"]
    assert reason["code"] == "journal_unavailable"
    assert reason["meaning"]
    assert reason["remedy"]
    assert (await get(relay, "/healthz")).status_code == 200
    assert (await get(relay, "/metrics")).status_code == 200


async def test_a_full_disk_is_told_and_when_there_is_space_again_all_goes_on(tmp_path: Path, logbook: Logbook) -> None:
    receiver = Receiver()
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
        facts = story(["a", "b"], 2)
        await post_story(relay, facts[:2])
        await drained(relay)
        with full_disk(tmp_path):
            await refused(relay, order_webhook(*facts[2]))
            await unready(relay)
            assert (await metrics(relay))["relay_webhooks_total unavailable elasticpath"] == 1
            assert logbook.having("journal_unavailable", level="error", source="elasticpath")
        await post_story(relay, facts[2:])
        assert (await get(relay, "/readyz")).status_code == 200
        await drained(relay)
    check_ledger(receiver, facts)


async def test_what_was_sent_when_the_disk_ran_full_is_not_sent_again(tmp_path: Path, logbook: Logbook) -> None:
    full = AsyncExitStack()

    async def fill(calls: Calls) -> None:
        full.enter_context(full_disk(tmp_path))

    receiver = Receiver(fill)
    async with serve(receiver) as host, full, running(configuration(tmp_path, {"segment": host})) as relay:
        await post_story(relay, [("a", 0)])
        await until(lambda: logbook.having("journal_unavailable", stage="deliver:segment"))
        await full.aclose()
        await drained(relay)
        (event,) = await relay.journal.find(Selection(), limit=10)
        assert list(event.outcomes) == ["delivered@segment"]
    assert len(receiver.arrivals) == 1


async def test_a_journal_that_was_removed_is_told_and_not_made_anew(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {})) as relay:
        await post_story(relay, [("a", 0)])
        await worked(relay, "render:elasticpath")
        (tmp_path / "relay.db").rename(tmp_path / "elsewhere.db")
        await unready(relay)
        assert not (tmp_path / "relay.db").exists()
