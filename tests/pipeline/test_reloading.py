"""Templates are taken over as they change; a broken edit changes nothing and is seen everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from relay.app import Relay
from relay.demo.samples import samples
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.model import OutcomeKind, Selection
from tests.posting import plain_client
from tests.running import HEADERS, WRITE_KEY, configuration, drained, running

PAID = next(sample.body for sample in samples() if sample.title == "order.paid")
UPDATED = next(sample.body for sample in samples() if sample.title == "order.updated")
TEMPLATE = '{"type": "track", "event": "%s", "userId": "u", "messageId": $event.id, "properties": {}}'
DEADLINE_S = 20.0


def webhook(body: bytes, number: int) -> bytes:
    return orjson.dumps({**orjson.loads(body), "id": f"envelope-{number}"})


def write(folder: Path, tracked_event: str, text: str) -> None:
    file = folder / f"templates/sources/elasticpath/{tracked_event}.jsonata"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


async def post(relay: Relay, body: bytes, number: int) -> None:
    async with plain_client(headers=HEADERS) as client:
        answer = await client.post(f"{relay.url}/webhooks/elasticpath", content=webhook(body, number))
    assert answer.json()["status"] == "accepted"


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """The watcher of files gives no sign of its own."""
    async with asyncio.timeout(DEADLINE_S):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_a_change_is_taken_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    write(tmp_path, "order_completed", TEMPLATE % "First")
    more = {"TEMPLATES__FOLDER": str(tmp_path / "templates")}
    async with (
        serve(receiver) as segment_url,
        running(configuration(tmp_path, {"segment": segment_url}, **more)) as relay,
        plain_client() as client,
    ):
        number = 0

        async def state() -> str:
            return str((await client.get(f"{relay.url}/readyz")).json()["templates"]["state"])

        async def shows(event: str) -> bool:
            """Posts until the template in force says so."""
            nonlocal number
            number += 1
            await post(relay, PAID, number)
            await drained(relay)
            return str(receiver.stored[-1]["event"]) == event

        assert await shows("First")

        write(tmp_path, "order_completed", TEMPLATE % "Second")
        await until(lambda: shows("Second"))

        write(tmp_path, "order_completed", "{")
        await until(lambda: _is(state, "last good"))
        readyz = (await client.get(f"{relay.url}/readyz")).json()
        assert "order_completed.jsonata:1" in readyz["templates"]["problems"][0]
        assert readyz["ready"]
        assert "relay_template_problems 1.0" in (await client.get(f"{relay.url}/metrics")).text
        assert await shows("Second")

        write(tmp_path, "order_completed", TEMPLATE % "Third")
        await until(lambda: shows("Third"))
        assert await state() == "ok"


async def _is(state: Callable[[], Awaitable[str]], wanted: str) -> bool:
    return await state() == wanted


async def test_a_hostile_template_ends_its_event_and_the_relay_answers_meanwhile(tmp_path: Path) -> None:
    receiver = SegmentLookalike([WRITE_KEY])
    write(tmp_path, "order_updated", "($f := function($n) { $f($n + 1) }; $f(0))")
    write(tmp_path, "order_completed", TEMPLATE % "Order Completed")
    more = {"TEMPLATES__FOLDER": str(tmp_path / "templates")}
    async with (
        serve(receiver) as segment_url,
        running(configuration(tmp_path, {"segment": segment_url}, **more)) as relay,
    ):
        for number in range(10):
            await post(relay, UPDATED if number % 2 else PAID, number)
        await drained(relay)

        dead = await relay.journal.find(Selection(outcome=OutcomeKind.DEAD, code="template_timeout"), limit=100)

    assert len(dead) == 5
    assert [call["event"] for call in receiver.stored] == ["Order Completed"] * 5
