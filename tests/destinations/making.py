"""Calls and destinations for these tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import SecretStr

from relay.destinations.contract import Destination, Record, Unfit
from relay.destinations.segment import Segment
from relay.model import Call, CallId, EventId, JsonObject
from relay.settings.options import SegmentOptions

KEY = "WK0123456789abcdefABCDEF"
NOW_MS = 1_773_480_421_120  # 2026-03-14T09:27:01.120Z


def make_segment(*, name: str = "segment", write_key: str = KEY, **options: Any) -> Segment:
    return Segment(name, SegmentOptions(kind="segment", write_key=SecretStr(write_key), **options))


def order_completed(order: str = "ORD-1001", **more: Any) -> JsonObject:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "CUST-42",
        "timestamp": "2026-03-14T09:26:53.000Z",
        "properties": {"order_id": order, "total": 103.2, "products": []},
        **more,
    }


def make_call(body: JsonObject | None = None, *, message_id: str = "0f" * 16) -> Call:
    return Call(
        id=CallId(1),
        event_id=EventId(1),
        tracked_event="order_completed",
        message_id=message_id,
        text=orjson.dumps(body or order_completed()).decode(),
        template_version="v1",
        received_at_ms=NOW_MS,
    )


def records_of(destination: Destination, call: Call, mapped: Sequence[JsonObject]) -> Sequence[Record]:
    made = destination.records(call, mapped, now_ms=NOW_MS)
    assert not isinstance(made, Unfit), made
    return made


def record_of(destination: Destination, call: Call) -> Record | Unfit:
    """Of a kind that makes one record of a call."""
    made = destination.records(call, [], now_ms=NOW_MS)
    if isinstance(made, Unfit):
        return made
    (record,) = made
    return record
