"""Looking up, rendering and replaying, on a journal with a bit of everything."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from relay.app import Relay as RunningRelay
from relay.cli import build
from relay.cli.selecting import Filters
from relay.demo.samples import CUSTOMER_ID, ORDER_ID, samples
from relay.demo.serving import serve
from tests.cli.running import Relay
from tests.posting import EMAIL, plain_client, post, webhook
from tests.receiving import Receiver, refusing
from tests.running import HEADERS, SECRET, WRITE_KEY, configuration, drained, running

SAMPLES = {sample.title: sample.body for sample in samples()}
DRY = {
    "DESTINATIONS__DRY__KIND": "segment",
    "DESTINATIONS__DRY__WRITE_KEY": WRITE_KEY,
    "DESTINATIONS__DRY__MODE": "test",
}
UNITED = ("customer.created", "order.created", "order.paid", "order.updated")


@dataclass(frozen=True)
class Filled:
    """A journal, and the ids of what is in it."""

    folder: Path
    ids: dict[str, int]
    receiver: Receiver


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A sound order with its customer, one that Segment refuses, and events of each other end."""
    folder = tmp_path_factory.mktemp("filled")
    receiver = Receiver(refusing("bad", 400, "total: must be positive"))
    bodies = {title: SAMPLES[title] for title in UNITED} | {
        "again": webhook("order.paid", ORDER_ID, envelope="another delivery"),
        "bad": webhook("order.created", "bad"),
        "ignored": webhook("order.shipped", "s"),
        "skipped": webhook("order.created", "h", anonymized=True),
    }

    async def fill() -> dict[str, int]:
        async with serve(receiver) as host, running(configuration(folder, {"segment": host}, **DRY)) as relay:
            ids = await post(relay, bodies.values())
            await drained(relay)
            await quarantine(relay)
            return dict(zip(bodies, ids, strict=True))

    return Filled(folder, asyncio.run(fill()), receiver)


async def quarantine(relay: RunningRelay) -> None:
    async with plain_client(base_url=f"{relay.url}/webhooks") as client:
        await client.post("/elasticpath", content=SAMPLES["order.paid"], headers={"X-MOLTIN-SECRET-KEY": "a-guess"})
        await client.post("/elasticpath", content=b"{not JSON", headers=HEADERS)


@pytest.fixture
def journal(filled: Filled, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """A copy of the journal in the working directory, with a configuration that names it."""
    shutil.copy(filled.folder / "relay.db", folder)
    for name, value in configuration(folder, {"segment": "http://127.0.0.1:9"}, **DRY).items():
        monkeypatch.setenv(name, value)
    return filled


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [event["id"] for event in found]


# --- events ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        (("1001",), ("order.created", "order.paid", "order.updated")),
        ((ORDER_ID,), ("order.created", "order.paid", "order.updated", "again")),
        ((CUSTOMER_ID,), UNITED),
        ((EMAIL.upper(), "--topic", "order.paid"), ("order.paid", "again")),
        (("--topic", "order.shipped"), ("ignored",)),
        (("--outcome", "dead"), ("bad",)),
        (("--outcome", "dead", "--destination", "dry"), ()),
        (("--outcome", "duplicate"), ("again",)),
        (("--outcome", "skipped", "--code", "template_empty"), ("skipped",)),
        (("--code", "call_refused"), ("bad",)),
        (("--tracked-event", "order_completed"), ("order.paid", "again")),
        (("--source", "elasticpath", "--since", "1h", "--outcome", "ignored"), ("ignored",)),
        (("--since", "2100-01-01"), ()),
        (("--until", "2020-01-01T10:00Z"), ()),
        (("--source", "nobody"), ()),
        (("no such key",), ()),
        (("--limit", "1", "--until", "2100-01-01"), ("skipped",)),
    ],
)
def test_events_are_found(journal: Filled, relay: Relay, arguments: tuple[str, ...], titles: tuple[str, ...]) -> None:
    ran = relay("events", *arguments, "--json")

    assert ran.code == 0
    assert ids(ran.json) == sorted((journal.ids[title] for title in titles), reverse=True)
    told = relay("events", *arguments)
    assert told.code == 0
    for title in titles:
        assert str(journal.ids[title]) in told.out
    assert titles or told.out == "No such events.\n"


def test_events_tell_their_ends(journal: Filled, relay: Relay) -> None:
    (event,) = relay("events", "bad", "--json").json

    assert (event["topic"], event["entity"], event["lane"]) == ("order.created", "order:bad", "live")
    assert event["outcomes"] == ["dead@segment", "skipped@dry"]
    assert event["received_at"].endswith("Z")
    assert "dead@segment" in relay("events", "bad").out


def test_dead(journal: Filled, relay: Relay) -> None:
    assert ids(relay("dead", "--json").json) == [journal.ids["bad"]]
    assert ids(relay("dead", "--destination", "segment", "--code", "call_refused", "--json").json) == [
        journal.ids["bad"]
    ]
    assert relay("dead", "--code", "guard_size", "--json").json == []
    assert "dead@segment" in relay("dead").out


# --- show ------------------------------------------------------------------------------------


def test_show_tells_the_whole_story_and_masks_the_key(journal: Filled, relay: Relay) -> None:
    ran = relay("show", journal.ids["bad"], "--json")
    told = ran.json

    assert told["event"]["id"] == journal.ids["bad"]
    assert orjson.loads(told["event"]["body"])["triggered_by"] == "order.created"
    assert set(told["keys"]) == {"bad", EMAIL, "customer-1"}
    (call,) = told["calls"]
    assert orjson.loads(call["text"])["event"] == "Checkout Started"
    ended = {outcome["destination"]: (outcome["kind"], outcome["code"]) for outcome in told["outcomes"]}
    assert ended == {"segment": ("dead", "call_refused"), "dry": ("skipped", "test_mode")}
    tried = {attempt["destination"]: attempt for attempt in told["attempts"]}
    assert (tried["segment"]["status"], tried["segment"]["answer"]) == (400, "400 total: must be positive")
    assert (tried["dry"]["status"], tried["dry"]["verdict"], tried["segment"]["request"]) == (0, "test", "")
    request = orjson.loads(tried["dry"]["request"])
    assert request["writeKey"] == "***"
    assert "bad" in [each["properties"]["order_id"] for each in request["batch"]]

    person = relay("show", journal.ids["bad"])
    assert person.code == 0
    for word in ("call_refused", "total: must be positive", "relay show", "would have been sent", "test_mode"):
        assert word in person.out
    for secret in (WRITE_KEY, SECRET):
        assert secret not in ran.out + person.out


def test_show_of_each_other_end(journal: Filled, relay: Relay) -> None:
    for title, code in (("ignored", "no_tracked_event"), ("skipped", "template_empty"), ("again", "already_delivered")):
        told = relay("show", journal.ids[title], "--json").json
        assert code in [outcome["code"] for outcome in told["outcomes"]]
        assert code in relay("show", journal.ids[title]).out


# --- quarantine ------------------------------------------------------------------------------


def test_quarantine(journal: Filled, relay: Relay) -> None:
    broken, guessed = relay("quarantine", "--json").json
    assert (broken["code"], guessed["code"]) == ("body_not_json", "signature_mismatch")
    listed = relay("quarantine").out
    assert "body_not_json" in listed
    assert "signature_mismatch" in listed
    assert relay("quarantine", "--source", "nobody", "--json").json == []
    assert relay("quarantine", "--source", "nobody").out == "Nothing is in quarantine.\n"
    assert len(relay("quarantine", "--limit", "1", "--json").json) == 1

    one = relay("quarantine", guessed["id"], "--unmasked", "--json")
    assert one.json["body"].encode() == SAMPLES["order.paid"]
    assert "a-guess" not in one.out
    whole = relay("quarantine", broken["id"], "--unmasked")
    assert "{not JSON" in whole.out
    assert SECRET not in whole.out


def test_quarantine_shows_no_personal_data_unless_asked(journal: Filled, relay: Relay) -> None:
    broken, guessed = relay("quarantine", "--json").json
    order = orjson.loads(SAMPLES["order.paid"])["payload"]["data"]
    assert order["customer"]["email"] in relay("quarantine", guessed["id"], "--unmasked").out
    for shown in (relay("quarantine", guessed["id"]).out, relay("quarantine", "--json").out):
        assert order["customer"]["email"] not in shown
        assert order["customer"]["name"] not in shown
    assert order["id"] in relay("quarantine", guessed["id"]).out
    assert "{xxx xxxx" in relay("quarantine", broken["id"]).out


def test_quarantine_takes_an_id_or_recheck(journal: Filled, relay: Relay) -> None:
    assert relay("quarantine", "rechek").code == 2
    assert relay("quarantine", "1", "--run").code == 2
    assert relay("quarantine", "99999").code == 1
    assert relay("quarantine", "recheck", "--source", "nobody").code == 2
    assert relay("quarantine", "recheck", "--json").json == {
        "genuine": 0,
        "appended": 0,
        "duplicates": 0,
        "refused": {"signature_mismatch": 2},
    }, "without the key that lay beside the journal, no secret can be recognised"
    assert "signature_mismatch" in relay("quarantine", "recheck").out


# --- replay ----------------------------------------------------------------------------------


def events_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "relay.db")) as database:
        return int(database.execute("select count(*) from events").fetchone()[0])


def test_replay_counts_first_and_appends_with_run(journal: Filled, folder: Path, relay: Relay) -> None:
    before = events_in(folder)
    assert "bad_argument" in relay("replay", "--all", "--as-rendered", "--fetch-anew").err
    dry = relay("replay", "--topic", "order.paid", "--json").json
    assert (dry["events"], dry["appended"]) == (2, 0)
    assert ids(dry["sample"]) == [journal.ids["again"], journal.ids["order.paid"]]
    assert "2 events would be replayed" in relay("replay", "--topic", "order.paid").out
    assert events_in(folder) == before

    done = relay("replay", "--topic", "order.paid", "--run", "--json").json
    assert (done["events"], done["appended"]) == (2, 2)
    assert events_in(folder) == before + 2
    person = relay("replay", journal.ids["bad"], "--run")
    assert (person.code, person.out) == (0, "1 event in the replay lane; a running relay works them now.\n")


def test_what_was_replayed_before_is_counted_and_replayed_once(journal: Filled, folder: Path, relay: Relay) -> None:
    before = events_in(folder)
    for _ in range(2):
        assert relay("replay", "--all", "--json").json["events"] == before
        assert relay("replay", "--all", "--run", "--json").json["appended"] == before
    assert events_in(folder) == 3 * before


def test_replayed_facts_that_were_delivered_end_as_duplicates(journal: Filled, folder: Path, relay: Relay) -> None:
    assert relay("replay", "--topic", "order.paid", "--run").code == 0
    assert relay("replay", "--outcome", "dead", "--run").code == 0
    receiver = Receiver()

    async def work() -> None:
        async with serve(receiver) as host, running(configuration(folder, {"segment": host})) as running_relay:
            await drained(running_relay)

    asyncio.run(work())
    assert receiver.orders == ["bad"]
    replays = [event for event in relay("events", "--json").json if event["lane"] == "replay"]
    assert {event["replay_of"]: event["outcomes"] for event in replays} == {
        journal.ids["order.paid"]: ["duplicate@segment"],
        journal.ids["again"]: ["duplicate@segment"],
        journal.ids["bad"]: ["delivered@segment"],
    }
    told = relay("show", journal.ids["bad"], "--json").json
    assert told["replays"] == [event["id"] for event in replays if event["replay_of"] == journal.ids["bad"]]


# --- render ----------------------------------------------------------------------------------


def test_render_shows_what_would_be_sent(journal: Filled, folder: Path, relay: Relay) -> None:
    (folder / "paid.json").write_bytes(SAMPLES["order.paid"])
    before = events_in(folder)
    ran = relay("render", "paid.json", "--source", "elasticpath", "--json")

    assert ran.code == 0
    (call,) = ran.json["calls"]
    assert (call["event"], call["properties"]["order_id"]) == ("Order Completed", ORDER_ID)
    assert ran.json["outcomes"] == []
    person = relay("render", "paid.json", "-s", "elasticpath")
    assert '"Order Completed"' in person.out
    assert events_in(folder) == before


CRM = """
[destinations.crm]
kind = "http"
url = "https://crm.example.com/orders"
query = { key = "k3y-of-the-crm" }
tracked_events = ["order_completed"]

[destinations.metrics]
kind = "segmetrics"
account_id = "ACC123"
integration_id = "INT456"
api_key = "k3y-of-segmetrics"
timezone = "Europe/Berlin"
"""


def test_render_shows_what_a_destination_would_be_sent(journal: Filled, folder: Path, relay: Relay) -> None:
    with (folder / "relay.toml").open("a") as file:
        file.write(CRM)
    for name in ("order.paid", "customer.created"):
        (folder / f"{name}.json").write_bytes(SAMPLES[name])

    def shown(file: str, destination: str) -> Any:
        (told,) = relay("render", file, "-s", "elasticpath", "-d", destination, "--json").json["requests"]
        return told

    (contact, invoice) = shown("order.paid.json", "metrics")["requests"]
    assert contact["to"] == "POST https://import.segmetrics.io/api/v1/ACC123/INT456/contact"
    assert invoice["body"]["invoice"]["amount"] == 10320
    (call,) = shown("order.paid.json", "crm")["requests"]
    assert (call["to"], call["body"]["event"]) == ("POST https://crm.example.com/orders", "Order Completed")
    assert shown("customer.created.json", "crm")["outcome"]["code"] == "filtered"
    for destination in ("crm", "metrics"):
        person = relay("render", "order.paid.json", "-s", "elasticpath", "-d", destination)
        assert "k3y" not in person.out
        assert f"{destination} order_completed: POST https://" in person.out
    assert "No destination 'nobody'" in relay("render", "order.paid.json", "-s", "elasticpath", "-d", "nobody").err


def test_a_case_of_a_mapping_is_made_of_a_stored_event(journal: Filled, folder: Path, relay: Relay) -> None:
    with (folder / "relay.toml").open("a") as file:
        file.write(CRM)
    new = ("test", "--new", journal.ids["order.paid"], "-d", "metrics")

    (written,) = relay(*new, "--json").json["written"]

    path = (
        folder / "templates/destinations/segmetrics/cases/order_completed" / f"event-{journal.ids['order.paid']}.json"
    )
    case = orjson.loads(path.read_bytes())
    assert written["file"] == str(path)
    assert list(case) == ["call", "earlier", "settings", "records"]
    assert EMAIL not in path.read_text()
    assert case["records"][0]["contact"]["email"] == case["call"]["context"]["traits"]["email"]
    assert case["records"][1]["invoice"]["amount"] == 10320
    assert relay("test", path).code == 0
    assert "is already there" in relay(*new).err
    assert "has no mapping" in relay("test", "--new", journal.ids["order.paid"], "-d", "crm").err
    assert "No destination 'nobody'" in relay("test", "--new", journal.ids["order.paid"], "-d", "nobody").err
    assert "There is no event 99" in relay("test", "--new", "99", "-d", "metrics").err


def test_render_tells_why_nothing_is_sent(journal: Filled, folder: Path, relay: Relay) -> None:
    cases = {
        "ignored": (webhook("order.shipped", "a"), 0, "ignored", "no_tracked_event"),
        "skipped": (webhook("order.created", "a", anonymized=True), 0, "skipped", "template_empty"),
    }
    for name, (body, code, outcome, reason) in cases.items():
        (folder / name).write_bytes(body)
        ran = relay("render", name, "--source", "elasticpath", "--json")
        assert (ran.code, ran.json["calls"]) == (code, [])
        assert [(end["outcome"], end["code"]) for end in ran.json["outcomes"]] == [(outcome, reason)]
        assert reason in relay("render", name, "--source", "elasticpath").out


def test_render_fails_when_the_template_does(journal: Filled, folder: Path, relay: Relay) -> None:
    template = folder / "templates/sources/elasticpath/order_completed.jsonata"
    template.parent.mkdir(parents=True)
    template.write_text("$number(payload.data.customer.email)")
    (folder / "paid.json").write_bytes(SAMPLES["order.paid"])
    ran = relay("render", "paid.json", "--source", "elasticpath", "--json")

    assert ran.code == 1
    (outcome,) = ran.json["outcomes"]
    assert (outcome["outcome"], outcome["code"]) == ("dead", "template_failed")
    assert "order_completed.jsonata" in outcome["detail"]


# --- what is wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("show", 4711), "not_found", 1),
        (("show", 10**30), "not_found", 1),
        (("show", 0), "not_found", 1),
        (("show", "abc"), "bad_argument", 2),
        (("show",), "bad_argument", 2),
        (("quarantine", 4711), "not_found", 1),
        (("quarantine", 10**30), "not_found", 1),
        (("quarantine", "abc"), "bad_argument", 2),
        (("events", "--since", "yesterday"), "bad_argument", 2),
        (("events", "--until", "99999-01-01"), "bad_argument", 2),
        (("events", "--outcome", "lost"), "bad_argument", 2),
        (("events", "--limit", "0"), "bad_argument", 2),
        (("events", "--nonsense"), "bad_argument", 2),
        (("dead", "--since", "soon"), "bad_argument", 2),
        (("replay",), "bad_argument", 2),
        (("replay", "--run"), "bad_argument", 2),
        (("replay", "abc", "--run"), "bad_argument", 2),
        (("render", "nowhere.json", "--source", "elasticpath"), "bad_argument", 2),
        (("render", ".", "--source", "elasticpath"), "bad_argument", 2),
        (("render", "relay.db"), "bad_argument", 2),
        (("render", "relay.db", "--source", "elasticpath", "--header", "topic"), "bad_argument", 2),
        (("render", "relay.db", "--source", "nobody"), "bad_argument", 2),
        (("render", "relay.db", "--source", "elasticpath"), "body_not_json", 1),
    ],
)
def test_a_mistake_is_told_clearly(
    journal: Filled, relay: Relay, arguments: tuple[object, ...], code: str, exit_code: int
) -> None:
    ran = relay(*arguments, "--json")
    assert (ran.code, ran.error["code"]) == (exit_code, code)
    assert ran.error["message"]
    assert ran.error["remedy"]
    person = relay(*arguments)
    assert person.code == exit_code
    assert person.err
    assert "Traceback" not in ran.err + person.err


def test_ids_that_are_not_there_replay_nothing(journal: Filled, folder: Path, relay: Relay) -> None:
    before = events_in(folder)
    ran = relay("replay", 4711, 10**30, "--run", "--json")
    assert (ran.code, ran.json["events"], ran.json["appended"]) == (0, 0, 0)
    assert events_in(folder) == before


@pytest.mark.parametrize(
    "arguments", [("events",), ("show", 1), ("dead",), ("quarantine",), ("quarantine", 1), ("replay", "--all", "--run")]
)
def test_looking_makes_no_journal(folder: Path, relay: Relay, arguments: tuple[object, ...]) -> None:
    ran = relay(*arguments, "--json")

    assert (ran.code, ran.error["code"]) == (1, "not_found")
    assert "relay serve" in ran.error["remedy"]
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_journal_is_told_and_left_alone(
    folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "this is no database, and it is long enough to show it" * 10
    Path("relay.db").write_text(text)
    ran = relay("events", "--json")

    assert (ran.code, ran.error["code"]) == (1, "journal_unavailable")
    assert Path("relay.db").read_text() == text


@pytest.mark.parametrize("command", ["events", "replay"])
def test_what_lists_events_and_what_replays_them_choose_by_the_same(command: str) -> None:
    options = {parameter.name for parameter in build().commands[command].params}
    assert {field.name for field in fields(Filters)} <= options
    assert "filters" not in options
