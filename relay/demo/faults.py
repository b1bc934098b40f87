"""Ways in which a receiver fails, for a look-alike to play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

CHUNK = b"x" * 65_536


@dataclass(frozen=True, slots=True)
class Fault:
    """How the next ``count`` requests fail.

    With ``accept`` the calls are taken first, as when the answer is lost on its way back. With
    ``cut`` there is no answer: the connection ends. ``body_bytes`` makes an answer of that size.
    """

    count: int
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    body_bytes: int = 0
    delay_s: float = 0.0
    accept: bool = False
    cut: bool = False


async def fail_with(fault: Fault, request: Request) -> Response:
    """The answer of a fault, if any."""
    if fault.delay_s:
        await _disconnect(request, timeout_s=fault.delay_s)
    if fault.cut:
        request.state.cut_connection()
        await _disconnect(request, timeout_s=1.0)
    if fault.body_bytes:
        return StreamingResponse(_bytes(fault.body_bytes), fault.status, fault.headers)
    return PlainTextResponse(fault.body, fault.status, fault.headers)


async def _disconnect(request: Request, *, timeout_s: float) -> None:
    """Wait for the other side to go, at most ``timeout_s``."""
    try:
        async with asyncio.timeout(timeout_s):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        # It waited as long as it was meant to.
        return


async def _bytes(count: int) -> AsyncIterator[bytes]:
    for start in range(0, count, len(CHUNK)):
        yield CHUNK[: count - start]
