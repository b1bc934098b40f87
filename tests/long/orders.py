"""A shop that posts webhooks as a platform does: again and again until it gets a 2xx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle
from typing import Any

import httpx
import orjson

from tests.long.processes import SECRET

FIRST_SECOND = 1_700_000_000
HEADERS = {"X-MOLTIN-SECRET-KEY": SECRET, "Content-Type": "application/json"}


def order_webhook(order: str, step: int) -> bytes:
    """`order.created` for step 0, `order.updated` after; ``step`` is in the total and in the time."""
    price = {"amount": 1_000 + step, "currency": "EUR", "formatted": ""}
    updated_at = f"2026-01-01T{step // 3600:02d}:{step // 60 % 60:02d}:{step % 60:02d}Z"
    data: dict[str, Any] = {
        "type": "order",
        "id": order,
        "customer": {"name": "Ada Example", "email": "ada@example.com"},
        "meta": {
            "display_price": {"with_tax": price, "without_tax": price},
            "timestamps": {"created_at": "2026-01-01T00:00:00Z", "updated_at": updated_at},
        },
        "relationships": {"customer": {"data": {"type": "customer", "id": "customer-1"}}},
    }
    item = {
        "type": "order_item",
        "id": "i",
        "product_id": "p",
        "name": "P",
        "sku": "S",
        "quantity": 1,
        "unit_price": price,
    }
    envelope = {
        "id": f"{order}-{step}",
        "triggered_by": "order.created" if step == 0 else "order.updated",
        "attempt": 1,
        "payload": {"data": data, "included": {"items": [item]}},
    }
    return orjson.dumps(envelope)


class Shop:
    """Posts the story of many orders at once, each order's webhooks one after the other.

    ``acked`` are the (order, step) pairs that got a 2xx; ``answers`` counts the statuses.
    """

    def __init__(self, *urls: str) -> None:
        """Several are tried in turn, as a load balancer does."""
        self._urls = cycle([f"{url}/webhooks/elasticpath" for url in urls])
        self.acked: list[tuple[str, int]] = []
        self.answers: dict[int, int] = {}
        self._pause_s = 0.02

    async def run(self, orders: int, proceed: Callable[[], bool], *, name: str = "order") -> None:
        """Post until ``proceed`` says no; what was begun is posted until it is acked."""
        limits = httpx.Limits(max_connections=orders)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client, asyncio.TaskGroup() as group:
            for number in range(orders):
                group.create_task(self._story(client, f"{name}-{number}", proceed))

    async def _story(self, client: httpx.AsyncClient, order: str, proceed: Callable[[], bool]) -> None:
        step = 0
        while proceed():
            await self._post(client, order, step)
            step += 1

    async def _post(self, client: httpx.AsyncClient, order: str, step: int) -> None:
        body = order_webhook(order, step)
        while True:
            try:
                status = (await client.post(next(self._urls), content=body, headers=HEADERS)).status_code
            except httpx.TransportError:
                status = 0
            self.answers[status] = self.answers.get(status, 0) + 1
            if status == 200:
                self.acked.append((order, step))
                return
            await asyncio.sleep(self._pause_s)
