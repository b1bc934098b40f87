"""Reading a request's body within limits."""

from __future__ import annotations

import zlib

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from relay.sources.contract import Refused

__all__ = ["BodyTooLarge", "ClientDisconnect", "decoded", "read"]


class BodyTooLarge(Exception):
    """The body is over the limit, as sent or after decompression."""


async def read(receive: Receive, content_length: str, max_bytes: int) -> bytes:
    """The body as sent. Raises `BodyTooLarge` as soon as that is known, and `ClientDisconnect`."""
    if content_length.isascii() and content_length.isdigit() and int(content_length[:20]) > max_bytes:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def decoded(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The body without its Content-Encoding (gzip, deflate).

    Raises `BodyTooLarge` when it grows over ``max_bytes``, `Refused` when it cannot be undone.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refused("body_encoding", f"Content-Encoding {encoding[:40]!r} is not supported")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Refused("body_encoding", f"the body is not {encoding}: {error}") from error
    if len(plain) > max_bytes:
        raise BodyTooLarge
    if not inflater.eof:
        raise Refused("body_encoding", f"the {encoding} body is cut off")
    return plain
