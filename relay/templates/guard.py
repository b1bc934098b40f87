"""Refuses calls that Segment answers with 200 and then drops in silence.

Sources: segment-docs, HTTP API page and the list of delivery discards (`no_user_anon_id`,
`id_not_string`, `event_not_string`, `properties_not_object` …).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import orjson

from relay.model import JsonObject

TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias"})
MESSAGE_ID_BYTES = 64
"""Room in a call for the `messageId` that each destination adds."""

_IDENTITIES = ("userId", "anonymousId")
_OBJECTS = ("properties", "traits", "context", "integrations")
_TEXTS = {
    "group": ("groupId",),
    "alias": ("previousId",),
}
_TEXTS_IF_GIVEN = ("name", "category", "groupId", "previousId")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call has against it; ``code`` is a key of `relay.codes.CODES`. Quotes no values."""

    code: str
    detail: str


def check(call: JsonObject, *, max_bytes: int) -> Finding | None:
    """The first reason to refuse a call, given without `messageId`."""
    return check_shape(call) or check_size(orjson.dumps(call), max_bytes=max_bytes)


def check_size(text: bytes, *, max_bytes: int) -> Finding | None:
    size = len(text) + MESSAGE_ID_BYTES
    if size <= max_bytes:
        return None
    return Finding("guard_size", f"the call has {size} bytes with its messageId, more than the {max_bytes} allowed")


def check_shape(call: JsonObject) -> Finding | None:
    kind = call.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return Finding("guard_type", "`type` is missing or not one of the six")
    return _identity(call) or _event(call) or _fields(call) or _products(call) or _timestamp(call)


def _identity(call: JsonObject) -> Finding | None:
    for name in _IDENTITIES:
        if name not in call:
            continue
        value = call[name]
        if not isinstance(value, str):
            return Finding("guard_identity", f"`{name}` is {kind_of(value)}, not text")
        if not value.strip():
            return Finding("guard_identity", f"`{name}` is empty")
    if call.keys().isdisjoint(_IDENTITIES):
        return Finding("guard_identity", "neither `userId` nor `anonymousId` is given")
    return None


def _event(call: JsonObject) -> Finding | None:
    if call["type"] != "track" or _is_text(call.get("event")):
        return None
    return Finding("guard_event", "`event` is missing, empty or not text")


def _fields(call: JsonObject) -> Finding | None:
    for name in _OBJECTS:
        if name in call and not isinstance(call[name], dict):
            return Finding("guard_object", f"`{name}` is {kind_of(call[name])}, not an object")
    for name in _TEXTS.get(call["type"], ()):
        if not _is_text(call.get(name)):
            return Finding("guard_text", f"`{name}` is missing, empty or not text")
    for name in _TEXTS_IF_GIVEN:
        if name in call and not isinstance(call[name], str):
            return Finding("guard_text", f"`{name}` is {kind_of(call[name])}, not text")
    return None


def _products(call: JsonObject) -> Finding | None:
    properties = call.get("properties") or {}
    if call["type"] != "track" or "products" not in properties:
        return None
    products = properties["products"]
    if not isinstance(products, list):
        return Finding(
            "guard_object", f"`properties.products` is {kind_of(products)}, not an array; write [ … ] around it"
        )
    for index, product in enumerate(products):
        if not isinstance(product, dict):
            return Finding("guard_object", f"`properties.products[{index}]` is {kind_of(product)}, not an object")
    return None


def _timestamp(call: JsonObject) -> Finding | None:
    if "timestamp" not in call or is_time(call["timestamp"]):
        return None
    return Finding("guard_timestamp", "`timestamp` is not an ISO 8601 time with a zone")


def is_time(value: object) -> bool:
    """Whether a value is an ISO 8601 time with a zone."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    try:
        datetime.fromisoformat(found[1].upper() + found[2].upper())
    except ValueError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def kind_of(value: object) -> str:
    """What a JSON value is, in words that do not tell the value."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "an array"}
    return names.get(type(value), "an object")
