"""A Segment look-alike that tests script."""

from __future__ import annotations

import gzip
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from relay.demo.segment import SegmentLookalike
from relay.model import JsonObject
from tests.running import WRITE_KEY

Calls: TypeAlias = list[JsonObject]
Rule: TypeAlias = Callable[[Calls], Awaitable[Response | None]]


async def take_all(calls: Calls) -> None:
    """The rule of a healthy receiver."""


class Receiver(SegmentLookalike):
    """Asks ``rule`` first: its answer is given, and the calls are not taken; None takes them.

    ``requests`` are the calls of every request that came, ``times_s`` the moments by the wall clock.
    """

    def __init__(self, rule: Rule = take_all) -> None:
        super().__init__([WRITE_KEY])
        self.rule = rule
        self.requests: list[Calls] = []
        self.times_s: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        self.times_s.append(time.time())
        body = await Request(scope, receive).body()
        calls = orjson.loads(gzip.decompress(body))["batch"]
        self.requests.append(calls)
        answer = await self.rule(calls)
        if answer is not None:
            await answer(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        await super().__call__(scope, again, send)

    @property
    def orders(self) -> list[str]:
        """Orders of the calls that were stored."""
        return [call["properties"]["order_id"] for call in self.stored if call["type"] == "track"]


def names(calls: Calls, order: str) -> bool:
    """Whether a call of this order is among them."""
    return any(call.get("properties", {}).get("order_id") == order for call in calls)


def answering(status: int, body: str = "", **headers: str) -> Rule:
    """Every request gets this answer."""

    async def rule(calls: Calls) -> Response:
        return Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})

    return rule


def refusing(order: str, status: int, body: str = "") -> Rule:
    """A request that holds a call of this order is refused whole."""

    async def rule(calls: Calls) -> Response | None:
        return Response(body, status) if names(calls, order) else None

    return rule
