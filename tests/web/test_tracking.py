"""The tracking API of a running relay: who may call, what is answered, what arrives at Segment."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from relay.app import Relay
from relay.demo.serving import serve
from relay.model import Selection
from relay.opening import verifier
from relay.pipeline.privacy import find
from relay.pipeline.rechecking import recheck
from relay.renderer import build_sources
from relay.settings.loading import load
from relay.sources.segment.requests import TYPES, basic_authorization
from tests.logbook import Logbook
from tests.pipeline.test_any_webhook import NASTY
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources.segment_making import AT, SECRET, WRITE_KEY, batch, call, webhook

SETTINGS = {
    "SOURCES__STORE__PLATFORM": "segment",
    "SOURCES__STORE__WRITE_KEY": f"older,{WRITE_KEY}",
    "SOURCES__STORE__SECRET": SECRET,
    "SOURCES__STORE__ALLOWED_ORIGINS": "https://shop.example,https://*.shop.example",
}
BASIC = {"Authorization": basic_authorization(WRITE_KEY)}
PAGE = {"Origin": "https://www.shop.example", "Content-Type": "text/plain"}

TIMES = (AT, "2026-03-01T14:05:01+02:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "12:00", 17)


def whimsical(number: int, chance: random.Random) -> Any:
    """A call of some type, with a few of its members replaced or left out; or no call at all."""
    if chance.random() < 0.03:
        return chance.choice(NASTY)
    whole = call(chance.choice(TYPES), messageId=f"w-{number}", groupId="g", previousId="p", traits={"a": None})
    for _ in range(chance.randint(0, 3)):
        name = chance.choice([*whole, "anonymousId", "context", "integrations", "sentAt", "originalTimestamp", "name"])
        whole[name] = chance.choice([*NASTY, *TIMES])
        if name == "messageId":
            whole[name] = chance.choice([f"w-{number}", None, number, f"w-{number}" * 40])
    return whole


@asynccontextmanager
async def store(folder: Path, **more: str) -> AsyncIterator[tuple[Relay, Receiver, httpx.AsyncClient]]:
    receiver = Receiver()
    async with (
        serve(receiver) as url,
        running(configuration(folder, {"segment": url}, **SETTINGS, **more)) as relay,
        plain_client(base_url=relay.url, timeout=DEADLINE_S) as client,
    ):
        yield relay, receiver, client


async def test_a_batch_arrives_once_with_the_callers_ids(tmp_path: Path, logbook: Logbook) -> None:
    body = batch(call(), call("identify", messageId="m-2", traits={"email": "ada@example.com"}), call("page"))
    async with store(tmp_path) as (relay, receiver, client):
        for content, headers in ((body, BASIC), (gzip.compress(body), {**BASIC, "Content-Encoding": "gzip"})):
            answer = await client.post("/v1/batch", content=content, headers=headers)
            assert (answer.status_code, answer.content) == (200, b'{"success":true}')
        await drained(relay)

        assert [one["messageId"] for one in receiver.stored] == ["m-1", "m-2"]
        assert receiver.arrivals == ["m-1", "m-2"]
        order, _ = receiver.stored
        assert order["properties"] == {"order_id": "50314", "total": 27.5}
        assert "sentAt" not in receiver.requests[0][0]
        found = await relay.journal.find(Selection(key="50314"), limit=9)
        assert [(one.source, one.topic, one.entity) for one in found] == [
            ("store", "track:Order Completed", "customer:user-17")
        ]
        stored = await relay.journal.events([found[0].id])
        assert WRITE_KEY.encode() not in stored[0].body
    assert WRITE_KEY not in logbook.stream.getvalue()


async def test_each_endpoint(tmp_path: Path) -> None:
    kinds = {path: kind for kind in TYPES for path in (kind, kind[0])}
    async with store(tmp_path) as (relay, receiver, client):
        for path, kind in kinds.items():
            body = call(kind, type=None, messageId=path, writeKey=WRITE_KEY, groupId="g", previousId="a")
            answer = await client.post(f"/v1/{path}", content=json.dumps(body), headers=PAGE)
            assert (answer.status_code, answer.json()) == (200, {"success": True})
        await drained(relay)
        assert {one["messageId"]: one["type"] for one in receiver.stored} == kinds
        for arrived in receiver.stored:
            assert arrived["userId"] == "user-17"
            assert arrived["context"] == {
                "library": {"name": "relay", "version": arrived["context"]["library"]["version"]},
                "userAgent": client.headers["user-agent"],
            }


async def test_a_second_destination_gets_ids_of_its_own(tmp_path: Path) -> None:
    """Segment takes an id once, whichever source it comes from: both receivers are one Segment here."""
    receiver = Receiver()
    async with (
        serve(receiver) as url,
        running(configuration(tmp_path, {"live": url, "staging": url}, **SETTINGS)) as relay,
        plain_client(base_url=relay.url, timeout=DEADLINE_S) as client,
    ):
        assert (await client.post("/v1/b", content=batch(call()), headers=BASIC)).status_code == 200
        await drained(relay)
        assert len(receiver.stored) == 2
        assert not receiver.dropped
        kept, derived = sorted(one["messageId"] for one in receiver.stored)
        assert kept == "m-1"
        assert derived.startswith("wr_")


async def test_what_came_by_segments_webhook_gets_another_id(tmp_path: Path) -> None:
    came = webhook(call(receivedAt=AT))
    async with store(tmp_path) as (relay, receiver, client):
        for secret, status in ((SECRET, 200), ("another", 401)):
            signed = webhook(call(receivedAt=AT), secret)
            answer = await client.post("/webhooks/store", content=came.body, headers=dict(signed.headers))
            assert answer.status_code == status
        await drained(relay)
        (arrived,) = receiver.stored
        assert arrived["messageId"].startswith("wr_")
        (kept,) = await relay.journal.quarantined("store", limit=9)
        assert kept.code == "signature_mismatch"


async def test_bad_calls_are_kept_with_the_reason_and_the_rest_go(tmp_path: Path) -> None:
    body = batch(7, call(), {"type": "delete"}, call(messageId="m-2", userId=None), writeKey=WRITE_KEY)
    async with store(tmp_path) as (relay, receiver, client):
        assert (await client.post("/v1/batch", content=body)).status_code == 200
        await drained(relay)
        assert [one["messageId"] for one in receiver.stored] == ["m-1"]
        kept = await relay.journal.quarantined("store", limit=9)
        assert sorted(one.code for one in kept) == ["body_not_object", "call_unknown"]
        assert all(one.verifier and WRITE_KEY.encode() not in one.body for one in kept)
        (dead,) = await relay.journal.find(Selection(code="guard_identity"), limit=9)
        assert list(dead.outcomes) == ["dead"]


REFUSED: list[tuple[str, bytes, dict[str, str], int, str, bool]] = [
    ("batch", batch(call()), {}, 401, "write_key_unknown", False),
    ("batch", batch(call(), writeKey="another"), {}, 401, "write_key_unknown", True),
    ("batch", batch(*[call()] * 101, writeKey="another"), {}, 401, "write_key_unknown", False),
    ("t", b'{"event":', {}, 400, "body_not_json", False),
    ("t", b'{"event":', BASIC, 400, "body_not_json", True),
    (
        "t",
        gzip.compress(f'{{"writeKey":"{WRITE_KEY}'.encode()),
        {**BASIC, "Content-Encoding": "gzip"},
        400,
        "body_not_json",
        True,
    ),
    ("batch", b'{"batch":1}', BASIC, 400, "body_not_object", True),
    ("batch", batch(*[1] * 2501), BASIC, 413, "batch_too_large", True),
    ("batch", b" " * 512_001, BASIC, 413, "batch_too_large", False),
    ("batch", gzip.compress(b" " * 600_000), {**BASIC, "Content-Encoding": "gzip"}, 413, "batch_too_large", False),
    ("batch", b"{}", {**BASIC, "Content-Encoding": "gzip"}, 415, "body_encoding", True),
    (
        "t",
        json.dumps(call(properties={"x": "y" * 40_000})).encode(),
        BASIC,
        413,
        "call_too_large",
        True,
    ),
    ("t", b"{}", {**BASIC, "Origin": "https://shop.example.evil"}, 403, "page_refused", False),
    ("v2", b"{}", BASIC, 404, "endpoint_unknown", False),
]
"""Path, body, headers; then status, code, and whether it is kept."""


async def test_refusals(tmp_path: Path) -> None:
    async with store(tmp_path) as (relay, receiver, client):
        for path, body, headers, status, code, kept in REFUSED:
            answer = await client.post(f"/v1/{path}", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (status, code, False)
            if kept:
                (newest,) = await relay.journal.quarantined("store", limit=1)
                assert newest.code == code
                assert WRITE_KEY.encode() not in newest.body
                assert not newest.body.startswith(b"\x1f\x8b")
        await drained(relay)
        assert receiver.stored == []
        assert len(await relay.journal.quarantined("store", limit=99)) == sum(kept for *_, kept in REFUSED)
        assert not await relay.journal.find(Selection(), limit=9)


async def test_without_a_journal_nothing_is_acked(tmp_path: Path) -> None:
    async with store(tmp_path) as (relay, receiver, client):
        database = tmp_path / "relay.db"
        database.rename(tmp_path / "away.db")
        for body in (batch(call()), batch(7), batch(7, 8, call()), b"{"):
            answer = await client.post("/v1/batch", content=body, headers=BASIC)
            assert (answer.status_code, answer.json()["code"]) == (503, "journal_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        (tmp_path / "away.db").rename(database)
        assert (await client.post("/v1/batch", content=batch(call()), headers=BASIC)).status_code == 200
        await drained(relay)
        assert receiver.arrivals == ["m-1"]


async def test_a_browser_may_call_from_the_pages_named(tmp_path: Path) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    async with store(tmp_path) as (_, _, client):
        for origin, allowed in (
            ("https://shop.example", True),
            ("https://a.b.shop.example", True),
            ("http://shop.example", False),
            ("https://evilshop.example", False),
            ("null", False),
        ):
            answer = await client.options("/v1/t", headers={**asked, "Origin": origin})
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
            answer = await client.post("/v1/t", content=json.dumps(call()), headers={**BASIC, "Origin": origin})
            assert answer.status_code == (200 if allowed else 403)
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        # An error must be readable too, else a library takes it for a network failure and sends again.
        answer = await client.post("/v1/t", content=b"{}", headers={"Origin": "https://shop.example"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert (await client.put("/v1/t")).status_code == 405


async def test_settings_of_analytics_js(tmp_path: Path) -> None:
    async with store(tmp_path) as (_, _, client):
        answer = await client.get(f"/v1/projects/{WRITE_KEY}/settings", headers=PAGE)
        assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]
        host = client.base_url.netloc.decode()
        told = answer.json()["integrations"]["Segment.io"]
        assert told == {"apiKey": WRITE_KEY, "apiHost": f"{host}/v1", "protocol": "http"}
        behind = await client.get(f"/v1/projects/{WRITE_KEY}/settings", headers={"Host": "relay.shop.example"})
        assert behind.json()["integrations"]["Segment.io"]["protocol"] == "https"
        for path in ("projects/another/settings", "projects/settings", "t", ""):
            assert (await client.get(f"/v1/{path}")).status_code == 404


async def test_the_visitors_address(tmp_path: Path) -> None:
    more = {
        "SERVER__TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8",
        "SOURCES__SHY__PLATFORM": "segment",
        "SOURCES__SHY__WRITE_KEY": "shy",
        "SOURCES__SHY__COLLECT_IP": "false",
    }
    sent: list[tuple[str, str, dict[str, str], str | None]] = [
        (WRITE_KEY, "8.8.8.8, 10.0.0.1", PAGE, "8.8.8.8"),
        (WRITE_KEY, "192.168.0.4", PAGE, None),
        (WRITE_KEY, "unknown", PAGE, None),
        (WRITE_KEY, "8.8.8.8", {}, None),  # a server's address says nothing of the user
        ("shy", "8.8.8.8", PAGE, None),
    ]
    async with store(tmp_path, **more) as (relay, receiver, client):
        for number, (key, forwarded, headers, _) in enumerate(sent):
            body = call(messageId=str(number), writeKey=key)
            answer = await client.post("/v1/t", json=body, headers={**headers, "X-Forwarded-For": forwarded})
            assert answer.status_code == 200
        await drained(relay)
        found = {int(one["messageId"]): one["context"].get("ip") for one in receiver.stored}
        assert found == {number: address for number, (*_, address) in enumerate(sent)}


async def test_tracked_events_are_switched_by_type_and_by_name(tmp_path: Path) -> None:
    more = {
        "SOURCES__STORE__TRACKING__ORDER_COMPLETED": "false",
        "SOURCES__STORE__TRACKING__PAGE": "false",
        "SOURCES__STORE__IGNORED": "track:Product Clicked",
    }
    calls = [
        *(call(messageId=f"t-{name}", event=name) for name in ("Order Completed", "Product Clicked", "Signed Up")),
        *(call(kind, messageId=kind, groupId="g", previousId="p") for kind in ("page", "screen", "group", "alias")),
    ]
    async with store(tmp_path, **more) as (relay, receiver, client):
        assert (await client.post("/v1/batch", content=batch(*calls), headers=BASIC)).status_code == 200
        await drained(relay)
        assert [one["messageId"] for one in receiver.stored] == ["t-Signed Up", "screen", "group", "alias"]
        off = await relay.journal.find(Selection(code="switched_off"), limit=9)
        assert sorted(one.topic for one in off) == ["page", "track:Order Completed", "track:Product Clicked"]


async def test_sources_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    more = {"SOURCES__APP__PLATFORM": "segment", "SOURCES__APP__WRITE_KEY": "app-key"}
    more |= {"SOURCES__ANYBODY__PLATFORM": "segment", "SOURCES__ANYBODY__OPEN": "true"}
    async with store(tmp_path, **more) as (relay, _, client):
        for key in ("app-key", "older", "any other"):
            await client.post("/v1/batch", content=batch(call()), headers={"Authorization": basic_authorization(key)})
        await drained(relay)
        found = await relay.journal.find(Selection(), limit=9)
        assert sorted(one.source for one in found) == ["anybody", "app", "store"]


async def test_a_key_that_is_set_later_lets_in_what_it_came_with(tmp_path: Path) -> None:
    settings = {**SETTINGS, "SOURCES__STORE__WRITE_KEY": "older"}
    body = batch(call(writeKey=WRITE_KEY), call(messageId="m-2"), writeKey=WRITE_KEY)
    receiver = Receiver()
    async with serve(receiver) as url:
        async with (
            running(configuration(tmp_path, {"segment": url}, **settings)) as relay,
            plain_client(base_url=relay.url, timeout=DEADLINE_S) as client,
        ):
            assert (await client.post("/v1/batch", content=body)).status_code == 401
            kept = await relay.journal.quarantined("store", limit=9)
            assert not [one for one in kept if WRITE_KEY.encode() in one.body or WRITE_KEY in one.headers]
        environ = configuration(tmp_path, {"segment": url}, **SETTINGS)
        async with running(environ) as relay:
            sources = build_sources(relay.options)
            checked_by = await verifier(load(None, environ), relay.journal, lasting=True)
            told = await recheck(relay.journal, sources, checked_by, None, run=True)
            assert (told.genuine, told.appended, told.refused) == (2, 2, {})
            relay.wakeups.wake_all()  # the command is another process, whose writes are noticed
            await drained(relay)
    assert receiver.arrivals == ["m-1", "m-2"]


async def test_many_at_once(tmp_path: Path) -> None:
    """Overlapping batches of the same calls: every call once, a user's in order."""

    async def post(client: httpx.AsyncClient, number: int) -> None:
        calls: list[Any] = [
            call(messageId=f"{number // 2}-{index}", userId=f"u-{number // 2}", properties={"n": index})
            for index in range(20)
        ]
        assert (await client.post("/v1/batch", content=batch(*calls), headers=BASIC)).status_code == 200

    async with store(tmp_path) as (relay, receiver, client):
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(post(client, number))
        await drained(relay)
        assert len(receiver.stored) == len(receiver.arrivals) == 15 * 20
        stories: dict[str, list[int]] = {}
        for one in receiver.stored:
            stories.setdefault(one["userId"], []).append(one["properties"]["n"])
        assert all(story == list(range(20)) for story in stories.values())


async def test_whatever_is_in_a_call_has_an_end_and_segment_drops_nothing_in_silence(tmp_path: Path) -> None:
    chance = random.Random(20_261_120)
    spoilt = [whimsical(number, chance) for number in range(400)]
    async with store(tmp_path) as (relay, receiver, client):
        for at in range(0, len(spoilt), 40):
            body = batch(*spoilt[at : at + 40], context=chance.choice([*NASTY]))
            answer = await client.post("/v1/batch", content=body, headers=BASIC)
            assert answer.status_code == 200, answer.text
        await drained(relay)
        events = await relay.journal.find(Selection(), limit=999)
        kept = await relay.journal.quarantined("store", limit=999)
        assert len(events) + len(kept) == len(spoilt)
        assert all(event.outcomes for event in events)
        assert not receiver.dropped
        ends = Counter(end for event in events for end in event.outcomes)
        assert set(ends) == {"delivered@segment", "dead"}
        assert ends["delivered@segment"] == len(receiver.stored) > 50
        assert not await relay.journal.find(Selection(code="render_failed"), limit=9)


async def test_a_person_is_forgotten_by_any_of_their_ids(tmp_path: Path) -> None:
    calls = [
        call("identify", messageId="m-1", userId="user-17", traits={"email": "Ada@Example.com"}),
        call("page", messageId="m-2", userId=None, anonymousId="browser-0815"),
        call("alias", messageId="m-3", userId="user-17", previousId="browser-0815"),
        call(messageId="m-4", userId="user-18", properties={"order_id": "9", "email": "bob@example.com"}),
        call(messageId="m-5", userId="user-17", properties={"x": "y" * 40_000}),
    ]
    async with store(tmp_path) as (relay, _, client):
        assert (await client.post("/v1/batch", content=batch(*calls), headers=BASIC)).status_code == 200
        await drained(relay)
        source = build_sources(relay.options)["store"]
        concerned = await find(relay.journal, "store", source, ["customer:user-17", "customer:browser-0815"])
        events = await relay.journal.events(concerned.event_ids)
        assert [event.delivery_key for event in events] == ["m-1", "m-2", "m-3"]
        assert len(concerned.quarantine_ids) == 1
        by_email = await find(relay.journal, "store", source, ["email:ada@example.com"])
        assert {event.delivery_key for event in await relay.journal.events(by_email.event_ids)} >= {"m-1", "m-3"}
