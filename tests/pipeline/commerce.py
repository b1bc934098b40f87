"""A commerce API on a socket: it hands out tokens, checks them or fixed ones, and answers as it is told."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.web import server
from tests.running import SECRET

CLIENT = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "commerce-secret-0815"}
BASIC = "Basic " + base64.b64encode(f"{CLIENT['client_id']}:{CLIENT['client_secret']}".encode()).decode()
HANG = Response(status_code=299)
"""Told as an answer: none comes until the client has gone or the test is over."""


@dataclass
class Commerce:
    """What the API knows, and what it was asked."""

    url: str = ""
    expires_in_s: float = 3600
    documents: dict[str, Any] = field(default_factory=dict)
    """By path and query: JSON, or a Response to give as it is."""
    sign_in: Response | None = None
    """Given instead of a token."""
    tokens: set[str] = field(default_factory=set)
    signed_in: int = 0
    asked: list[str] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self) -> None:
        """Be as new, at the same address."""
        self.closing.set()
        for name, value in vars(Commerce(self.url)).items():
            setattr(self, name, value)

    async def token(self, request: Request) -> Response:
        self.signed_in += 1
        if self.sign_in is not None:
            return await self._given(self.sign_in)
        form = dict(parse_qsl((await request.body()).decode()))
        basic = request.headers.get("authorization") == BASIC and form == {"grant_type": CLIENT["grant_type"]}
        if not (form == CLIENT or basic) or request.headers["content-type"] != "application/x-www-form-urlencoded":
            return JSONResponse({"errors": [{"status": 401}]}, 401)
        token = f"token-{self.signed_in}"
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in_s})

    async def document(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append(path)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.headers.get("x-auth-token", bearer) not in self.tokens:
            return JSONResponse({"errors": [{"status": 401}]}, 401)
        found = self.documents.get(path, Response(status_code=404))
        return await self._given(found) if isinstance(found, Response) else JSONResponse(found)

    async def _given(self, response: Response) -> Response:
        if response is HANG:
            await self.closing.wait()
        return response


@asynccontextmanager
async def commerce() -> AsyncIterator[Commerce]:
    api = Commerce()
    app = Starlette(
        routes=[
            Route("/oauth/access_token", api.token, methods=["POST"]),
            Route("/{path:path}", api.document, methods=["GET"]),
        ]
    )
    # asyncio sends small answers at once only on sockets that are said to be TCP.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        api.url = server.url(listener)
        serving = server.Server(app, listener, shutdown_s=5)
        async with asyncio.TaskGroup() as group:
            group.create_task(serving.run_until_stopped())
            try:
                yield api
            finally:
                api.closing.set()
                serving.stop()


def source(name: str, api: str = "", **options: str) -> dict[str, str]:
    """Environment variables of a source; with ``api`` it completes what is thin."""
    prefix = f"RELAY_SOURCES__{name.upper()}__"
    known = {"PLATFORM": "elasticpath", "SECRET": SECRET} | options
    if api:
        known |= {"COMMERCE__BASE_URL": api, "COMMERCE__REQUESTS_PER_SECOND": "1000", "COMMERCE__TIMEOUT_S": "20"}
        known |= {f"COMMERCE__{key.upper()}": CLIENT[key] for key in ("client_id", "client_secret")}
    return {prefix + name: value for name, value in known.items()}
