"""Answers as they leave on the connection: whole and in order, whatever the client asks of it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from relay.app import Relay
from tests.posting import webhook
from tests.running import DEADLINE_S, HEADERS, configuration, running


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    told = {"Host": "relay", "Content-Length": str(len(body)), **headers, **HEADERS}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answers(relay: Relay, *requests: bytes) -> list[tuple[int, str]]:
    """Status and body of each, sent together on one connection that the last one closes."""
    host, port = relay.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(requests))
    found = []
    async with asyncio.timeout(DEADLINE_S):
        for one in requests:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"^content-length: (\d+)", head, re.MULTILINE)
            body = b"" if one.startswith(b"HEAD") or length is None else await reader.readexactly(int(length[1]))
            found.append((int(head.split()[1]), body.decode()))
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return found


async def test_requests_sent_together_are_answered_in_order(tmp_path: Path) -> None:
    """Also one that asks for the head alone, and one that is refused."""
    async with running(configuration(tmp_path, {})) as relay:
        told = await answers(
            relay,
            request("POST", "/webhooks/elasticpath", webhook("order.paid", "a")),
            request("HEAD", "/healthz"),
            request("POST", "/webhooks/elasticpath", webhook("order.paid", "a")),
            request("POST", "/webhooks/nobody", b"{}"),
            request("GET", "/healthz", Connection="close"),
        )
    assert told[0] == (200, '{"status":"accepted","event":"1"}')
    assert told[1] == (200, "")
    assert told[2] == (200, '{"status":"duplicate","event":"1"}')
    assert told[3][0] == 404
    assert told[4] == (200, "ok\n")


async def test_an_answer_of_the_head_alone_ends_its_connection(tmp_path: Path) -> None:
    async with running(configuration(tmp_path, {})) as relay:
        assert await answers(relay, request("HEAD", "/healthz", Connection="close")) == [(200, "")]
