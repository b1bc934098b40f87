"""The one door to the network: connection pool, deadlines, size caps, address guard.

It speaks httpcore, the engine of httpx: httpx has no way to hand it a network backend, and its
cookie jar, redirects, proxies from the environment and unbounded decoding are unwanted here.
"""

# ruff: noqa: ASYNC109 - httpcore's signatures have `timeout`

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import os
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import cache
from types import TracebackType
from typing import Any, Self, cast

import httpcore

from relay.codes import RelayError
from relay.destinations.contract import Answer, Request
from relay.settings.options import OutgoingOptions

# An idle connection is given up before the load balancers of the world (60 s and more) do it.
IDLE_S = 20.0
# How long one address of several may take, so that a dead one leaves time for the next.
ADDRESS_S = 3.0

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments; a cloud keeps its metadata there
    ipaddress.ip_network("168.63.129.16/32"),  # another's platform services
    ipaddress.ip_network("2002::/16"),  # 6to4, out of use: can wrap any IPv4 address
)


class HttpDoor:
    """Makes HTTP requests; an async context manager that owns the connections.

    Raises RelayError when ``ca_file`` cannot be read.
    """

    def __init__(self, options: OutgoingOptions) -> None:
        self._max_answer_bytes = options.max_answer_bytes
        # No bound on connections: callers bound their own, and must not wait for one another's.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_ssl_context(options.ca_file),
            max_connections=None,
            keepalive_expiry=IDLE_S,
            network_backend=_GuardedNetwork(allow_private=options.allow_private),
        )
        for name in ("httpcore", "httpx"):
            # They log URLs and headers, in which secrets travel.
            logging.getLogger(name).setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def send(self, request: Request, *, timeout_s: float, max_answer_bytes: int | None = None) -> Answer:
        """The answer, or one of status 0 that says why there is none: never an exception.

        ``timeout_s`` bounds the whole exchange, ``max_answer_bytes`` the answer's decoded body
        (default: the option of that name). Redirects are not followed.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            return await self._exchange(request, deadline, max_answer_bytes or self._max_answer_bytes)
        except httpcore.TimeoutException as error:
            reached = not isinstance(error, httpcore.ConnectTimeout)
            return Answer(0, {}, b"", "timeout", f"no full answer within {timeout_s:g} s", reached)
        except _NoAddressError as error:
            return Answer(0, {}, b"", error.code, str(error), reached=False)
        except (OSError, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            return Answer(0, {}, b"", *_explain(error), reached=not isinstance(error, httpcore.ConnectError))
        except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError, TypeError, ValueError):
            # What httpcore raises for a URL or header that HTTP cannot carry.
            return Answer(0, {}, b"", "connection_failed", "the URL or a header cannot be sent", reached=False)

    async def _exchange(self, request: Request, deadline: float, max_bytes: int) -> Answer:
        async with self._pool.stream(
            request.method,
            request.url,
            headers=list({"Accept-Encoding": "gzip", **request.headers}.items()),
            content=request.body,
            # A moment instead of a duration: see `_Stream`.
            extensions={"timeout": dict.fromkeys(("connect", "write", "read"), deadline)},
        ) as response:
            headers = _headers(response.headers)
            body = await _body(response, headers.get("content-encoding", ""), max_bytes)
            return Answer(response.status, headers, body, method=request.method)


class _NoAddressError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Stream(httpcore.AsyncNetworkStream):
    """A connection to which each ``timeout`` is a moment of the loop's clock: one deadline for all steps.

    A timeout around the whole exchange would cancel httpcore at any point, and it then loses connections.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, _left_s(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, _left_s(timeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, _left_s(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only to addresses it has itself resolved and checked, so DNS cannot change its mind between."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _resolve(host, port, deadline=timeout)
        if not self._allow_private:
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise _NoAddressError("address_refused", f"{host} is not on a public address")
        for address in addresses[:-1]:
            try:
                return _Stream(await self._network.connect_tcp(address, port, min(ADDRESS_S, _left_s(timeout))))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                # The next address may be better; the last one's error is told.
                continue
        return _Stream(await self._network.connect_tcp(addresses[-1], port, _left_s(timeout)))


def _left_s(deadline: float | None) -> float:
    return math.inf if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())


async def _resolve(host: str, port: int, *, deadline: float | None) -> Sequence[str]:
    try:
        async with asyncio.timeout_at(deadline):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout from error
    except (socket.gaierror, UnicodeError) as error:
        raise _NoAddressError("host_unknown", f"{host} has no address") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, also when it is an IPv4 one in IPv6 dress."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


@cache  # reading all the authorities takes longer than the rest of building a relay
def _usual_ssl_context() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


def _ssl_context(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return _usual_ssl_context()
    context = httpcore.default_ssl_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # also ssl.SSLError
        raise RelayError("config_invalid", f"outgoing.ca_file {ca_file} cannot be read as PEM.") from error
    return context


def _headers(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower case names; what is repeated is joined by commas (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(response: httpcore.Response, encoding: str, max_bytes: int) -> bytes:
    """The body up to ``max_bytes`` and no further, also when it is compressed a thousandfold."""
    unpack = zlib.decompressobj(wbits=31) if encoding.strip().lower() in ("gzip", "x-gzip") else None
    body = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_stream())) as chunks:
        async for chunk in chunks:
            room = max_bytes - len(body)
            try:
                body += unpack.decompress(chunk, room) if unpack else chunk[:room]
            except zlib.error:
                # The status decides; a body that cannot be unpacked is merely not shown.
                break
            if len(body) >= max_bytes:
                break
    return bytes(body)


def _explain(error: Exception) -> tuple[str, str]:
    """Code and detail. Texts are ours or the system's: a peer's could hold anything."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "tls_failed", f"the certificate is not valid: {cause.verify_message}"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return "connection_failed", f"TLS failed: {cause.reason or 'the connection ended'}"
        if isinstance(cause, OSError) and cause.errno:
            return "connection_failed", os.strerror(cause.errno)
    if isinstance(error, httpcore.RemoteProtocolError):
        return "connection_failed", "the connection ended early, or the answer is not HTTP"
    return "connection_failed", "the connection ended"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__  # httpcore raises "from None", which hides the cause
