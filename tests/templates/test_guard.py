from __future__ import annotations

from typing import Any

import orjson
import pytest

from relay.codes import CODES
from relay.templates.guard import check

TRACK = {"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"products": [{"sku": "A"}]}}
IDENTIFY = {"type": "identify", "anonymousId": "a1", "traits": {"email": "ada@example.com"}}

SOUND: list[dict[str, Any]] = [
    TRACK,
    IDENTIFY,
    {"type": "track", "event": "Order Completed", "anonymousId": "a"},
    {"type": "page", "userId": "u", "name": "Home", "category": "Shop"},
    {"type": "page", "userId": "u"},
    {"type": "screen", "userId": "u", "properties": {"products": "not a list, and not a track call"}},
    {"type": "group", "userId": "u", "groupId": "g", "traits": {}},
    {"type": "alias", "userId": "u", "previousId": "p"},
    {**TRACK, "timestamp": "2026-03-14T09:26:53.045Z"},
    {**TRACK, "timestamp": "2026-03-14T09:26:53.045565913Z"},
    {**TRACK, "timestamp": "2026-03-14T09:26:53+01:00"},
    {**TRACK, "timestamp": "2026-03-14T09:26Z"},
    {**TRACK, "context": {}, "integrations": {"All": True}},
    {**TRACK, "properties": {"products": []}},
]

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("guard_type", {"userId": "u"}),
    ("guard_type", {**TRACK, "type": "Track"}),
    ("guard_type", {**TRACK, "type": None}),
    ("guard_type", {**TRACK, "type": ["track"]}),
    ("guard_identity", {"type": "identify"}),
    ("guard_identity", {**TRACK, "userId": ""}),
    ("guard_identity", {**TRACK, "userId": "  "}),
    ("guard_identity", {**TRACK, "userId": 1001}),
    ("guard_identity", {**TRACK, "userId": None}),
    ("guard_identity", {**TRACK, "anonymousId": 7}),
    ("guard_identity", {**TRACK, "anonymousId": ""}),
    ("guard_identity", {**TRACK, "userId": {"id": "u"}}),
    ("guard_event", {"type": "track", "userId": "u"}),
    ("guard_event", {**TRACK, "event": " "}),
    ("guard_event", {**TRACK, "event": 5}),
    ("guard_object", {**TRACK, "properties": []}),
    ("guard_object", {**TRACK, "properties": None}),
    ("guard_object", {**IDENTIFY, "traits": "vip"}),
    ("guard_object", {**TRACK, "context": 1}),
    ("guard_object", {**TRACK, "integrations": [True]}),
    ("guard_object", {**TRACK, "properties": {"products": {"sku": "A"}}}),
    ("guard_object", {**TRACK, "properties": {"products": None}}),
    ("guard_object", {**TRACK, "properties": {"products": [{"sku": "A"}, "B"]}}),
    ("guard_text", {"type": "page", "userId": "u", "name": 5}),
    ("guard_text", {"type": "screen", "userId": "u", "category": {}}),
    ("guard_text", {"type": "group", "userId": "u"}),
    ("guard_text", {"type": "group", "userId": "u", "groupId": 9}),
    ("guard_text", {"type": "alias", "userId": "u"}),
    ("guard_text", {"type": "alias", "userId": "u", "previousId": ""}),
    ("guard_timestamp", {**TRACK, "timestamp": "yesterday"}),
    ("guard_timestamp", {**TRACK, "timestamp": "2026-03-14"}),
    ("guard_timestamp", {**TRACK, "timestamp": "2026-03-14T09:26:53"}),
    ("guard_timestamp", {**TRACK, "timestamp": "2026-02-30T09:26:53Z"}),
    ("guard_timestamp", {**TRACK, "timestamp": "2026-03-14T09:26:53Z\n"}),
    ("guard_timestamp", {**TRACK, "timestamp": 1773480413}),
]


@pytest.mark.parametrize("call", SOUND)
def test_what_segment_takes_passes(call: dict[str, Any]) -> None:
    assert check(call, max_bytes=32_000) is None


@pytest.mark.parametrize(("code", "call"), REFUSED)
def test_what_segment_drops_in_silence_is_refused(code: str, call: dict[str, Any]) -> None:
    finding = check(call, max_bytes=32_000)
    assert finding is not None
    assert finding.code == code
    assert finding.code in CODES


def test_the_size_is_measured_with_room_for_the_message_id() -> None:
    size = len(orjson.dumps(TRACK))
    assert check(TRACK, max_bytes=size + 64) is None
    finding = check(TRACK, max_bytes=size + 63)
    assert finding is not None
    assert finding.code == "guard_size"
    assert str(size + 64) in finding.detail


def test_a_finding_quotes_no_value() -> None:
    finding = check({**TRACK, "properties": {"products": "ada@example.com"}}, max_bytes=32_000)
    assert finding is not None
    assert "ada" not in finding.detail
    assert "products` is text" in finding.detail
