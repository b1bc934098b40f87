"""History: `relay backfill` and `relay replay`, beside a relay that runs."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from relay.demo.serving import serve
from tests.cli.running import Configured, Relay
from tests.posting import post, webhook
from tests.receiving import Receiver, refusing, take_all
from tests.running import drained, running

PAID = ("--source", "elasticpath", "--tracked-event", "order_completed")


def order(name: str, **data: Any) -> dict[str, Any]:
    """As the commerce API gives it, with its items beside it."""
    payload: dict[str, Any] = orjson.loads(webhook("order.paid", name, **data))["payload"]
    return payload


def ndjson(path: Path, rows: Iterable[object]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


async def test_an_order_counts_once_whether_by_webhook_or_by_backfill(
    relay: Relay, configured: Configured, folder: Path
) -> None:
    receiver = Receiver()
    file = ndjson(folder / "orders.ndjson", [order("a"), order("b")])
    async with serve(receiver) as host, running(configured(host)) as served:
        await post(served, [webhook("order.paid", "a")])
        await drained(served)
        ran = (await asyncio.to_thread(relay, "backfill", file, *PAID, "--run", "--json")).json
        assert (ran["rows"], ran["appended"], ran["known"], ran["rejected"]) == (2, 2, 0, 0)
        await drained(served)
        again = (await asyncio.to_thread(relay, "backfill", file, *PAID, "--run", "--json")).json
        assert (again["appended"], again["known"]) == (0, 2)
        await drained(served)
        await post(served, [webhook("order.paid", "b", envelope="late")])
        await drained(served)
    assert receiver.orders == ["a", "b"]
    late = next(call for call in receiver.stored if call["properties"]["order_id"] == "b")
    assert late["timestamp"].startswith("2026-01-01T00:00:00"), "its own time, not today's"


def test_a_count_tells_calls_revenue_and_span_and_stores_nothing(
    relay: Relay, configured: Configured, folder: Path
) -> None:
    configured("http://127.0.0.1:9")
    file = folder / "orders.json"
    file.write_bytes(orjson.dumps([order("a"), order("b"), order("hidden", anonymized=True)]))

    told = relay("backfill", file, *PAID, "--json").json

    assert told["calls"] == {"order_completed": 2}
    assert told["endings"] == {"template_empty": 1}
    assert told["revenue"] == {"EUR": 20.0}
    assert told["first_ms"] == told["last_ms"] == 1_767_225_600_000
    assert "Add --run to do it" in relay("backfill", file, *PAID).out
    assert not (folder / "relay.db").exists()


async def test_rows_of_csv_are_mapped_and_what_cannot_be_taken_is_mended_and_fed_again(
    relay: Relay, configured: Configured, folder: Path
) -> None:
    mapping = folder / "row.jsonata"
    mapping.write_text(
        """$exists(Order) and Total != "?" ? {"topic": "order.paid", "body": {
            "id": Order, "customer": {"email": Mail},
            "meta": {"display_price": {"with_tax": {"amount": $number(Total) * 100, "currency": "EUR"}},
                     "timestamps": {"created_at": Day & "T12:00:00Z", "updated_at": Day & "T12:00:00Z"}}
        }} : $error("no total")"""
    )
    file, rejects = folder / "orders.csv", folder / "rejects.ndjson"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Order", "Total", "Mail", "Day"])
        writer.writerows([["1", "12.50", "ada@example.com", "2024-02-29"], ["2", "?", "b@example.com", "2024-03-01"]])
        writer.writerow(["3", "1.00"])
    receiver = Receiver()
    arguments = ("--source", "elasticpath", "--map", mapping, "--rejects", rejects, "--run")
    async with serve(receiver) as host, running(configured(host)) as served:
        ran = await asyncio.to_thread(relay, "backfill", file, *arguments)
        assert ran.code == 1
        assert "2 rows cannot be taken" in ran.out
        kept = [orjson.loads(line) for line in rejects.read_bytes().splitlines()]
        assert [row.get("Order") or orjson.loads(row["_line"])["Order"] for row in kept] == ["2", "3"]
        mended = [{**kept[0], "Total": "7"}, {"Order": "3", "Total": "1", "Mail": "c@example.com", "Day": "2024-03-02"}]
        again = await asyncio.to_thread(relay, "backfill", ndjson(folder / "mended.ndjson", mended), *arguments)
        assert again.code == 0
        await drained(served)
    assert sorted(receiver.orders) == ["1", "2", "3"]
    (first,) = [call for call in receiver.stored if call["properties"]["order_id"] == "1"]
    assert first["timestamp"].startswith("2024-02-29T12:00:00")
    assert first["properties"]["total"] == 12.5


async def test_rows_that_tell_no_time_are_counted(folder: Path, relay: Relay, configured: Configured) -> None:
    dated = {"id": "1", "meta": {"timestamps": {"updated_at": "2024-02-29T12:00:00Z"}}}
    rows = [{"topic": "order.paid", "body": body} for body in (dated, {"id": "2"})]
    configured("http://127.0.0.1:9")
    mapping = folder / "row.jsonata"
    mapping.write_text("$")
    arguments = ("backfill", ndjson(folder / "rows.ndjson", rows), "--source", "elasticpath", "--map", mapping)
    ran = await asyncio.to_thread(relay, *arguments)
    assert "2 rows, of 2024-02-29T12:00:00Z to 2024-02-29T12:00:00Z." in ran.out
    assert "Without a time of its own, and so dated now: 1 event." in ran.out


async def test_a_backfill_goes_to_the_chosen_destination_alone(
    relay: Relay, configured: Configured, folder: Path
) -> None:
    here, there = Receiver(), Receiver()
    file = ndjson(folder / "orders.ndjson", [order("a")])
    async with serve(here) as host, serve(there) as other, running(configured(host, other=other)) as served:
        await asyncio.to_thread(relay, "backfill", file, *PAID, "--to", "other", "--run")
        await drained(served)
        assert (here.orders, there.orders) == ([], ["a"])
        (event,) = (await asyncio.to_thread(relay, "events", "--json")).json
        assert sorted(event["outcomes"]) == ["delivered@other", "skipped@segment"]
        await asyncio.to_thread(relay, "backfill", file, *PAID, "--run")
        await drained(served)
    assert (here.orders, there.orders) == (["a"], ["a"])


async def test_what_was_delivered_is_sent_again_only_by_force_and_says_so(relay: Relay, configured: Configured) -> None:
    receiver = Receiver()
    async with serve(receiver) as host, running(configured(host)) as served:
        await post(served, [webhook("order.paid", "a")])
        await drained(served)
        await asyncio.to_thread(relay, "replay", "--all", "--run")
        await drained(served)
        assert len(receiver.stored) == 1
        await asyncio.to_thread(relay, "replay", "--all", "--force", "--run")
        await drained(served)
    first, forced = receiver.stored
    assert forced["messageId"] != first["messageId"]
    assert forced["context"]["relay"]["forced"] is True
    assert "relay" not in first["context"]


async def test_calls_are_repeated_as_they_were_rendered_then(
    relay: Relay, configured: Configured, folder: Path
) -> None:
    receiver = Receiver(refusing("a", 400, "no"))
    environ = configured("http://127.0.0.1:9", more={"TEMPLATES__FOLDER": str(folder / "templates")})
    async with serve(receiver) as host:
        environ = configured(host, more={"TEMPLATES__FOLDER": str(folder / "templates")})
        async with running(environ) as served:
            await post(served, [webhook("order.paid", "a")])
            await drained(served)
        assert receiver.stored == []
        changed = folder / "templates/sources/elasticpath/order_completed.jsonata"
        changed.parent.mkdir(parents=True)
        changed.write_text('{"type": "track", "event": "Changed", "userId": "u", "messageId": "changed"}')
        receiver.rule = take_all
        async with running(environ) as served:
            await asyncio.to_thread(relay, "replay", "--outcome", "dead", "--as-rendered", "--run")
            await drained(served)
            assert [call["event"] for call in receiver.stored] == ["Order Completed"]
            await asyncio.to_thread(relay, "replay", "--outcome", "dead", "--run")
            await drained(served)
    assert [call["event"] for call in receiver.stored] == ["Order Completed", "Changed"]


def test_what_cannot_be_brought_in_is_said(relay: Relay, configured: Configured, folder: Path) -> None:
    configured("http://127.0.0.1:9")
    file = ndjson(folder / "orders.ndjson", [order("a")])
    broken = folder / "broken.json"
    broken.write_text('[{"a": 1}, {"b":')
    for arguments, told in (
        ((file, "--source", "shop"), "No source 'shop' is configured."),
        ((file, *PAID, "--to", "segmnt"), "No destination 'segmnt' is configured."),
        ((file, "--source", "elasticpath", "--tracked-event", "paid"), "no tracked event 'paid' that is on"),
        ((folder / "none.csv", *PAID), "No such file"),
        ((file, *PAID, "--format", "xml"), "--format 'xml' is not one of"),
        ((broken, *PAID), "no JSON array, behind row 1"),
        ((file, *PAID, "--map", broken), "template"),
    ):
        ran = relay("backfill", *arguments)
        assert ran.code in (1, 2), arguments
        assert told in ran.err, arguments
        assert "Traceback" not in ran.err
    assert "There is no journal" in relay("backfill", file, *PAID, "--run").err
