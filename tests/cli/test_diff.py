"""`relay diff` on stored events: the change in calls, fields, revenue and orders, and new errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.demo.samples import samples
from relay.templates.library import packaged_templates
from tests.cli.running import Ran, Relay
from tests.posting import plain_client
from tests.running import HEADERS, configuration, drained, running

Change = Callable[[str], str]


@pytest.fixture
async def stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo's seven events in a journal that the command line finds."""
    environ = configuration(folder, {})
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with running(environ) as relay, plain_client(headers=HEADERS) as client:
        for sample in samples()[:7]:
            await client.post(f"{relay.url}/webhooks/elasticpath", content=sample.body)
        await drained(relay)
    return folder


def candidate(folder: Path, tracked_event: str, change: Change) -> Path:
    """A folder with one changed template."""
    name = f"sources/elasticpath/{tracked_event}.jsonata"
    text = (packaged_templates() / name).read_text()
    changed = folder / "candidate" / name
    changed.parent.mkdir(parents=True)
    changed.write_text(change(text))
    assert changed.read_text() != text
    return folder / "candidate"


def revenue_before_discount(text: str) -> str:
    return text.replace(
        '"revenue": $money($revenue, $currency)',
        '"revenue": $money($revenue - $price.discount.amount, $currency)',
    )


async def diff(relay: Relay, *arguments: object) -> Ran:
    return await asyncio.to_thread(relay, "diff", *arguments)


async def test_the_same_templates_change_nothing(stored: Path, relay: Relay) -> None:
    (stored / "empty").mkdir()

    ran = await diff(relay, stored / "empty", "--json")

    assert ran.code == 0
    assert ran.json["events"] == 7
    assert ran.json["changes"] == []
    assert ran.json["revenue"] == {"before": {"EUR": "81"}, "after": {"EUR": "81"}}


async def test_a_changed_discount_rule_shows_the_revenue_delta(stored: Path, relay: Relay) -> None:
    folder = candidate(stored, "order_completed", revenue_before_discount)

    ran = await diff(relay, folder)

    assert ran.code == 1
    assert "order_completed: changed" in ran.out
    assert "properties.revenue: 81 → 90" in ran.out
    (line,) = (line for line in ran.out.splitlines() if line.startswith("revenue EUR"))
    assert line.split() == ["revenue", "EUR", "81", "→", "90", "+9"]
    assert (await diff(relay, folder, "--fail-on", "errors")).code == 0
    assert (await diff(relay, folder, "--fail-on", "revenue")).code == 1


async def test_new_errors_and_dropped_orders(stored: Path, relay: Relay) -> None:
    folder = candidate(stored, "order_completed", lambda _: '{"type": "track", "event": "Order Completed"}')

    ran = await diff(relay, folder, "--json", "--fail-on", "errors")

    assert ran.code == 1
    (error,) = ran.json["errors"]
    assert error["code"] == "guard_identity"
    assert ran.json["orders"] == {"before": 1, "after": 0}
    assert [change["kind"] for change in ran.json["changes"]] == ["removed"]


async def test_new_warnings_are_counted(stored: Path, relay: Relay) -> None:
    folder = candidate(stored, "order_completed", lambda text: text.replace('"revenue":', '"reveneu":'))

    ran = await diff(relay, folder, "--json")

    ((warned, count),) = ran.json["warnings"].items()
    assert "revenue" in warned
    assert count == 1


async def test_a_broken_candidate_or_no_folder(stored: Path, relay: Relay) -> None:
    folder = candidate(stored, "order_completed", lambda text: text + "}")

    assert (await diff(relay, folder)).code == 1
    assert "order_completed.jsonata" in (await diff(relay, folder)).err
    assert (await diff(relay, stored / "nowhere")).code == 2


async def test_a_candidate_may_hold_what_the_configuration_names(
    stored: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option, value in {"KIND": "http", "URL": "https://crm.example.com", "MAPPINGS": "crm"}.items():
        monkeypatch.setenv(f"RELAY_DESTINATIONS__CRM__{option}", value)
    mapping = stored / "candidate/destinations/crm/order_completed.jsonata"
    mapping.parent.mkdir(parents=True)
    mapping.write_text("{}")

    assert (await diff(relay, stored / "candidate")).code == 0
