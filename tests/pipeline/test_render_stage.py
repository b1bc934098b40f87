"""The render stage in a whole relay: how events end before any destination, and completing from a commerce API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.responses import Response

from relay.app import Relay, existing_journal, now_ms, open_journal
from relay.demo.serving import serve
from relay.model import EventId, Selection, Webhook
from relay.pipeline.intake import Intake
from relay.pipeline.observing import Silent
from relay.pipeline.replay import replay
from relay.pipeline.wakeups import Wakeups
from relay.renderer import build_sources
from relay.settings.loading import load
from tests.logbook import Logbook
from tests.long.orders import order_webhook
from tests.pipeline.commerce import HANG, commerce, source
from tests.posting import EMAIL, apart_from, get, post, thin, until, webhook, worked
from tests.receiving import Receiver
from tests.running import HEADERS, configuration, drained, running

pytestmark = pytest.mark.usefixtures("logbook")
CURSED = """
payload.data.id = "cursed" ? $number(payload.data.customer.email)
: {"type": "track", "event": "Paid", "userId": "u", "messageId": $messageKey(payload.data.id),
   "properties": {"order_id": payload.data.id}}
"""


async def ended(relay: Relay, event: EventId) -> list[tuple[str, str]]:
    """The outcomes of an event, as kind and code."""
    told = await relay.journal.timeline(event)
    assert told is not None
    return [(outcome.kind, outcome.code) for outcome in told.outcomes]


async def test_every_event_ends_in_an_outcome_and_a_mended_template_delivers_by_replay(
    tmp_path: Path, logbook: Logbook
) -> None:
    template = tmp_path / "templates/sources/elasticpath/order_completed.jsonata"
    template.parent.mkdir(parents=True)
    template.write_text(CURSED)
    receiver = Receiver()
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, TEMPLATES__FOLDER=str(tmp_path / "templates"))
        environ |= source("elasticpath", TRACKING__ORDER_CANCELLED="false", TRACKING__ORDER_UPDATED='["order.paid"]')
        async with running(environ | source("old", "http://127.0.0.1:9")) as relay:
            (waits,) = await post(relay, [thin("order.paid", "t")], "old")
            paid = await post(relay, [webhook("order.paid", order) for order in ("a", "cursed", "b")])
            others = await post(
                relay,
                [
                    webhook("order.shipped", "a"),
                    webhook("order.cancelled", "a"),
                    webhook("order.updated", "a"),
                    webhook("order.created", "hidden", anonymized=True),
                ],
            )
            await worked(relay, "render:elasticpath")
            await worked(relay, "deliver:segment")
            assert await ended(relay, waits) == []
            assert [await ended(relay, event) for event in paid] == [
                [("delivered", "accepted")] * 2,
                [("dead", "template_failed"), ("delivered", "accepted")],
                [("delivered", "accepted")] * 2,
            ]
            assert [await ended(relay, event) for event in others] == [
                [("ignored", "no_tracked_event")],
                [("ignored", "switched_off")],
                [("ignored", "switched_off")],
                [("skipped", "template_empty")],
            ]
            assert logbook.having("dead", source="elasticpath", event_id=paid[1], code="template_failed")
            told = await relay.journal.timeline(paid[1])
            assert told is not None
            assert "order_completed.jsonata" in told.outcomes[0].detail
            assert EMAIL not in told.outcomes[0].detail
        assert sorted(receiver.orders) == ["a", "a", "b", "b", "cursed"]

        template.write_text(CURSED.replace("$number(payload.data.customer.email)", "()"))
        async with running(environ) as relay:
            await drained(relay)
            assert await ended(relay, waits) == [("ignored", "source_removed")]
            # As `relay replay` does it: from another process, while the relay runs.
            template.write_text(CURSED.replace('"cursed"', '"nobody"'))
            await until(lambda: logbook.having("templates_reloaded"))
            async with existing_journal(load(None, environ)) as beside:
                appended = [number async for number in replay(beside, Selection(code="template_failed"), now_ms())]
            assert appended == [1]
            await until(lambda: len(receiver.stored) == 6)
            await drained(relay)
            (again,) = await relay.journal.find(Selection(), limit=1)
            assert (again.replay_of, again.lane) == (paid[1], "replay")
            assert await ended(relay, again.id) == [("delivered", "accepted"), ("duplicate", "already_delivered")]
    assert receiver.orders[5] == "cursed"
    assert len(receiver.arrivals) == 6


# --- completing ------------------------------------------------------------------------------


def document(order: str) -> Any:
    """An order as the API gives it."""
    return orjson.loads(order_webhook(order, 0))["payload"]


def path(order: str) -> str:
    return f"/v2/orders/{order}?include=items"


async def waiting(relay: Relay) -> tuple[str, float]:
    """What /readyz tells of the source that completes, and what /metrics of its backlog."""
    ready = await get(relay, "/readyz")
    assert ready.status_code == 200
    metrics = (await get(relay, "/metrics")).text
    backlog = re.search(r'relay_backlog{stage="render:elasticpath"} (.+)', metrics)
    assert backlog
    return ready.json()["lines"]["render:elasticpath"].get("code", ""), float(backlog[1])


async def test_thin_webhooks_wait_for_the_api_and_nothing_else_does(tmp_path: Path, logbook: Logbook) -> None:
    receiver = Receiver()
    async with commerce() as api, serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}) | source("elasticpath", api.url) | source("other")
        async with running(environ) as relay:
            api.documents[path("known")] = document("known")
            known, gone = await post(relay, [thin("order.created", "known"), thin("order.created", "gone")])
            await drained(relay)
            assert await ended(relay, known) == [("delivered", "accepted")]
            assert await ended(relay, gone) == [("dead", "completion_missing")]
            told = await relay.journal.timeline(known)
            assert told is not None
            assert told.fetched == {"order": document("known")}
            assert await waiting(relay) == ("", 0.0)

            api.documents[path("late")] = Response(status_code=503)
            await post(relay, [thin("order.created", "late")])
            await until(lambda: relay.standing.closed_gates()["render:elasticpath"])
            beside = apart_from("late")
            await post(relay, [webhook("order.created", beside)])
            await post(relay, [webhook("order.created", "late")], "other")
            await until(lambda: len(receiver.stored) == 3)
            assert sorted(receiver.orders) == sorted(["known", beside, "late"])
            assert await waiting(relay) == ("completion_waiting", 1.0)

            api.documents[path("late")] = document("late")
            await drained(relay)
            assert receiver.orders[3:] == ["late"]

            api.sign_in = Response(status_code=401)
            api.tokens.clear()
            api.documents[path("locked")] = document("locked")
            await post(relay, [thin("order.created", "locked")])
            await until(lambda: logbook.having("completion_refused", source="elasticpath"))
            assert await waiting(relay) == ("completion_refused", 1.0)

            api.sign_in = None
            await drained(relay)
            assert receiver.orders[4:] == ["locked"]
            assert await waiting(relay) == ("", 0.0)


async def test_what_is_whole_does_not_wait_for_an_answer_about_what_is_thin(tmp_path: Path) -> None:
    receiver = Receiver()
    async with commerce() as api, serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}, JOURNAL__PARTITIONS="1") | source("elasticpath", api.url)
        api.documents[path("thin")] = HANG
        await store(environ, [webhook("order.created", "whole"), thin("order.created", "thin")])
        async with running(environ) as relay:
            async with asyncio.timeout(5):
                await until(lambda: receiver.orders == ["whole"])
            api.documents[path("thin")] = document("thin")
            api.closing.set()
            await drained(relay)
    assert receiver.orders == ["whole", "thin"]


async def store(environ: Mapping[str, str], bodies: Sequence[bytes]) -> None:
    """Take webhooks in while no relay works."""
    loaded = load(None, environ)
    journal = await open_journal(loaded, exclusive=True)
    intake = Intake(journal, build_sources(loaded.options), Wakeups(), Silent(), now_ms)
    headers = {name.lower(): value for name, value in HEADERS.items()}
    for body in bodies:
        await intake.take("elasticpath", Webhook(headers, body))
    await journal.close()
