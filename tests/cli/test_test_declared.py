"""`relay test` for a platform that the user describes: its cases, their settings, new cases of stored events."""

# ruff: noqa: E501  (the table reads better with one case a line)

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from relay.journal.sqlite.journal import SqliteJournal
from relay.model import EventId, Lane, NewEvent
from tests.cli.running import Relay

SOURCE = """
title = "Acme"
[[authentication]]
scheme = "basic"
[[unwrap]]
at = "Message"
[[unwrap]]
at = "data"
encoding = "base64"
[event]
topic = ["$headers.`x-topic`", "type"]
delivery_key = "id"
time = "at"
headers = ["x-topic"]
[event.entity]
order = "order.id"
[tracking]
order_completed = ["paid"]
gift_wrapped = ["wrapped"]
[commerce]
headers = { Authorization = "Bearer {token}" }
[[lookups]]
name = "order"
topics = "paid"
path = "/orders/{order.id}"
into = "order.whole"
"""
TEMPLATE = """{"type": "track", "event": "Order Completed", "messageId": $messageKey("order_completed", order.id),
 "userId": order.buyer ? order.buyer : "u", "context": {"traits": {"email": $email(order.email)}},
 "properties": {"order_id": order.id, "total": order.whole.total, "affiliation": $settings.affiliation,
 "shelf": $settings.shelf, "products": []}}"""
WRAPPED = '{"type": "track", "event": "Gift Wrapped", "userId": "u", "properties": {"order_id": order.id}}'
BODY = {"type": "paid", "id": "d-1", "at": "2026-03-14T09:26:53Z", "order": {"id": "o-1", "email": "ada@acme.test"}}
TOML = """[sources.shop]
platform = "acme"
secret = "user:password"
affiliation = "Faro"
[sources.shop.settings]
shelf = "north"
"""


@pytest.fixture
def acme(folder: Path) -> Path:
    """The platform's folder."""
    found = folder / "templates/sources/acme"
    found.mkdir(parents=True)
    (found / "source.toml").write_text(SOURCE)
    (found / "order_completed.jsonata").write_text(TEMPLATE)
    (found / "gift_wrapped.jsonata").write_text(WRAPPED)
    Path("relay.toml").write_text(TOML)
    return found


def put(acme: Path, tracked_event: str, name: str, **case: Any) -> Path:
    path = acme / "cases" / tracked_event / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case))
    return path


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_cases_of_a_described_platform_run_with_headers_envelopes_and_fetched_documents(
    acme: Path, relay: Relay
) -> None:
    plain = put(acme, "order_completed", "plain", webhook=BODY, fetched={"order": {"total": 12.5}})
    queued = put(acme, "order_completed", "queued", webhook={"Message": json.dumps(BODY)})
    by_header = put(
        acme, "order_completed", "by_header", webhook={**BODY, "type": "x"}, headers={"x-topic": "paid"},
        settings={"affiliation": "Case & Co"},
    )  # fmt: skip
    own = put(acme, "gift_wrapped", "plain", webhook={**BODY, "type": "wrapped"})
    assert relay("test", "-k", "acme/", "--update").code == 0
    assert written(plain)["calls"][0]["properties"] == {"order_id": "o-1", "total": 12.5, "products": []}
    assert written(plain)["calls"][0]["timestamp"] == "2026-03-14T09:26:53.000Z"
    assert written(queued)["calls"][0]["properties"]["order_id"] == "o-1"
    assert written(by_header)["calls"][0]["properties"]["affiliation"] == "Case & Co"
    assert written(own)["calls"][0]["event"] == "Gift Wrapped"
    ran = relay("test", "-k", "acme/")
    assert (ran.code, "4 passed" in ran.out) == (0, True)
    assert relay("test", "-k", "acme/", "--engine", "both").code == 0

    (acme / "gift_wrapped.jsonata").write_text(WRAPPED.replace("Gift Wrapped", "Wrapped"))
    failed = relay("test", "-k", "acme/")
    assert failed.code == 1
    assert 'calls[0].event: "Gift Wrapped" → "Wrapped"' in failed.out


@pytest.mark.parametrize(
    ("tracked_event", "case", "told"),
    [
        ("order_completed", {"webhook": BODY, "fetched": {"ordr": {}}}, "does not fetch 'ordr' for this webhook; did you mean `order`?"),
        ("order_completed", {"webhook": {**BODY, "type": 7.5}}, "the source refuses it: there is no text at $headers.`x-topic` nor type [topic_missing]"),
        ("order_completed", {"webhook": BODY, "settings": {"guest_identiti": "email"}}, "unknown option `guest_identiti`; did you mean `guest_identity`?"),
        ("order_complete", {"webhook": BODY}, "acme has no tracked event 'order_complete'; did you mean `order_completed`?"),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_meant_is_told(
    acme: Path, relay: Relay, tracked_event: str, case: dict[str, Any], told: str
) -> None:
    put(acme, tracked_event, "mine", **case)
    ran = relay("test", "-k", "acme/")
    assert ran.code == 1
    assert told in ran.out


def store(body: Any, topic: str, headers: dict[str, str], fetched: dict[str, Any]) -> EventId:
    async def stored() -> EventId:
        journal = await SqliteJournal.open(Path("relay.db"), partitions=8, exclusive=True)
        event = NewEvent(
            Lane.LIVE, 0, "shop", topic, "d-1", "order:o-1", None, 1_700_000_000_000, json.dumps(headers),
            json.dumps(body).encode(),
        )  # fmt: skip
        appended = await journal.append(event)
        if fetched:
            await journal.store_fetched(appended.event_id, fetched)
        await journal.close()
        return appended.event_id

    return asyncio.run(stored())


ENVELOPES = {
    "none": BODY,
    "text": {"Message": json.dumps(BODY)},
    "base64": {"data": base64.b64encode(json.dumps(BODY).encode()).decode()},
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_new_case_of_a_stored_event_is_masked_and_passes(acme: Path, relay: Relay, envelope: str) -> None:
    event = store(ENVELOPES[envelope], "paid", {}, {"order": {"total": 12.5}})
    ran = relay("test", "--new", event, "--name", "first")
    assert ran.code == 0, ran.err
    path = acme / "cases/order_completed/first.json"
    assert f"written  {path}" in ran.out
    case = written(path)
    assert case["source"] == "shop"
    # Without the envelope: nobody would find an address in it.
    assert case["webhook"]["order"]["email"] == case["calls"][0]["context"]["traits"]["email"] == "person-1@example.com"
    assert case["calls"][0]["properties"]["total"] == 12.5
    assert "acme.test" not in path.read_text()
    assert relay("test", path).code == 0


def test_headers_go_along_when_they_tell_what_the_body_does_not(acme: Path, relay: Relay) -> None:
    body = {key: value for key, value in BODY.items() if key != "type"}
    assert relay("test", "--new", store(body, "paid", {"x-topic": "paid"}, {}), "--name", "first").code == 0
    path = acme / "cases/order_completed/first.json"
    assert written(path)["headers"] == {"x-topic": "paid"}
    assert relay("test", path).code == 0


def test_a_new_case_keeps_the_settings_of_the_user(acme: Path, relay: Relay) -> None:
    assert relay("test", "--new", store(BODY, "paid", {}, {}), "--name", "first").code == 0
    case = written(acme / "cases/order_completed/first.json")
    assert case["calls"][0]["properties"]["affiliation"] == "Faro"
    assert case["calls"][0]["properties"]["shelf"] == "north"
    assert relay("test", "-k", "first").code == 0
    # The case says what it was made with, and not what is configured now.
    Path("relay.toml").write_text(TOML.replace("north", "south").replace("Faro", "Another"))
    assert relay("test", "-k", "first").code == 0
