"""Mappings, conditions and choices of destinations, through a whole relay on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from relay.app import Relay
from relay.codes import RelayError
from relay.demo.faults import Fault
from relay.demo.lookalike import Came, Lookalike
from relay.demo.segmetrics import SegMetricsLookalike
from relay.demo.serving import serve
from tests.logbook import Logbook
from tests.pipeline.vendors import ends, sample
from tests.posting import plain_client, post
from tests.receiving import Receiver
from tests.running import DEADLINE_S, configuration, drained, running
from tests.sources import shopify_making as shopify
from tests.templates.shopify_making import order as shopify_order
from tests.templates.shopify_making import refund as shopify_refund

TOKEN = "crm-t0ken"
DELIVERED = ("delivered", "accepted")
FILTERED = ("skipped", "filtered")
NOTHING: Mapping[str, str] = {}


class Crm(Lookalike):
    """Takes JSON from who knows the token."""

    def answer(self, came: Came) -> Response:
        if came.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response("who are you", 401)
        return JSONResponse({"ok": True})


@asynccontextmanager
async def shop(
    folder: Path, crm: Lookalike, mappings: Mapping[str, str] = NOTHING, **crm_options: str
) -> AsyncIterator[tuple[Relay, Receiver]]:
    """An Elastic Path shop that tells Segment and a CRM; ``mappings`` are the CRM's by name."""
    templates = folder / "templates/destinations/http"
    templates.mkdir(parents=True)
    for name, text in mappings.items():
        (templates / f"{name}.jsonata").write_text(text)
    receiver = Receiver()
    async with serve(receiver) as segment_url, serve(crm) as crm_url:
        options = {"KIND": "http", "URL": f"{crm_url}/events", "BEARER_TOKEN": TOKEN, **crm_options}
        more = {f"DESTINATIONS__CRM__{name}": value for name, value in options.items()}
        more["TEMPLATES__FOLDER"] = str(folder / "templates")
        async with running(configuration(folder, {"segment": segment_url}, **more)) as relay:
            yield relay, receiver


@asynccontextmanager
async def crms(folder: Path, crm: Lookalike, destinations: Mapping[str, Mapping[str, str]]) -> AsyncIterator[Relay]:
    """Several declared receivers, each on a path of its own name."""
    async with serve(crm) as url:
        more = {"TEMPLATES__FOLDER": str(folder / "templates")}
        for name, options in destinations.items():
            given = {"KIND": "http", "URL": f"{url}/{name}", "BEARER_TOKEN": TOKEN, **options}
            more |= {f"DESTINATIONS__{name.upper()}__{option}": value for option, value in given.items()}
        async with running(configuration(folder, {}, **more)) as relay:
            yield relay


async def test_a_mapping_makes_what_the_receiver_takes(tmp_path: Path) -> None:
    mapping = """[properties.products.{
      "key": $$.messageId & "/" & sku, "sku": sku, "topic": $event.topic,
      "number": $payload.payload.data.order_number, "shop": $settings.shop
    }]"""
    crm = Crm()
    options: dict[str, str] = {
        "SETTINGS": '{"shop": "7"}',
        "MAX_BATCH_RECORDS": "10",
        "ENVELOPE": '{"rows": $}',
        "SUCCESS": "body.ok",
    }
    async with shop(tmp_path, crm, {"order_completed": mapping}, **options) as (relay, receiver):
        (event,) = await post(relay, [sample("order.paid")])
        await drained(relay)
        told = await ends(relay, event)

    (came,) = crm.requests
    assert told == {"segment": DELIVERED, "crm": DELIVERED}
    assert isinstance(came.json, dict)
    rows = came.json["rows"]
    assert [(row["sku"], row["topic"], row["number"], row["shop"]) for row in rows] == [
        ("SKU-10-RED-M", "order.paid", "ORD-1001", "7"),
        ("SKU-11", "order.paid", "ORD-1001", "7"),
    ]
    assert len({row["key"].partition("/")[0] for row in rows}) == 1
    assert receiver.orders == ["ORD-1001"]


async def test_without_a_mapping_calls_go_as_they_are(tmp_path: Path) -> None:
    crm = Crm()
    async with shop(tmp_path, crm) as (relay, receiver):
        await post(relay, [sample("order.paid"), sample("customer.created")])
        await drained(relay)

    told = {came.json["type"]: came.json for came in crm.requests if isinstance(came.json, dict)}
    assert set(told) == {"track", "identify"}
    at_segment = next(call for call in receiver.stored if call["type"] == "track")
    assert told["track"]["properties"] == at_segment["properties"]
    assert told["track"]["messageId"].startswith("wr_")
    assert told["track"]["messageId"] != at_segment["messageId"]


async def test_what_a_destination_chooses(tmp_path: Path) -> None:
    choices = {
        "costly": ({"WHEN": "properties.total > 1000"}, FILTERED),
        "cheap": ({"WHEN": "properties.total > 100"}, DELIVERED),
        "by_webhook": ({"WHEN": '$payload.payload.data.status = "complete"'}, DELIVERED),
        "absent": ({"WHEN": "properties.absent"}, FILTERED),
        "failing": ({"WHEN": '$error("no")'}, ("dead", "template_failed")),
        "other_source": ({"SOURCES": "other"}, FILTERED),
        "this_source": ({"SOURCES": "other,elasticpath"}, DELIVERED),
        "other_event": ({"TRACKED_EVENTS": "order_refunded"}, FILTERED),
        "this_event": ({"TRACKED_EVENTS": "order_completed"}, DELIVERED),
        "tried": ({"MODE": "test"}, ("skipped", "test_mode")),
    }
    crm = Crm()
    async with crms(tmp_path, crm, {name: options for name, (options, _) in choices.items()}) as relay:
        (event,) = await post(relay, [sample("order.paid")])
        await drained(relay)
        told = await ends(relay, event)

    assert told == {name: ended for name, (_, ended) in choices.items()}
    reached = {came.path.strip("/") for came in crm.requests}
    assert reached == {name for name, (_, ended) in choices.items() if ended == DELIVERED}


async def test_a_mapping_that_fails_ends_its_call_there_and_nothing_else(tmp_path: Path) -> None:
    limits = [("dead", "template_limit"), ("dead", "template_timeout")]
    mappings: dict[str, tuple[str, list[tuple[str, str]]]] = {
        "nothing": ("()", [("skipped", "mapping_empty")]),
        "none": ("[]", [("skipped", "mapping_empty")]),
        "failing": ('$error("no")', [("dead", "template_failed")]),
        "text": ('"text"', [("dead", "template_result")]),
        "numbers": ("[1]", [("dead", "template_result")]),
        "endless": ("($f := function($n) { $f($n + 1) }; $f(0))", limits),
        "long": ("$map([1..9999], function($n) { $map([1..9999], function($m) { $m }) })", limits),
        "good": ('{"id": properties.order_id}', [DELIVERED]),
    }
    for name, (text, _) in mappings.items():
        folder = tmp_path / "templates/destinations" / name
        folder.mkdir(parents=True)
        (folder / "order_completed.jsonata").write_text(text)
    crm = Crm()
    async with crms(tmp_path, crm, {name: {"MAPPINGS": name} for name in mappings}) as relay:
        paid, created = await post(relay, [sample("order.paid"), sample("customer.created")])
        await drained(relay)
        told, other = await ends(relay, paid), await ends(relay, created)

    assert set(other.values()) == {DELIVERED}
    for name, (_, ended) in mappings.items():
        assert told[name] in ended, name
    assert [came.json for came in crm.requests if "identify" not in str(came.json)] == [{"id": "ORD-1001"}]


async def test_an_envelope_that_fails_on_one_record_splits_the_others_off(tmp_path: Path) -> None:
    envelope = '$[properties.order_id = "bad"] ? $error("no") : {"events": $}'
    crm = Crm()
    async with shop(tmp_path, crm, ENVELOPE=envelope, MAX_BATCH_RECORDS="10", TRACKED_EVENTS="order_completed") as (
        relay,
        _,
    ):
        events = await post(relay, [sample("order.paid", order=name) for name in ("o-1", "bad", "o-2")])
        await drained(relay)
        told = [(await ends(relay, event))["crm"] for event in events]

    assert told == [DELIVERED, ("dead", "envelope_failed"), DELIVERED]


async def test_a_condition_that_is_no_jsonata_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RelayError, match=r"destinations\.crm\.when"):
        async with shop(tmp_path, Crm(), WHEN="properties.total >"):
            pass


async def test_a_kind_without_a_mapping_for_a_call_skips_it(tmp_path: Path) -> None:
    more = {
        "DESTINATIONS__SEGMENTIFY__DATA_CENTER": "http://127.0.0.1:9",
        "DESTINATIONS__SEGMENTIFY__API_KEY": "k",
        "DESTINATIONS__SEGMENTIFY__ORIGIN": "https://shop.example",
    }
    async with running(configuration(tmp_path, {}, **more)) as relay:
        (event,) = await post(relay, [sample("order.updated")])
        await drained(relay)

        assert await ends(relay, event) == {"segmentify": ("skipped", "no_mapping")}


async def test_the_token_is_in_no_log(tmp_path: Path, logbook: Logbook) -> None:
    crm = Crm()
    crm.fault = Fault(1, 500, body=f"bad token {TOKEN}")
    async with shop(tmp_path, crm) as (relay, _):
        (event,) = await post(relay, [sample("order.paid")])
        await drained(relay)
        told = await relay.journal.timeline(event)

    assert TOKEN not in logbook.stream.getvalue()
    assert TOKEN not in repr(told)


class TestSeveralRequests:
    """SegMetrics takes the contact and the invoice by a request each."""

    @asynccontextmanager
    async def segmetrics(
        self, folder: Path, there: Lookalike, settings: Mapping[str, str] = NOTHING, **more: str
    ) -> AsyncIterator[Relay]:
        async with serve(there) as url:
            options = {
                "HOST": url,
                "ACCOUNT_ID": "ACC123",
                "INTEGRATION_ID": "INT456",
                "API_KEY": "SM-K3Y",
                "TIMEZONE": "Europe/Berlin",
                "REQUESTS_PER_SECOND": "1000",
                **more,
            }
            named = {f"DESTINATIONS__SEGMETRICS__{name}": value for name, value in options.items()}
            async with running(configuration(folder, {}, **named, **settings)) as relay:
                yield relay

    async def test_the_first_is_not_repeated_when_the_second_fails(self, tmp_path: Path) -> None:
        there = InvoicesFail("ACC123", "INT456", "SM-K3Y")
        async with self.segmetrics(tmp_path, there) as relay:
            (event,) = await post(relay, [sample("order.paid")])
            await drained(relay)
            told = await ends(relay, event)

        assert told == {"segmetrics": DELIVERED}
        assert [came.path.rpartition("/")[2] for came in there.requests] == ["contact", *["invoice"] * 4]
        assert [path for path, _ in there.taken] == ["POST contact", "POST invoice"]

    async def test_an_order_s_story(self, tmp_path: Path) -> None:
        there = SegMetricsLookalike("ACC123", "INT456", "SM-K3Y")
        topics = (
            "customer.created",
            "order.created",
            "order.paid",
            "order.updated",
            "order.refunded",
            "order.cancelled",
        )
        async with self.segmetrics(tmp_path, there) as relay:
            events = await post(relay, [sample(topic) for topic in topics])
            await drained(relay)
            told = [(await ends(relay, event))["segmetrics"] for event in events]

        paid, updated, refunded, cancelled = (body for path, body in there.taken if path == "POST invoice")
        assert told == [DELIVERED, ("skipped", "mapping_empty"), *[DELIVERED] * 4]
        assert isinstance(paid, dict)
        assert isinstance(refunded, dict)
        assert isinstance(cancelled, dict)
        assert paid["amount"] == paid["paid"] == 10_320
        assert updated == paid
        assert refunded == {**paid, "is_refunded": 1}
        assert cancelled == {**paid, "paid": 0, "is_refunded": 1}
        assert paid["date_created"] == "2026-03-14 10:26:53"

    async def test_a_refund_that_holds_no_order_finds_it(self, tmp_path: Path) -> None:
        """Shopify's `refunds/create` names the order and the amount, and nobody."""
        there = SegMetricsLookalike("ACC123", "INT456", "SM-K3Y")
        settings = {"SOURCES__SHOP__PLATFORM": "shopify", "SOURCES__SHOP__SECRET": shopify.SECRET}
        story = [
            shopify.webhook(shopify_order(), topic="orders/paid", webhook_id="w-1"),
            shopify.webhook(shopify_refund(), topic="refunds/create", webhook_id="w-2"),
        ]
        async with (
            self.segmetrics(tmp_path, there, settings) as relay,
            plain_client(base_url=relay.url, timeout=DEADLINE_S) as client,
        ):
            for came in story:
                answer = await client.post("/webhooks/shop", content=came.body, headers=dict(came.headers))
                assert answer.status_code == 200
            await drained(relay)

        paid, refunded = (body for path, body in there.taken if path == "POST invoice")
        assert isinstance(paid, dict)
        assert isinstance(refunded, dict)
        assert 0 < refunded["paid"] < paid["paid"]
        assert refunded == {**paid, "paid": refunded["paid"]}

    async def test_test_mode_keeps_what_would_be_sent(self, tmp_path: Path) -> None:
        there = SegMetricsLookalike("ACC123", "INT456", "SM-K3Y")
        async with self.segmetrics(tmp_path, there, MODE="test") as relay:
            (event,) = await post(relay, [sample("order.paid")])
            await drained(relay)
            told = await relay.journal.timeline(event)

        assert told is not None
        assert there.requests == []
        assert [attempt.request.partition(":")[0] for attempt in told.attempts] == ['{"contact"', '{"invoice"']


class InvoicesFail(SegMetricsLookalike):
    """The first three invoices find it overloaded."""

    def answer(self, came: Came) -> Response:
        if came.path.endswith("invoice") and sum(one.path == came.path for one in self.requests) <= 3:
            return Response("overloaded", 500)
        return super().answer(came)
