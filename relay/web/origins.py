"""Which web pages may call (CORS). Source: the Fetch standard."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

_DAY_S = 86_400


def allowed(origin: str, patterns: Sequence[str]) -> bool:
    """``patterns`` are origins, ``https://*.example.com`` for any host below one, or ``*``."""
    return any(_matches(origin.lower(), pattern.lower()) for pattern in patterns)


def preflight(request: Request) -> Response:
    """The answer to a browser that asks whether it may send a call."""
    headers = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": str(_DAY_S)}
    wanted = request.headers.get("access-control-request-headers")
    if wanted:
        headers["Access-Control-Allow-Headers"] = wanted
    return Response(status_code=204, headers=headers)


def allow(request: Request, response: Response, patterns: Sequence[str]) -> None:
    """Let the page that asks read the answer, if it is one of those."""
    origin = request.headers.get("origin")
    if origin is not None:
        response.headers["Vary"] = "Origin"
        if allowed(origin, patterns):
            response.headers["Access-Control-Allow-Origin"] = origin


def _matches(origin: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    scheme, _, host = pattern.partition("://")
    if not host.startswith("*."):
        return origin == pattern
    return origin.startswith(f"{scheme}://") and origin.endswith(host[1:])
