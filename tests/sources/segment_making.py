"""Calls of Segment's specification, and requests that bring them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from pydantic import SecretStr

from relay.model import Event, EventId, JsonObject, Lane, Webhook
from relay.settings.segment_source_options import SegmentSourceOptions
from relay.sources.segment.source import Segment

WRITE_KEY = "w-storefront-4711"
SECRET = "shared-with-segment"
SENT_AT = "2026-03-01T14:05:02.900Z"
AT = "2026-03-01T14:05:01.250Z"


def segment(**options: Any) -> Segment:
    chosen: dict[str, Any] = {"write_key": [SecretStr(WRITE_KEY)], "secret": [SecretStr(SECRET)], **options}
    return Segment(SegmentSourceOptions(platform="segment", **chosen))


def call(kind: str = "track", **fields: Any) -> JsonObject:
    """One that Segment takes; a field that is None is left out."""
    whole = {"type": kind, "messageId": "m-1", "userId": "user-17", "timestamp": AT, **fields}
    if kind == "track":
        whole = {"event": "Order Completed", "properties": {"order_id": "50314", "total": 27.5}, **whole}
    return {name: value for name, value in whole.items() if value is not None}


def batch(*calls: object, **common: Any) -> bytes:
    return json.dumps({"batch": calls, "sentAt": SENT_AT, **common}).encode()


def webhook(body: object, secret: str = SECRET, **headers: str) -> Webhook:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest()
    return Webhook({"x-signature": signature, **headers}, raw)


def event(body: bytes, topic: str = "track:Order Completed", occurred_at_ms: int | None = None) -> Event:
    """As stored after intake."""
    return Event(
        EventId(1), Lane.LIVE, 0, "shop", topic, "m-1", "customer:user-17", occurred_at_ms, 1_000, "{}", body, None
    )
