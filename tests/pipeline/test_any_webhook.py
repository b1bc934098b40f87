"""Whatever is in a genuine webhook: it ends in an outcome, it stops nobody, and Segment drops nothing in silence."""

from __future__ import annotations

import copy
import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from relay.demo.samples import samples
from relay.demo.serving import serve
from relay.model import EventId, OutcomeKind
from tests.logbook import Logbook
from tests.posting import plain_client, webhook
from tests.receiving import Receiver
from tests.running import HEADERS, configuration, drained, running

GENUINE = [sample.body for sample in samples()[:7]]
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.1, 1e308, 2**53 + 1, 2**70, -(2**63)),
    *("", " ", "\x00", "\ud800", "\u2028", "null", "*****", "a@b", "x" * 40_000, "'); drop table events; --", "$$"),
    *("9999-99-99", "2026-01-01", "0001-01-01T00:00:00Z", "+275760-09-13T00:00:00Z", "1e400", "NaN"),
    *([], {}, [[]], [None], {"": {"": ""}}, {"type": "order"}, ["a", {"b": []}], {"$number": 1, "__proto__": {}}),
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def spoilt(body: bytes, number: int, chance: random.Random) -> bytes:
    """The webhook with a few of its values replaced, removed or doubled."""
    document = json.loads(body)
    document.pop("resources", None)
    for _ in range(chance.randint(1, 4)):
        holder, key = chance.choice([*places(document)])
        deed = chance.random()
        if deed < 0.8:
            holder[key] = copy.deepcopy(chance.choice([*NASTY, nested(60), nested(150)]))
        elif isinstance(holder, dict):
            del holder[key]
        else:
            holder.append(holder[key])
    if chance.random() < 0.9:
        document["id"] = f"spoilt-{number}"
    return json.dumps(document).encode()


def places(value: Any) -> Any:
    """Every (holder, key) in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in [*items]:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@pytest.mark.parametrize("number", [120, pytest.param(5_000, marks=pytest.mark.long)])
async def test_any_webhook_ends_in_an_outcome(tmp_path: Path, logbook: Logbook, number: int) -> None:
    seed = random.randrange(2**32)
    logging.getLogger("tests").info("seed %d", seed)
    chance = random.Random(seed)
    bodies = {number: spoilt(chance.choice(GENUINE), number, chance) for number in range(number)}
    receiver = Receiver()
    accepted: dict[EventId, bytes] = {}
    async with (
        serve(receiver) as host,
        running(configuration(tmp_path, {"segment": host})) as relay,
        plain_client(base_url=f"{relay.url}/webhooks", headers=HEADERS, timeout=30) as client,
    ):
        for body in bodies.values():
            answer = await client.post("/elasticpath", content=body)
            assert answer.status_code in (200, 400), body
            if answer.status_code == 200:
                accepted[EventId(int(answer.json()["event"]))] = body
        answer = await client.post("/elasticpath", content=webhook("order.paid", "the last"))
        assert answer.json()["status"] == "accepted"
        await drained(relay)

        for event, body in accepted.items():
            told = await relay.journal.timeline(event)
            assert told is not None
            assert told.outcomes, body
            unended = {call.id for call in told.calls} - {outcome.call_id for outcome in told.outcomes}
            assert not unended, body
            codes = {outcome.code for outcome in told.outcomes if outcome.kind is OutcomeKind.DEAD}
            assert not codes & {"render_failed", "call_refused", "call_failed_repeatedly"}, (codes, body)
    assert len(accepted) > number / 2
    assert "the last" in receiver.orders
    assert not [drop for drop in receiver.dropped if drop["reason"] != "duplicate"]
    assert not logbook.having("renderer_ended")
