"""Whatever is posted: the right status, a clear reason, nothing lost, and the relay lives."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from relay.app import Relay, Role
from relay.demo.samples import samples
from relay.model import Selection
from tests.posting import plain_client
from tests.running import HEADERS, configuration, running

PAID = next(sample.body for sample in samples() if sample.title == "order.paid")


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with running(configuration(tmp_path, {}), role=Role.INTAKE) as relay:
        yield relay


@pytest.fixture
async def client(relay: Relay) -> AsyncIterator[httpx.AsyncClient]:
    async with plain_client(base_url=f"{relay.url}/webhooks", headers=HEADERS) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        pytest.param(b"", {}, 400, "body_not_json", id="empty"),
        pytest.param(b"{not json", {}, 400, "body_not_json", id="not JSON"),
        pytest.param(b"[1, 2]", {}, 400, "body_not_object", id="not an object"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, {}, 400, "body_not_json", id="100,000 brackets"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}, 400, "body_not_json", id="100,000 braces"),
        pytest.param(b'{"triggered_by": "\xff\xfe"}', {}, 400, "body_not_json", id="invalid UTF-8"),
        pytest.param(b"{}", {}, 400, "topic_missing", id="no topic"),
        pytest.param(
            b"id=1&topic=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "media_type", id="a form"
        ),
        pytest.param(b"\x1f\x8b broken", {"Content-Encoding": "gzip"}, 415, "body_encoding", id="broken gzip"),
        pytest.param(gzip.compress(PAID)[:-20], {"Content-Encoding": "gzip"}, 415, "body_encoding", id="cut off gzip"),
        pytest.param(PAID, {"Content-Encoding": "br"}, 415, "body_encoding", id="unknown encoding"),
        pytest.param(PAID, {"X-MOLTIN-SECRET-KEY": "wrong"}, 401, "signature_mismatch", id="wrong secret"),
        pytest.param(PAID, {"X-MOLTIN-SECRET-KEY": ""}, 401, "signature_missing", id="no secret"),
    ],
)
async def test_refused_and_kept(
    relay: Relay, client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post("/elasticpath", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    (kept,) = await relay.journal.quarantined("elasticpath", limit=10)
    assert kept.body == body
    assert HEADERS["X-MOLTIN-SECRET-KEY"] not in kept.headers
    assert (await client.post("/elasticpath", content=PAID)).json()["status"] == "accepted"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b'{"a": "' + b"x" * 7_000_000 + b'"}', {}, id="7 MB"),
        pytest.param(gzip.compress(b" " * 50_000_000, 9), {"Content-Encoding": "gzip"}, id="gzip bomb"),
        pytest.param(zlib.compress(b" " * 50_000_000, 9), {"Content-Encoding": "deflate"}, id="deflate bomb"),
    ],
)
async def test_too_large(client: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> None:
    answer = await client.post("/elasticpath", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert (await client.post("/elasticpath", content=PAID)).status_code == 200


async def test_a_chunked_body_over_the_limit_is_cut_off_early(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 65_536

    # The relay may hang up before all of it was written; either is right.
    with contextlib.suppress(httpx.WriteError):
        assert (await client.post("/elasticpath", content=endless())).status_code == 413
    assert (await client.post("/elasticpath", content=PAID)).status_code == 200


async def test_gzip_and_any_content_type_are_taken_when_the_body_is_json(
    relay: Relay, client: httpx.AsyncClient
) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}

    assert (await client.post("/elasticpath", content=gzip.compress(PAID), headers=headers)).status_code == 200
    told = await relay.journal.timeline((await relay.journal.find(Selection(), limit=1))[0].id)
    assert told is not None
    assert told.event.body == PAID


async def test_unknown_source_and_method(client: httpx.AsyncClient) -> None:
    answer = await client.post("/shopware", content=PAID)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_source")
    assert (await client.get("/elasticpath")).status_code == 405
