"""What the relay reads from a call of Segment's specification."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.model import Json, JsonObject
from relay.sources.contract import Refused
from relay.sources.fields import at, moment_ms, text
from relay.sources.segment.requests import TYPES

IDS = ("userId", "anonymousId", "previousId", "groupId")
_OBJECTS = ("properties", "traits", "context", "integrations")
_MERGED = ("context", "integrations")


def merged(call: Json, common: Mapping[str, Any]) -> JsonObject:
    """The call with what its batch says for all of its calls; what it says itself goes before.

    ``type`` of a batch is the endpoint's word, which goes before the call's. Raises `Refused` for
    what is no call of the specification.
    """
    if not isinstance(call, dict):
        raise Refused("body_not_object", "the call is JSON, but not an object")
    whole = {**call}
    for name in _MERGED:
        shared, own = common.get(name), call.get(name)
        if isinstance(shared, dict) and (own is None or isinstance(own, dict)):
            whole[name] = {**shared, **(own or {})}
    if whole.get("sentAt") is None and common.get("sentAt") is not None:
        whole["sentAt"] = common["sentAt"]
    kind = common.get("type", call.get("type"))
    if kind not in TYPES:
        raise Refused("call_unknown", "`type` is missing or not one of Segment's six")
    whole["type"] = kind
    return whole


def topic(call: JsonObject) -> str:
    """The type; of a track call with the event's name: ``track:Order Completed``."""
    kind = str(call["type"])
    return f"track:{text(call.get('event')) or ''}" if kind == "track" else kind


def happened_ms(call: JsonObject, received_ms: int) -> int | None:
    """When it happened by a right clock: its own time, less what the sender's clock was wrong at sending.

    That is how Segment computes ``timestamp``; what has a ``receivedAt`` has been there and is corrected.
    None for a call that tells no time.
    """
    own_ms = moment_ms(call.get("timestamp") or call.get("originalTimestamp"))
    sent_ms = None if call.get("receivedAt") else moment_ms(call.get("sentAt"))
    if own_ms is None or sent_ms is None:
        return own_ms
    corrected_ms = received_ms - (sent_ms - own_ms)
    return corrected_ms if iso(corrected_ms) else own_ms


def iso(at_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds; empty for a year that no clock shows."""
    try:
        moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z" if moment.year >= 1970 else ""


def user(call: JsonObject) -> str | None:
    """Whose story the call belongs to: the user known, else the browser or device."""
    return text(call.get("userId")) or text(call.get("anonymousId"))


def document(call: JsonObject, occurred_ms: int | None) -> JsonObject:
    """The call as templates see it: ids are texts, an empty one is none, ``timestamp`` is corrected.

    The caller's own time is ``originalTimestamp`` then.
    """
    shown = {name: value for name, value in call.items() if name != "writeKey"}
    for name in IDS:
        if name in shown and (shown[name] is None or shown[name] == ""):
            del shown[name]
        elif isinstance(shown.get(name), int):
            shown[name] = text(shown[name]) or shown[name]
    if text(shown.get("messageId")) is None:
        shown.pop("messageId", None)
    else:
        shown["messageId"] = text(shown["messageId"])
    for name in _OBJECTS:
        if shown.get(name) == []:
            shown[name] = {}  # as PHP writes an object without members
    if "timestamp" in shown:
        shown.setdefault("originalTimestamp", shown["timestamp"])
    if occurred_ms is not None and (timestamp := iso(occurred_ms)):
        shown["timestamp"] = timestamp
    return shown


def search_keys(call: JsonObject) -> list[str]:
    """Ids of user, order, checkout and the call itself; e-mail addresses in lower case."""
    properties = call.get("properties")
    ids = (
        *(call.get(name) for name in (*IDS, "messageId")),
        *(at(properties, name) for name in ("order_id", "orderId", "checkout_id", "checkoutId")),
    )
    found = [*map(text, ids), *emails(call)]
    return list(dict.fromkeys(key for key in found if key))


def emails(call: JsonObject) -> list[str]:
    """Those it names, also as an id."""
    places = (
        ("traits", "email"),
        ("context", "traits", "email"),
        ("properties", "email"),
        ("userId",),
        ("previousId",),
    )
    named = (text(at(call, *place)) for place in places)
    return [email.strip().lower() for email in named if email and "@" in email]
