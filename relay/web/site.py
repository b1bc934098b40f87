"""The relay's HTTP routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relay.web.health import Health
from relay.web.tracking import TrackingApi
from relay.web.webhooks import Webhooks, unavailable

WEBHOOKS = "/webhooks/"
TRACKING = "/v1/"


class Site:
    """The ASGI application.

    Webhooks and tracked calls go straight to their endpoints: Starlette's routing and middleware would cost them as
    much as reading and checking them does. With ``takes`` off both are answered 503.
    """

    def __init__(self, webhooks: Webhooks, tracking: TrackingApi, health: Health, *, takes: bool = True) -> None:
        self._takes = takes
        self._webhooks = webhooks
        self._tracking = tracking
        self._starlette = Starlette(
            routes=[
                Route(WEBHOOKS + "{source}", _only_post, methods=["POST"]),
                Route(WEBHOOKS + "{source}", self._permit, methods=["OPTIONS"]),
                Route("/healthz", health.healthz),
                Route("/readyz", health.readyz),
                Route("/metrics", health.metrics),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._takes and scope["path"].startswith((WEBHOOKS, TRACKING)):
            await unavailable("worker_only")(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(WEBHOOKS):
            source = scope["path"].removeprefix(WEBHOOKS)
            response = await self._webhooks.post(source, scope, receive)
            await response(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(TRACKING):
            response = await self._tracking.answer(scope["path"].removeprefix(TRACKING), Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._starlette(scope, receive, send)

    async def _permit(self, request: Request) -> Response:
        return self._webhooks.permit(request.path_params["source"], request)


async def _only_post(request: Request) -> None:
    raise AssertionError("a POST does not come here; the route is there for 405")
