"""The platform that docs/sources.md describes by data, through a running relay."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import orjson

from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from tests.posting import plain_client
from tests.running import WRITE_KEY, configuration, drained, running

PAGE = Path(__file__).parents[2] / "docs/sources.md"
SECRET = "the secret you share with the shop"
ORDER = {
    "number": "T-1",
    "email": "ada@example.com",
    "total": 12.5,
    "currency": "EUR",
    "changed_at": "2026-03-14T09:26:53Z",
}
BODY = orjson.dumps({"event": "order.paid", "id": "delivery-1", "order": ORDER})


def blocks(language: str) -> list[str]:
    chapter = PAGE.read_text().partition("# Describe your own platform")[2]
    return re.findall(rf"```{language}\n(.*?)```", chapter, re.DOTALL)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-TinyShop-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def test_the_documented_platform_works(tmp_path: Path) -> None:
    folder = tmp_path / "templates/sources/tinyshop"
    folder.mkdir(parents=True)
    declaration, options = blocks("toml")
    (template,) = blocks("jsonata")
    (folder / "source.toml").write_text(declaration)
    (folder / "order_completed.jsonata").write_text(template)
    receiver = SegmentLookalike([WRITE_KEY])
    async with serve(receiver) as segment_url:
        environ = configuration(tmp_path, {"segment": segment_url})
        (tmp_path / "relay.toml").write_text(options)
        async with running(environ) as relay, plain_client(base_url=f"{relay.url}/webhooks") as client:
            first = await client.post("/shop", content=BODY, headers=signed(BODY))
            again = await client.post("/shop", content=BODY, headers=signed(BODY))
            forged = await client.post("/shop", content=BODY, headers=signed(BODY, "another secret"))
            unsigned = await client.post("/shop", content=BODY)
            await drained(relay)
            quarantined = await relay.journal.quarantined("shop", limit=10)

    assert (first.status_code, first.json()["status"]) == (200, "accepted")
    assert again.json()["status"] == "duplicate"
    assert (forged.status_code, unsigned.status_code) == (401, 401)
    assert len(quarantined) == 2
    (call,) = receiver.stored
    assert call["properties"] == {"order_id": "T-1", "total": 12.5, "currency": "EUR", "products": []}
    assert call["originalTimestamp"] == "2026-03-14T09:26:53.000Z"
