"""`/healthz`: the process lives. `/readyz`: it can take webhooks, with details. `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.web.metrics import Metrics

Readiness = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]


class Health:
    """The operator's endpoints. ``readiness`` gives whether webhooks can be taken, and all details."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        ready, details = await self._readiness()
        return JSONResponse({"ready": ready, **details}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        await self._metrics.refresh()
        return Response(self._metrics.text(), media_type=self._metrics.media_type)
