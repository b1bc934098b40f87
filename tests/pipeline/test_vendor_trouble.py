"""Vendors that refuse, hang, or say no afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.types import Receive, Scope, Send

from relay.app import Relay
from relay.demo.faults import Fault
from relay.demo.ometria import OmetriaLookalike
from relay.demo.segmentify import SegmentifyLookalike
from relay.model import EventId, OutcomeKind, Selection
from relay.pipeline.replay import replay
from tests.logbook import Logbook
from tests.pipeline.vendors import (
    CLICK,
    OMETRIA_KEY,
    PLACED_S,
    SECRETS,
    SEGMENTIFY_KEY,
    SEGMETRICS_KEY,
    Vendors,
    ends,
    everything_kept,
    sample,
    selling,
)
from tests.posting import post, until, worked
from tests.running import drained

DELIVERED = ("delivered", "accepted")
ONE_LINE = {"JOURNAL__PARTITIONS": "1"}


async def dead(relay: Relay) -> list[EventId]:
    return [found.id for found in await relay.journal.find(Selection(outcome=OutcomeKind.DEAD), limit=100)]


# --- Segmentify ------------------------------------------------------------------------------


async def test_segmentify_waits_for_what_somebody_must_mend(tmp_path: Path) -> None:
    vendors = Vendors()
    vendors.segmentify.standing[SEGMENTIFY_KEY] = "FAILED_ACCOUNT"
    async with selling(tmp_path, vendors, "segmentify") as relay:
        events = await post(relay, [sample("order.paid", order=f"ORD-{n}") for n in range(5)])
        await until(lambda: relay.deliveries["segmentify"].gate.state.failures > 1)
        assert vendors.segmentify.stored == []
        del vendors.segmentify.standing[SEGMENTIFY_KEY]
        await drained(relay)
        assert [await ends(relay, event) for event in events] == [{"segmentify": DELIVERED}] * 5

    assert sorted(one["orderNo"] for one in vendors.segmentify.stored) == [f"ORD-{n}" for n in range(5)]
    assert vendors.segmentify.warnings == []


async def test_segmentify_sessions_can_be_fetched(tmp_path: Path) -> None:
    vendors = Vendors()
    vendors.segmentify.fault = Fault(2, 503)
    fetched = {"DESTINATIONS__SEGMENTIFY__SESSION_IDS": "fetched"}
    async with selling(tmp_path, vendors, "segmentify", **fetched) as relay:
        known = sample("order.paid", order="ORD-2", segmentify_session_id="SESSION_2", segmentify_user_id="USER_2")
        events = await post(relay, [sample("order.paid"), known])
        await drained(relay)
        assert [await ends(relay, event) for event in events] == [{"segmentify": DELIVERED}] * 2

    sessions = {event["orderNo"]: (event["userId"][:5], event["sessionId"]) for event in vendors.segmentify.stored}
    assert sessions["ORD-2"] == ("USER_", "SESSION_2")
    assert sessions["ORD-1001"][0] == "srv_6"
    assert len(sessions["ORD-1001"][1]) == 32
    assert {came.path for came in vendors.segmentify.requests} == {"/get/key", "/add/events/v1.json"}


async def test_segmentify_a_sale_that_may_count_twice_is_marked(tmp_path: Path) -> None:
    vendors = Vendors()
    vendors.segmentify.fault = Fault(1, accept=True, cut=True)
    async with selling(tmp_path, vendors, "segmentify") as relay:
        (lost,) = await post(relay, [sample("order.paid")])
        await drained(relay)  # the other goes another way, and may else be there first
        (fine,) = await post(relay, [sample("order.paid", order="ORD-2")])
        await drained(relay)
        told = [(await ends(relay, event))["segmentify"] for event in (lost, fine)]

    assert told == [("delivered", "accepted_maybe_twice"), DELIVERED]
    assert vendors.segmentify.warnings == ["orderNo ORD-1001 again"]


async def test_test_mode_of_the_relay_shows_what_would_be_sent_without_secrets(tmp_path: Path) -> None:
    vendors = Vendors()
    modes = {f"DESTINATIONS__{name}__MODE": "test" for name in ("SEGMENTIFY", "EVERFLOW", "OMETRIA")}
    async with selling(tmp_path, vendors, "segmentify", "everflow", "ometria", **modes) as relay:
        (event,) = await post(relay, [sample("order.paid")])
        await drained(relay)
        assert set((await ends(relay, event)).values()) == {("skipped", "test_mode")}
        told = await relay.journal.timeline(event)

    assert told is not None
    shown = {attempt.destination: attempt.request for attempt in told.attempts}
    assert f"transaction_id={CLICK}" in shown["everflow"]
    assert "verification_token=***" in shown["everflow"]
    assert all("ORD-1001" in request for request in shown.values())
    assert not [secret for secret in SECRETS for request in shown.values() if secret in request]
    assert not [*vendors.segmentify.requests, *vendors.everflow.requests, *vendors.ometria.requests]


# --- Everflow --------------------------------------------------------------------------------


async def test_everflow_rejects_without_a_word(tmp_path: Path) -> None:
    vendors = Vendors()
    async with selling(tmp_path, vendors, "everflow") as relay:
        (event,) = await post(relay, [sample("order.paid", click="f" * 32)])
        await drained(relay)
        assert await ends(relay, event) == {"everflow": ("dead", "call_refused")}

    assert [rejection["code"] for rejection in vendors.everflow.rejections] == [12]


async def test_everflow_what_was_booked_unheard_is_not_dead(tmp_path: Path) -> None:
    vendors = Vendors()
    vendors.everflow.fault = Fault(1, accept=True, cut=True)
    async with selling(tmp_path, vendors, "everflow") as relay:
        (event,) = await post(relay, [sample("order.paid")])
        await drained(relay)
        assert await ends(relay, event) == {"everflow": ("delivered", "probably_taken")}

    assert len(vendors.everflow.conversions) == 1


# --- Ometria ---------------------------------------------------------------------------------


def without_currency(folder: Path) -> Path:
    mapping = folder / "templates/destinations/ometria/track.jsonata"
    mapping.parent.mkdir(parents=True)
    mapping.write_text(
        '{"@type": "order", "id": properties.order_id, "timestamp": "2026-03-14T09:26:53Z",'
        ' "grand_total": properties.total, "currency": properties.order_id = "ORD-BAD" ? "Euro" : "EUR"}'
    )
    return folder / "templates"


async def test_ometria_what_is_refused_later_is_dead_and_can_be_sent_again(tmp_path: Path, logbook: Logbook) -> None:
    vendors = Vendors()
    wrong = {"TEMPLATES__FOLDER": str(without_currency(tmp_path))}
    async with selling(tmp_path, vendors, "ometria", **wrong) as relay:
        good, bad = await post(relay, [sample("order.paid"), sample("order.paid", order="ORD-BAD")])
        await drained(relay)
        await until(lambda: logbook.having("dead"))
        assert await dead(relay) == [bad]
        told = await relay.journal.timeline(bad)
        assert await ends(relay, good) == {"ometria": DELIVERED}
    assert told is not None
    assert [(str(end.kind), end.code, end.detail) for end in told.outcomes] == [
        ("delivered", "accepted", ""),
        ("dead", "refused_later", "root > currency: not a valid currency"),
    ]

    async with selling(tmp_path, vendors, "ometria", TEMPLATES__FOLDER=str(tmp_path / "none")) as relay:
        # What is still listed after the restart is not told twice.
        asked = len(vendors.ometria.requests)
        await until(lambda: len(vendors.ometria.requests) > asked + 2)
        assert len(logbook.having("dead")) == 1
        assert logbook.having("refusal_unplaced") == []
        async for _ in replay(relay.journal, Selection(code="refused_later"), 1_800_000_000_000):
            pass
        relay.wakeups.wake_all()
        await drained(relay)

    assert {order["id"] for order in vendors.ometria.records} == {"ORD-1001", "ORD-BAD"}


async def test_ometria_a_refusal_that_names_nothing_is_a_warning(tmp_path: Path, logbook: Logbook) -> None:
    vendors = Vendors(ometria=OmetriaLookalike([OMETRIA_KEY], says_which=False))
    async with selling(tmp_path, vendors, "ometria", TEMPLATES__FOLDER=str(without_currency(tmp_path))) as relay:
        (event,) = await post(relay, [sample("order.paid", order="ORD-BAD")])
        await drained(relay)
        await until(lambda: logbook.having("refusal_unplaced"))
        asked = len(vendors.ometria.requests)
        await until(lambda: len(vendors.ometria.requests) > asked + 2)
        assert await ends(relay, event) == {"ometria": DELIVERED}

    assert len(logbook.having("refusal_unplaced")) == 1


async def test_ometria_the_rejected_of_many_is_found(tmp_path: Path) -> None:
    vendors = Vendors()
    mapping = tmp_path / "templates/destinations/ometria/track.jsonata"
    mapping.parent.mkdir(parents=True)
    mapping.write_text(
        '{"@type": "order", "id": properties.order_id, "timestamp": "2026-03-14T09:26:53Z", "currency": "EUR",'
        ' "grand_total": 1, "@type": properties.order_id = "ORD-3" ? "odd" : "order"}'.replace('"@type": "order", ', "")
    )
    vendors.ometria.fault = Fault(1, 500)
    options = {"TEMPLATES__FOLDER": str(tmp_path / "templates"), **ONE_LINE}
    async with selling(tmp_path, vendors, "ometria", **options) as relay:
        events = await post(relay, [sample("order.paid", order=f"ORD-{n}") for n in range(8)])
        await drained(relay)
        told = [(await ends(relay, event))["ometria"] for event in events]

    assert told == [("dead", "call_refused") if n == 3 else DELIVERED for n in range(8)]
    assert len(vendors.ometria.records) == 7


async def test_ometria_a_full_queue_slows_down_and_loses_nothing(tmp_path: Path) -> None:
    vendors = Vendors()
    vendors.ometria.queue_left = 0
    async with selling(tmp_path, vendors, "ometria") as relay:
        events = await post(relay, [sample("order.paid", order=f"ORD-{n}") for n in range(5)])
        await until(lambda: relay.deliveries["ometria"].gate.state.failures > 1)
        assert relay.deliveries["ometria"].gate.state.code == "rate_limited"
        vendors.ometria.queue_left = 50_000
        await drained(relay)
        assert [await ends(relay, event) for event in events] == [{"ometria": DELIVERED}] * 5


async def test_secrets_are_nowhere_whatever_fails(tmp_path: Path, logbook: Logbook) -> None:
    """Vendors that repeat what they were sent: the URL with its key, the header."""
    vendors = Vendors()
    leak = " ".join(SECRETS)
    for lookalike in (vendors.segmentify, vendors.everflow, vendors.ometria):
        lookalike.fault = Fault(3, 500, body=f"cannot do {leak}")
    async with selling(tmp_path, vendors, "segmentify", "everflow", "ometria") as relay:
        events = await post(relay, [sample("order.paid")])
        await drained(relay)
        kept = await everything_kept(relay, events)

    own = {"segmentify": [SEGMENTIFY_KEY], "everflow": list(SECRETS[3:]), "ometria": [OMETRIA_KEY]}
    assert "cannot do" in kept
    told = logbook.stream.getvalue()
    for secrets in own.values():
        assert not [secret for secret in secrets if secret in told]
    # A vendor's answer shows none of its own; another's it cannot know.
    for name, secrets in own.items():
        shown = [part for part in kept.split("Attempt(") if f"destination='{name}'" in part]
        assert shown
        assert not [secret for secret in secrets for part in shown if secret in part]


# --- all at once -----------------------------------------------------------------------------


class Held(SegmentifyLookalike):
    """As slow as can be: answers nobody until it is let go."""

    def __init__(self) -> None:
        super().__init__([(SEGMENTIFY_KEY, "www.shop.example")])
        self.let_go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.let_go.wait()
        await super().__call__(scope, receive, send)


async def waiting(relay: Relay) -> dict[str, int]:
    stages = [f"deliver:{name}" for name in relay.deliveries]
    return {backlog.stage.removeprefix("deliver:"): backlog.waiting for backlog in await relay.journal.backlogs(stages)}


async def test_one_down_one_slow_one_that_rejects_all_one_misconfigured_and_the_fifth_does_not_notice(
    tmp_path: Path,
) -> None:
    orders = [f"ORD-{n}" for n in range(30)]
    held = Held()
    vendors = Vendors(segmentify=held)
    vendors.ometria.fault = Fault(1_000_000, 503)
    vendors.segmetrics.api_key = "another-key"
    known_clicks, vendors.everflow.clicks = {f"{n:032x}": PLACED_S for n in range(30)}, {}
    options = {"DESTINATIONS__SEGMENTIFY__TIMEOUT_S": "600"}
    async with selling(tmp_path, vendors, **options) as relay:
        events = await post(relay, [sample("order.paid", order=o, click=f"{n:032x}") for n, o in enumerate(orders)])
        await worked(relay, "render:elasticpath", "deliver:segment", "deliver:everflow")
        # The others have taken nothing yet, and their queues are whole.
        left = await waiting(relay)
        assert left == {"segment": 0, "everflow": 0, "segmentify": 30, "segmetrics": 30, "ometria": 30}
        assert sorted(vendors.segment.orders) == sorted(orders)
        assert len(vendors.segment.requests) <= 30
        assert relay.deliveries["segment"].gate.state.failures == 0
        assert sorted(await dead(relay)) == sorted(events)
        assert relay.deliveries["segmetrics"].gate.state.code == "key_refused"

        # The mend.
        held.let_go.set()
        vendors.ometria.fault = Fault(0)
        vendors.segmetrics.api_key = SEGMETRICS_KEY
        vendors.everflow.clicks = known_clicks
        async for _ in replay(relay.journal, Selection(outcome=OutcomeKind.DEAD), PLACED_S * 1_000):
            pass
        relay.wakeups.wake_all()
        await drained(relay)
        told = [await ends(relay, event) for event in events]

    for name in ("segment", "segmentify", "segmetrics", "ometria"):
        assert [one[name] for one in told] == [DELIVERED] * 30, name
    assert len(vendors.segment.orders) == 30
    assert sorted(event["orderNo"] for event in held.stored) == sorted(orders)
    assert held.warnings == []
    assert sorted(vendors.segmetrics.invoices) == sorted(orders)
    assert sorted(order["id"] for order in vendors.ometria.records) == sorted(orders)
    assert sorted(booked["order_id"] for booked in vendors.everflow.conversions) == sorted(orders)
