"""The relay's HTTP routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from relay.web.health import Health
from relay.web.webhooks import Webhooks


def site(webhooks: Webhooks, health: Health) -> Starlette:
    """The ASGI application."""
    return Starlette(
        routes=[
            Route("/webhooks/{source}", webhooks.post, methods=["POST"]),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
        ]
    )
