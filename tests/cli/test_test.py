"""`relay test`: runs cases, shows what changed, writes it down, watches, and makes cases of stored events."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Timer
from typing import IO, Any
from xml.etree import ElementTree as Xml

import pytest

from relay.cli import rendering_cases
from relay.journal.sqlite import SqliteJournal
from relay.model import EventId, Lane, NewEvent
from relay.templates.library import Library, packaged_templates
from tests.cases.making import CALL, put_case, put_template
from tests.cli.running import Ran, Relay
from tests.sources import making

TEMPLATE = CALL + "}"
EXPECTED = {
    "type": "track",
    "event": "E",
    "messageId": "e-1/order_completed/0",
    "userId": "u",
    "properties": {"id": "o-1"},
    "timestamp": "2026-01-01T00:00:00.000Z",
}
PACKAGED = len(list(packaged_templates().glob("*/*/cases/*/*.json")))


@pytest.fixture
def templates(folder: Path) -> Path:
    """A template of the user's own."""
    put_template(folder / "templates", "order_completed", TEMPLATE)
    return folder / "templates"


def test_the_packaged_cases_pass_in_an_empty_folder(folder: Path, relay: Relay) -> None:
    ran = relay("test")
    assert ran.code == 0
    assert ran.out.startswith("." * PACKAGED + "\n")
    assert re.search(rf"^{PACKAGED} passed in \d+\.\d\d s$", ran.out, re.MULTILINE)


def test_cases_that_init_copied_are_the_user_s(folder: Path, relay: Relay) -> None:
    assert relay("init", "--templates").code == 0
    ran = relay("test", "-v")
    assert ran.code == 0
    assert f"{PACKAGED} passed" in ran.out
    assert "passed  elasticpath/order_completed/guest\n" in ran.out
    template = folder / "templates/sources/elasticpath/order_completed.jsonata"
    template.write_text(template.read_text().replace('"Order Completed"', '"Bought"'))
    ran = relay("test", "-k", "order_completed/plain")
    assert ran.code == 1
    assert 'calls[0].event: "Order Completed" → "Bought"' in ran.out
    assert "1 failed in" in ran.out


def test_packaged_cases_of_a_replaced_template_are_left_out_and_it_is_said(templates: Path, relay: Relay) -> None:
    count = len(list((packaged_templates() / "sources/elasticpath/cases/order_completed").iterdir()))
    ran = relay("test")
    assert ran.code == 0
    assert f"{PACKAGED - count} passed" in ran.out
    assert f"{count} packaged cases of elasticpath/order_completed left out" in ran.out
    (skipped,) = relay("test", "--json").json["left_out"]
    assert skipped == {"platform": "elasticpath", "tracked_event": "order_completed", "cases": count}


def test_a_failure_shows_what_changed(templates: Path, relay: Relay) -> None:
    path = put_case(templates, "order_completed", "mine", calls=[EXPECTED | {"properties": {"id": 7, "total": 103.2}}])
    ran = relay("test", path)
    assert ran.code == 1
    assert ran.out.startswith("F\n")
    assert f"failed  elasticpath/order_completed/mine\n  {path}\n" in ran.out
    assert 'calls[0].properties.id: 7 → "o-1"\n' in ran.out
    assert "calls[0].properties.total: 103.2 → nothing\n" in ran.out


def test_a_dead_outcome_is_explained(templates: Path, relay: Relay) -> None:
    put_template(templates, "order_completed", '{\n  "a": $money(1, "X")\n}')
    path = put_case(templates, "order_completed", "mine", calls=[])
    out = relay("test", path).out
    assert "dead template_failed: order_completed: " in out
    assert "order_completed.jsonata:2:" in out


def test_a_new_case_shows_what_comes_out_and_update_writes_it_down(templates: Path, relay: Relay) -> None:
    path = put_case(templates, "order_completed", "mine")
    before = path.read_text()
    ran = relay("test", path)
    assert ran.code == 1
    assert ran.out.startswith("N\n")
    assert "--update" in ran.out
    assert '"messageId": "e-1/order_completed/0"' in ran.out
    assert path.read_text() == before

    ran = relay("test", path, "--update")
    assert ran.code == 0
    assert f"written  {path}" in ran.out
    assert path.read_text().startswith(before.removesuffix("\n}\n"))
    assert json.loads(path.read_text())["calls"] == [EXPECTED]
    assert relay("test", path).code == 0
    assert "written" not in relay("test", path, "--update").out


def test_update_writes_outcomes_too_and_leaves_what_is_packaged(templates: Path, relay: Relay) -> None:
    put_template(templates, "order_completed", "()")
    path = put_case(templates, "order_completed", "mine", calls=[EXPECTED])
    assert relay("test", "--update").code == 0
    written = json.loads(path.read_text())
    assert written["outcomes"] == [{"outcome": "skipped", "code": "template_empty"}]
    assert "calls" not in written
    assert [file.name for file in path.parent.iterdir()] == ["mine.json"]


def test_broken_cases_are_told_and_the_others_run(templates: Path, relay: Relay) -> None:
    broken = put_case(templates, "order_completed", "broken", calss=[])
    put_case(templates, "order_complet", "astray", calls=[])
    ran = relay("test", "--update")
    assert ran.code == 1
    assert "unknown key `calss`; did you mean `calls`?" in ran.out
    assert "elasticpath has no tracked event 'order_complet'; did you mean `order_completed`?" in ran.out
    assert re.search(r"\d\d passed, 2 broken in", ran.out)
    assert "calss" in broken.read_text()


def test_json(templates: Path, relay: Relay) -> None:
    put_case(templates, "order_completed", "mine", calls=[EXPECTED | {"event": "F"}])
    ran = relay("test", "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    (case,) = [case for case in ran.json["cases"] if case["status"] != "passed"]
    assert case["id"] == "elasticpath/order_completed/mine"
    assert case["differences"] == [{"path": "calls[0].event", "expected": "F", "actual": "E"}]
    assert case["calls"] == [EXPECTED]


def test_junit(templates: Path, relay: Relay) -> None:
    put_case(templates, "order_completed", "mine", calls=[EXPECTED | {"event": "F\x00\ud800<&>"}])
    put_case(templates, "order_completed", "broken", calss=[])
    put_case(templates, "order_completed", "new")
    assert relay("test", "--junit", "out.xml").code == 1
    suite = Xml.parse("out.xml").getroot()[0]
    cases = {f"{case.get('classname')}/{case.get('name')}": case for case in suite}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(len(cases)), "2", "1")
    failed = cases["elasticpath.order_completed/mine"]
    assert str(failed.get("file")).endswith("mine.json")
    (failure,) = failed
    assert (failure.tag, str(failure.get("message")).startswith('calls[0].event: "F')) == ("failure", True)
    assert [child.tag for child in cases["elasticpath.order_completed/broken"]] == ["error"]
    assert list(cases["elasticpath.customer_created/plain"]) == []


def test_engines(templates: Path, relay: Relay) -> None:
    put_template(templates, "order_completed", CALL.replace("payload.data.id", "$string(1e20)") + "}")
    put_case(templates, "order_completed", "mine")
    assert relay("test", "-k", "mine", "--update").code == 0
    assert relay("test", "-k", "mine").code == 0
    both = relay("test", "-k", "mine", "--engine", "both")
    assert both.code == 1
    assert "engines" in both.out
    assert "calls[0].properties.id" in relay("test", "-k", "mine", "--engine", "reference").out


def test_warnings_are_told_and_fail_a_case_only_where_the_configuration_is_strict(
    templates: Path, relay: Relay
) -> None:
    put_template(templates, "order_completed", CALL.replace('"E"', '"Order Complete"') + "}")
    put_case(templates, "order_completed", "mine", calls=[EXPECTED | {"event": "Order Complete"}])
    ran = relay("test", "-k", "mine")
    assert ran.code == 0
    assert "warning  elasticpath/order_completed/mine: `event` is `Order Complete`: did you mean" in ran.out
    (case,) = relay("test", "-k", "mine", "--json").json["cases"]
    assert "guard_spec" in case["warnings"][0]
    Path("relay.toml").write_text("[templates]\nstrict = true")
    strict = relay("test")
    assert strict.code == 1
    assert 'outcomes[0]: nothing → {"outcome":"dead","code":"guard_spec"}' in strict.out
    assert "1 failed in" in strict.out


def test_a_slow_template_passes_with_a_warning(templates: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    put_case(templates, "order_completed", "mine", calls=[EXPECTED])
    monkeypatch.setattr(rendering_cases, "perf_counter", count().__next__)
    ran = relay("test", "-k", "mine")
    assert ran.code == 0
    assert "warning  elasticpath/order_completed/mine: it took 1000 ms; templates.timeout_ms is 250" in ran.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere is not there."),
        (["-k", "zebra"], "There is no case -k zebra."),
        (["--name", "x"], "--name and --destination go with --new."),
        (["--destination", "x"], "--name and --destination go with --new."),
        (["--update", "--watch"], "--update goes neither with --watch"),
        (["--update", "--engine", "both"], "--update goes neither with"),
        (["--new", "1", "-k", "x"], "--new goes with nothing but"),
        (["--new", "1", "--name", "../x"], "is not fit for a file"),
        (["--watch"], "There is no folder"),
        (["--engine", "slow"], "slow"),
    ],
)
def test_a_command_line_that_cannot_be_meant(folder: Path, relay: Relay, arguments: list[str], told: str) -> None:
    ran = relay("test", *arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


def test_a_broken_template_is_told_with_its_place(templates: Path, relay: Relay) -> None:
    put_template(templates, "order_completed", '{"a":\n  ]}')
    ran = relay("test")
    assert ran.code == 1
    assert "order_completed.jsonata:2:3" in ran.err


# --- new cases of stored events -------------------------------------------------------------

TOML = '[sources.shop]\nplatform = "elasticpath"\nsecret = "s"\naffiliation = "Faro & Co"\n'


def store(body: Any, topic: str = "order.paid", source: str = "shop", fetched: dict[str, Any] | None = None) -> EventId:
    """In a journal in the working directory."""

    async def stored() -> EventId:
        journal = await SqliteJournal.open(Path("relay.db"), partitions=8, exclusive=True)
        event = NewEvent(
            Lane.LIVE, 0, source, topic, "key", "order:1", None, 1_700_000_000_000, "{}", json.dumps(body).encode()
        )
        appended = await journal.append(event)
        if fetched:
            await journal.store_fetched(appended.event_id, fetched)
        await journal.close()
        return appended.event_id

    return asyncio.run(stored())


def new(relay: Relay, *arguments: object) -> Ran:
    Path("relay.toml").write_text(TOML)
    return relay("test", "--new", *arguments)


def test_a_case_of_a_stored_event_is_masked_and_passes(folder: Path, relay: Relay) -> None:
    ran = new(relay, store(making.envelope(payload=making.order())), "--name", "paid")
    assert ran.code == 0
    path = folder / "templates/sources/elasticpath/cases/order_completed/paid.json"
    assert f"written  {path}\n" in ran.out
    assert "masked   name (1), e-mail (1)\n" in ran.out
    assert "Read it before you keep it" in ran.out
    written = json.loads(path.read_text())
    assert list(written) == ["webhook", "source", "settings", "receivedAt", "calls"]
    assert written["settings"] == {"affiliation": "Faro & Co"}
    assert written["calls"][0]["context"]["traits"]["email"] == "person-1@example.com"
    assert "ines" not in path.read_text().lower()
    assert relay("test", path).code == 0


def test_a_case_with_fetched_documents(folder: Path, relay: Relay) -> None:
    thin = making.envelope(resources={"type": "order", "id": making.ORDER_ID})
    ran = new(relay, store(thin, fetched={"order": making.order()}), "--json")
    assert ran.code == 0
    (written,) = ran.json["written"]
    assert written["masked"] == {"name": 1, "e-mail": 1}
    assert written["file"].endswith("/order_completed/event-1.json")
    assert json.loads(Path(written["file"]).read_text())["calls"][0]["properties"]["total"] == 42
    assert relay("test", "-k", "event-1").code == 0


def test_a_case_is_never_overwritten(folder: Path, relay: Relay) -> None:
    event = store(making.envelope(payload=making.order()))
    assert new(relay, event).code == 0
    path = folder / "templates/sources/elasticpath/cases/order_completed/event-1.json"
    before = path.read_bytes()
    again = new(relay, event)
    assert again.code == 1
    assert "file_exists" in again.err
    assert path.read_bytes() == before


def test_one_case_for_each_tracked_event_of_the_topic(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text(TOML + '[sources.shop.tracking]\norder_updated = ["order.updated", "order.paid"]\n')
    assert relay("test", "--new", store(making.envelope(payload=making.order()))).code == 0
    names = sorted(path.parent.name for path in (folder / "templates").rglob("event-1.json"))
    assert names == ["order_completed", "order_updated"]
    assert relay("test", "-k", "event-1").code == 0


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"source": "gone"}, "source_removed"),
        ({"topic": "order.cancellled"}, "no_tracked_event"),
        ({"body": []}, "case_invalid"),
    ],
)
def test_an_event_that_makes_no_case(folder: Path, relay: Relay, event: dict[str, Any], code: str) -> None:
    ran = new(relay, store(**{"body": making.envelope(payload=making.order()), **event}))
    assert ran.code == 1
    assert code in ran.err
    assert not (folder / "templates").exists()


def test_no_event_and_no_journal(folder: Path, relay: Relay) -> None:
    assert "There is no journal" in new(relay, 1).err
    store({})
    assert "There is no event 99." in new(relay, 99).err


# --- watching -------------------------------------------------------------------------------


@pytest.fixture
def watching(templates: Path) -> Iterator[IO[str]]:
    """`relay test --watch` in a process of its own; what it prints."""
    command = [sys.executable, "-m", "relay", "test", "-k", "mine", "--watch"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    put_case(templates, "order_completed", "mine", calls=[EXPECTED])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=templates.parent
    )
    assert process.stdout is not None
    watchdog = Timer(30, process.kill)
    watchdog.start()
    try:
        yield process.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def until(output: IO[str], told: str) -> str:
    """What is printed up to the end of a run, which must have ``told`` in it."""
    lines = ""
    for line in output:
        lines += line
        if line.startswith("Waiting for a change"):
            break
    assert told in lines
    return lines


def test_watching_runs_again_and_survives_a_broken_template(templates: Path, watching: IO[str]) -> None:
    until(watching, "1 passed")
    put_template(templates, "order_completed", TEMPLATE.replace('"E"', '"F"'))
    assert 'calls[0].event: "E" → "F"' in until(watching, "1 failed")
    put_template(templates, "order_completed", '{"a":\n  ]}')
    assert "order_completed.jsonata:2:3" in until(watching, "template_invalid")
    put_template(templates, "order_completed", TEMPLATE)
    until(watching, "1 passed")
    put_case(templates, "order_completed", "mine", calls=[])
    until(watching, "1 failed")


def test_the_templates_of_the_tests_are_sound(templates: Path) -> None:
    assert Library(packaged_templates(), templates).templates()
