"""The body of a webhook as a JSON object: as it is posted, and as it was stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import orjson

from relay.model import Json, JsonObject
from relay.sources.contract import Refused
from relay.sources.json_text import parse, parse_exact


def posted(body: bytes, read: Callable[[bytes], Json] = parse, *, array: str = "") -> JsonObject:
    """Raises `Refused`; ``array`` is what it means when the body is one."""
    try:
        value = read(body)
    except orjson.JSONDecodeError as error:
        raise Refused("body_not_json", f"{error.msg}, at character {error.pos}") from error
    except ValueError as error:
        raise Refused("body_not_json", str(error)) from error
    if array and isinstance(value, list):
        raise Refused("body_not_object", f"the body is an array: {array}")
    if not isinstance(value, dict):
        raise Refused("body_not_object", "the body is JSON, but not an object")
    return value


def stored(body: bytes) -> JsonObject:
    """With whole numbers beyond ±2^53 as strings of their digits. Raises ValueError."""
    value = parse_exact(body)
    if not isinstance(value, dict):
        raise ValueError("the stored body is not a JSON object")  # noqa: TRY004 - the contract's error
    return value


def digest(body: bytes) -> str:
    """Stands for an id where a platform gives none: a retry has the same bytes."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
