"""Requests to the tracking API: whose they are, and the calls in them.

Sources: Segment's pages on the HTTP API; its libraries for the browser (which use one letter for an
endpoint, and send JSON as text/plain), Node, Python, PHP and mobile devices.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from relay.model import Json, JsonObject
from relay.sources.bodies import posted
from relay.sources.contract import Refused
from relay.sources.segment.slices import elements, members

TYPES = ("identify", "track", "page", "screen", "group", "alias")
BATCH = "batch"
ENDPOINTS: Mapping[str, str] = {
    **{name: name for name in TYPES},
    **{name[0]: name for name in TYPES},
    **dict.fromkeys((BATCH, "b", "import"), BATCH),
}
"""What follows ``/v1/``: the type of the call, or a batch."""
MAX_CALLS = 2_500
"""Segment's own bound of a batch."""
_KEY = "writeKey"
# A pair of surrogates, one by itself, any other escape.
_ESCAPES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
_REPLACEMENT = r"\ufffd"


@dataclass(frozen=True, slots=True)
class Piece:
    """One call as it came, whatever that is; ``text`` is its JSON as written."""

    text: str
    value: Json


@dataclass(frozen=True, slots=True)
class Posted:
    """A request that could be read. ``common`` are members of the batch that hold for each call, as written.

    ``presented`` are the write keys it names: in the body, by HTTP Basic, in its first call.
    """

    batch: bool
    pieces: Sequence[Piece]
    common: Mapping[str, str]
    presented: Sequence[str] = field(repr=False)


def read(endpoint: str, authorization: str, body: bytes) -> Posted:
    """``body`` is uncompressed, ``endpoint`` one of `ENDPOINTS`. Raises `Refused`."""
    text, value = _read(body)
    kind = ENDPOINTS[endpoint]
    if kind != BATCH:
        common = {} if value.get("type") == kind else {"type": orjson.dumps(kind).decode()}
        return Posted(False, [Piece(text, value)], common, _presented(value, authorization, []))
    calls = value.get("batch")
    if not isinstance(calls, list):
        raise Refused("body_not_object", "`batch` is missing or not an array")
    if len(calls) > MAX_CALLS:
        raise Refused("batch_too_large", f"the batch has {len(calls)} calls, {MAX_CALLS} are taken")
    written = members(text)
    pieces = [Piece(text, call) for text, call in zip(elements(written.pop("batch")), calls, strict=True)]
    written.pop(_KEY, None)
    return Posted(True, pieces, written, _presented(value, authorization, calls[:1]))


def _read(body: bytes) -> tuple[str, JsonObject]:
    """Half a character, which is what cutting a text in a browser can leave, must not take a whole batch with it."""
    try:
        return body.decode(), posted(body)
    except (Refused, UnicodeDecodeError):
        text = _ESCAPES.sub(lambda found: _REPLACEMENT if found[1] else found[0], body.decode("utf-8-sig", "replace"))
        return text, posted(text.encode())


def batch_of_one(text: str, common: Mapping[str, str]) -> bytes:
    """How a call is stored: as the request that would have brought it alone, without the write key."""
    shared = "".join(f",{orjson.dumps(name).decode()}:{value}" for name, value in common.items())
    return f'{{"batch":[{text}]{shared}}}'.encode()


def without_key(piece: Piece) -> str:
    """The call as written, without its write key."""
    if not isinstance(piece.value, dict) or _KEY not in piece.value:
        return piece.text
    kept = {name: value for name, value in members(piece.text).items() if name != _KEY}
    return "{" + ",".join(f"{orjson.dumps(name).decode()}:{value}" for name, value in kept.items()) + "}"


def basic_key(authorization: str) -> str:
    """The user name of HTTP Basic, which is where libraries put the write key; empty for none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        # Not Basic after all: whoever wrote it presents no key.
        return ""


def basic_authorization(key: str) -> str:
    return "Basic " + binascii.b2a_base64(f"{key}:".encode("utf-8", "surrogatepass"), newline=False).decode()


def _presented(value: JsonObject, authorization: str, first: Sequence[Json]) -> list[str]:
    named = [value.get(_KEY), basic_key(authorization)]
    named += [call.get(_KEY) for call in first if isinstance(call, dict)]
    return [key for key in named if isinstance(key, str) and key]
