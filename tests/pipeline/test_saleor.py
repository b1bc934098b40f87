"""A Saleor store's webhooks through a whole relay, which fetches the store's keys on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from relay.app import Relay, fetch_keys
from relay.demo.serving import serve
from relay.http import HttpDoor
from relay.model import EventId, Webhook
from relay.pipeline.key_keeping import MAX_KEYS_BYTES, RENEWED_AFTER_S, RETRY_S, KeyKeeper
from relay.pipeline.rechecking import recheck
from relay.pipeline.verifying import Verifier
from relay.pipeline.wakeups import Stopping, Wakeups
from relay.renderer import build_sources
from relay.settings.loading import load
from relay.settings.options import OutgoingOptions
from relay.sources.key_set import KeySet
from tests.posting import plain_client
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources.published import published
from tests.sources.saleor_making import SECRET, event_of, hex_signature, jwk, jwks, raw, webhook


@dataclass
class Store:
    """Publishes its keys, or answers as it is told."""

    url: str = ""
    answer: Response = field(default_factory=lambda: Response(jwks()))
    hangs: asyncio.Event | None = None
    asked: int = 0

    async def keys(self, request: Request) -> Response:
        self.asked += 1
        if self.hangs is not None:
            await self.hangs.wait()
        return self.answer


@dataclass
class Shop:
    relay: Relay
    store: Store
    receiver: Receiver
    environ: dict[str, str]

    async def post(self, came: Webhook) -> httpx.Response:
        async with plain_client(timeout=DEADLINE_S) as client:
            return await client.post(f"{self.relay.url}/webhooks/shop", content=came.body, headers=dict(came.headers))

    async def codes(self, *came: Webhook) -> list[str]:
        """How each is answered: the code of a refusal, or the status of what was taken."""
        answers = [(await self.post(one)).json() for one in came]
        return [answer.get("code") or answer["status"] for answer in answers]

    def later(self, seconds: float = 3_600) -> None:
        """Let time pass for whoever keeps the keys."""
        for keeper in self.relay.keepers.values():
            clock, keeper._clock = keeper._clock, lambda: clock() + seconds  # noqa: B023

    @property
    def events(self) -> list[str]:
        return [call.get("event", "identify") for call in self.receiver.stored]


@asynccontextmanager
async def shop(folder: Path, store: Store | None = None, **options: str) -> AsyncIterator[Shop]:
    store = store or Store()
    app = Starlette(routes=[Route("/.well-known/jwks.json", store.keys)])
    async with serve(app) as store.url, serve(receiver := Receiver()) as segment:
        known = {"PLATFORM": "saleor", "API_URL": f"{store.url}/graphql/", **options}
        settings = {f"SOURCES__SHOP__{name}": value for name, value in known.items()}
        environ = configuration(folder, {"segment": segment}, **settings)
        async with running(environ) as relay:
            yield Shop(relay, store, receiver, environ)
            if store.hangs is not None:
                store.hangs.set()


def refunded(*amounts: float) -> dict[str, Any]:
    made = event_of("OrderRefunded")
    events = [{"id": f"e{amount}", "type": "REFUND_SUCCESS", "amount": {"amount": amount}} for amount in amounts]
    made["order"]["transactions"] = [{"events": events}]
    return made


async def test_a_story_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    paid = webhook(event_of("OrderFullyPaid"), "order_fully_paid")
    async with shop(tmp_path) as it:
        assert await it.codes(
            webhook(event_of("OrderCreated"), "order_created"),
            *(paid, paid),
            webhook(event_of("OrderFullyPaid", issuedAt="2026-03-14T09:28:00+00:00")),  # the same fact
            webhook(event_of("OrderUpdated")),
            webhook(refunded(9.6)),
            webhook({**refunded(9.6, 72.0), "issuedAt": "2026-03-20T10:00:00+00:00"}),
            webhook({"__typename": "CustomerCreated", "user": {"id": "u", "email": "a@b.example"}}),
        ) == ["accepted", "accepted", "duplicate", *["accepted"] * 5]
        await drained(it.relay)

        assert [event for event in it.events if event != "identify"] == STORY
        assert [
            call["properties"]["total"] for call in it.receiver.stored if call.get("event") == "Order Refunded"
        ] == [
            9.6,
            72,
        ]
        assert it.events.count("identify") == 1
        assert it.store.asked == 1


STORY = ["Checkout Started", "Order Completed", "Order Updated", "Order Refunded", "Order Refunded"]


async def test_a_forgery_is_refused_and_kept_apart(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        forged = [webhook(event_of(), name="second"), webhook(event_of(), kid="2"), webhook(event_of(), alg="none")]
        assert await it.codes(*forged) == ["signature_mismatch", "signature_key_unknown", "signature_mismatch"]
        assert len(await it.relay.journal.quarantined("shop", limit=10)) == 3
        assert it.receiver.stored == []


async def test_the_old_way_needs_no_keys(tmp_path: Path) -> None:
    body = raw(event_of())
    async with shop(tmp_path, API_URL="https://unused.invalid/", SECRET=f"newer,{SECRET}") as it:
        assert await it.codes(webhook(body, signature=hex_signature(body))) == ["accepted"]
        assert await it.codes(webhook(body, signature=hex_signature(body, "x"))) == ["signature_mismatch"]
        await drained(it.relay)
        assert it.events == ["Order Completed"]


async def test_a_new_key_is_fetched_when_it_is_first_used(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        assert await it.codes(webhook(event_of(order="a"))) == ["accepted"]
        it.store.answer = Response(jwks(jwk("1"), jwk("2", "second")))
        it.later()
        assert await it.codes(webhook(event_of(order="b"), name="second", kid="2")) == ["accepted"]
        # The id of a key may also be used again for another.
        it.store.answer = Response(jwks(jwk("2", "third")))
        it.later()
        assert await it.codes(webhook(event_of(order="c"), name="third", kid="2")) == ["accepted"]
        assert it.store.asked == 3
        assert await it.codes(webhook(event_of(order="d"), name="second", kid="2")) == ["signature_mismatch"]


async def test_forgeries_do_not_make_the_relay_hammer_the_store(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        assert await it.codes(webhook(event_of(order="a"))) == ["accepted"]
        it.later()
        forged = [webhook(event_of(order=str(number)), kid=f"k{number}") for number in range(20)]
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(it.post(one)) for one in forged]
        assert {answer.result().status_code for answer in answers} == {401}
        assert it.store.asked == 2
        assert await it.codes(webhook(event_of(order="b"))) == ["accepted"]


TROUBLES = {
    "500": Response(status_code=500),
    "404": Response(status_code=404),
    "429": Response(status_code=429, headers={"Retry-After": "60"}),
    "redirect": RedirectResponse("https://elsewhere.invalid/"),
    "html": Response("<html>"),
    "none": Response('{"keys": []}'),
    "huge": Response(b" " * MAX_KEYS_BYTES + jwks()),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_while_the_keys_cannot_be_had_the_store_is_asked_to_send_again(tmp_path: Path, trouble: str) -> None:
    async with shop(tmp_path, Store(answer=TROUBLES[trouble])) as it:
        came = webhook(event_of())
        answer = await it.post(came)
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert (await it.post(came)).status_code == 503
        assert it.store.asked == 1, "and not at once again"

        it.store.answer = Response(jwks())
        it.later()
        assert await it.codes(came, came) == ["accepted", "duplicate"]
        await drained(it.relay)
        assert it.events == ["Order Completed"]


async def test_keys_that_are_there_go_on_while_the_store_is_down(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        assert await it.codes(webhook(event_of(order="a"))) == ["accepted"]
        it.store.answer = TROUBLES["500"]
        it.later()
        assert await it.codes(webhook(event_of(order="b")), webhook(event_of(order="c"), kid="2")) == [
            "accepted",
            "keys_unavailable",
        ]


async def test_a_store_that_hangs_holds_up_no_other_source(tmp_path: Path) -> None:
    async with shop(tmp_path, Store(hangs=asyncio.Event())) as it, asyncio.TaskGroup() as group:
        waiting = group.create_task(it.post(webhook(event_of())))
        async with plain_client(timeout=DEADLINE_S) as client:
            other = await client.post(f"{it.relay.url}/webhooks/elasticpath", content=b"{}")
        assert other.status_code == 401
        assert not waiting.done()
        assert it.store.hangs is not None
        it.store.hangs.set()
        assert (await waiting).status_code == 200


async def test_what_came_without_keys_is_let_in_once_they_can_be_had(tmp_path: Path) -> None:
    async with shop(tmp_path, Store(answer=TROUBLES["500"])) as it:
        assert await it.codes(webhook(event_of()), webhook(event_of(), name="second")) == ["keys_unavailable"] * 2
        loaded = load(None, it.environ)
        sources = build_sources(loaded.options)
        ((_, failed, said),) = await fetch_keys(loaded, sources)
        assert (failed, said) == (True, f"{it.store.url}/.well-known/jwks.json: it answers 500.")

        it.store.answer = Response(jwks())
        ((_, failed, said),) = await fetch_keys(loaded, sources)
        assert (failed, said) == (False, f"{it.store.url}/.well-known/jwks.json publishes 1 key.")
        told = await recheck(it.relay.journal, sources, Verifier(bytes(32)), "shop", run=True)
        assert (told.appended, dict(told.refused)) == (1, {"signature_mismatch": 1})
        it.relay.wakeups.wake_all()
        await drained(it.relay)
        assert it.events == ["Order Completed"]


async def test_every_published_webhook_makes_a_call_or_tells_its_reason(tmp_path: Path) -> None:
    files = sorted(published("payloads/saleor").glob("*.json"))
    assert len(files) == 8
    async with shop(tmp_path) as it:
        ended = {}
        for file in files:
            kind, _, name = file.name.removesuffix("-1.json").partition(".")
            topic = {"notify": "notify_user", "subscription": f"{name.lower()}_updated"}[kind]
            answer = await it.post(webhook(file.read_bytes(), topic))
            await drained(it.relay)
            told = await it.relay.journal.timeline(EventId(int(answer.json()["event"])))
            assert told is not None
            ended[file.name.removesuffix("-1.json")] = [(str(end.kind), end.code) for end in told.outcomes]
        assert ended.pop("subscription.orderCreated") == [("delivered", "accepted")]
        assert set(map(tuple, ended.values())) == {(("ignored", "no_tracked_event"),)}
        (call,) = it.receiver.stored
        assert call["event"] == "Checkout Started"
        assert call["properties"]["order_id"] == "T3JkZXI6YzhmY2FjMTgtMWQ5Yy00NWRkLTgxMGYtMGIzMTJiYTNjZDYz"


class Clock(Wakeups):
    """Does not wait: tells how long it was to, and lets the store change meanwhile."""

    def __init__(self, *meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.now_s = 0.0
        self.waits_s: list[float] = []
        self._meanwhile = list(meanwhile)

    async def pause(self, seconds: float | None, until: asyncio.Event | None = None) -> None:
        assert seconds is not None
        self.waits_s.append(seconds)
        self.now_s += seconds
        if not self._meanwhile:
            raise Stopping
        self._meanwhile.pop(0)()


async def test_keys_are_renewed_so_that_a_withdrawn_one_is_good_for_no_longer() -> None:
    store = Store()
    app = Starlette(routes=[Route("/.well-known/jwks.json", store.keys)])

    def withdraw() -> None:
        store.answer = Response(jwks(jwk("2", "second")))

    def fail() -> None:
        store.answer = TROUBLES["500"]

    async with serve(app) as url, HttpDoor(OutgoingOptions(allow_private=True)) as door:
        keys, clock = KeySet(f"{url}/.well-known/jwks.json"), Clock(withdraw, fail)
        keeper = KeyKeeper("shop", keys, door=door, clock=lambda: clock.now_s)
        with pytest.raises(Stopping):
            await keeper.run(clock)
    assert clock.waits_s == [RENEWED_AFTER_S, RENEWED_AFTER_S, RETRY_S]
    assert "1" not in keys
    assert "2" in keys
