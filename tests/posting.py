"""Webhooks of a shop, and posting them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import orjson

from relay.app import Relay
from relay.model import EventId
from relay.pipeline.intake import partition_of
from tests.long.orders import order_webhook
from tests.running import DEADLINE_S, HEADERS

EMAIL = "ada@example.com"
"""In every webhook; it must turn up in no log line."""
Fact = tuple[str, int]
"""An order and the step of its story."""


def webhook(topic: str, order: str, *, step: int = 0, envelope: str = "", **data: Any) -> bytes:
    """A webhook of any topic; ``envelope`` is its own id, ``data`` are changes to the order."""
    body = orjson.loads(order_webhook(order, step))
    body["triggered_by"] = topic
    body["id"] = envelope or f"{topic}-{order}-{step}"
    body["payload"]["data"] |= data
    return orjson.dumps(body)


def thin(topic: str, order: str) -> bytes:
    """One that names its order and says nothing of it."""
    data = {"type": "order", "id": order}
    return orjson.dumps({"id": f"thin-{topic}-{order}", "triggered_by": topic, "payload": {"data": data}})


def story(orders: Iterable[str], steps: int) -> list[Fact]:
    """The steps of several orders, taking turns."""
    names = list(orders)
    return [(order, step) for step in range(steps) for order in names]


def line_of(order: str) -> int:
    return partition_of("elasticpath", f"order:{order}", 8)


def apart_from(*orders: str) -> str:
    """An order that goes to the line of none of these."""
    taken = {line_of(order) for order in orders}
    return next(name for name in map("order-{}".format, range(100)) if line_of(name) not in taken)


def plain_client(**options: Any) -> httpx.AsyncClient:
    """For plain HTTP: it does not read the authorities of TLS, which takes longer than a whole request."""
    return httpx.AsyncClient(verify=False, **options)


async def post(relay: Relay, bodies: Iterable[bytes], source: str = "elasticpath") -> list[EventId]:
    """Post one after the other; the events' ids."""
    async with plain_client(timeout=DEADLINE_S) as client:
        events = []
        for body in bodies:
            answer = await client.post(f"{relay.url}/webhooks/{source}", content=body, headers=HEADERS)
            assert answer.status_code == 200, answer.text
            events.append(EventId(int(answer.json()["event"])))
        return events


async def post_story(relay: Relay, facts: Iterable[Fact]) -> list[EventId]:
    return await post(relay, (order_webhook(order, step) for order, step in facts))


async def get(relay: Relay, path: str) -> httpx.Response:
    async with plain_client(timeout=DEADLINE_S) as client:
        return await client.get(f"{relay.url}{path}")


async def until(condition: Callable[[], object]) -> None:
    """Wait for what sends no signal."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def worked(relay: Relay, *stages: str) -> None:
    """Wait until nothing waits behind these stages, whatever waits behind others."""
    async with asyncio.timeout(DEADLINE_S):
        while any(backlog.waiting for backlog in await relay.journal.backlogs(stages)):
            await asyncio.sleep(0.01)
