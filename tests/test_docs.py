"""README and docs say what the code does: commands, options, metrics, log events, answers, examples, links."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from relay.cases import mapping_case
from relay.cli import build
from relay.cli.frame import globals_first
from relay.codes import CODES
from relay.destinations.contract import Answer
from relay.destinations.segment import Segment
from relay.destinations.segmetrics import SegMetrics
from relay.pipeline.call_mapping import mapping_bindings
from relay.settings.describing import describe
from relay.settings.loading import load
from relay.settings.options import RelayOptions, SegmentOptions, SegMetricsOptions
from relay.templates.contract import EngineLimits
from relay.templates.engine import FastEngine
from relay.templates.template import Template
from relay.web import tracking, webhooks
from tests.cli.running import Relay, runner
from tests.posting import plain_client
from tests.running import HEADERS, configuration, drained, running

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = ROOT / "docs" / "examples" / "order.paid.json"

TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -qc constraints.txt -e '.[dev]' && .venv/bin/pytest"
DEMO_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -qc constraints.txt . && .venv/bin/relay demo"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_RELAY = re.compile(r"(?:.*[\s/=])?relay +((?:[a-z]|--(?:config|debug|version)).*)")
_SETTING = re.compile(r"[a-z]+\.[a-z_.<>]+(?: = .*)?$")
_ENTRY = re.compile(r"^(sources|destinations)\.[^.]+\.")
_METRIC = re.compile(r"\brelay_[a-z_]+")


class Example(NamedTuple):
    """A piece of a page; ``place`` names it in a failure."""

    place: str
    text: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(*languages: str) -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in _FENCE.finditer(text):
            if found[1] in languages:
                yield Example(f"{name_of(page)}:{text.count(chr(10), 0, found.start()) + 1}", found[2])


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def spans(page: Path) -> list[str]:
    """What stands as code within the text."""
    return _INLINE.findall(prose(page))


def commands() -> Iterator[Example]:
    """What follows `relay` on every command line, in code of any kind."""
    lines = [Example(place, line) for place, text in blocks("sh", "ini") for line in text.splitlines()]
    lines += [Example(name_of(page), span) for page in PAGES for span in spans(page)]
    for place, line in lines:
        for part in re.split(r"[|;&]", line.partition("  #")[0]):
            if found := _RELAY.match(part):
                yield Example(place, found[1])


def table(page: str, *head: str) -> list[list[str]]:
    """The rows of the tables of a page whose first columns are ``head``."""
    rows: list[list[str]] = []
    inside = False
    for line in (ROOT / page).read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[: len(head)] == list(head):
            inside = True
        elif inside and not set("".join(cells)) <= set("-: "):
            rows.append(cells)
    assert rows, f"{page} has no table {head}"
    return rows


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


# --- commands -------------------------------------------------------------------------------


def test_the_test_command_is_what_ci_runs() -> None:
    shown = [line for _, text in blocks("sh") for line in text.splitlines()]
    assert TEST_COMMAND in shown
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_demo_command_is_in_the_readme() -> None:
    assert DEMO_COMMAND in README.read_text("utf-8").splitlines()


def test_there_are_commands_to_check() -> None:
    assert len(list(commands())) > 40


def test_commands_and_their_options_exist() -> None:
    root = build()
    wrong = [f"{place}: relay {line}" for place, line in commands() if not understood(root, line)]
    assert not wrong


def understood(root: Any, line: str) -> bool:
    """Whether the command exists and has these options; values are not looked at."""
    arguments = [argument for argument in globals_first(shlex.split(line)) if argument != "…"]
    if arguments[0] in ("--config", "--debug", "--version"):
        arguments = arguments[2 if arguments[0] == "--config" else 1 :]
    if not arguments:
        return True
    command = root.commands.get(arguments[0])
    if command is None:
        return False
    context = command.context_class(command, info_name=command.name)
    known = {form for parameter in command.get_params(context) for form in (*parameter.opts, *parameter.secondary_opts)}
    return {argument.partition("=")[0] for argument in arguments[1:] if argument.startswith("-")} <= known


def test_options_in_prose_exist() -> None:
    commands = [build(), *build().commands.values()]
    known = {form for command in commands for parameter in command.params for form in parameter.opts}
    assert {span for page in PAGES for span in spans(page) if re.fullmatch(r"--[a-z-]+", span)} <= known


def test_settings_in_prose_exist() -> None:
    known = {name for row in describe() for name in (row.name, row.table)}
    tables = {name.partition(".")[0] for name in known}
    found = {span.partition(" ")[0] for page in PAGES for span in spans(page) if _SETTING.match(span)}
    used = {_ENTRY.sub(r"\1.<name>.", name) for name in found if name.partition(".")[0] in tables}
    assert len(used) > 10
    assert used <= known


# --- what an operator sees ------------------------------------------------------------------


async def test_the_metrics_table_is_complete(tmp_path: Path) -> None:
    environ = configuration(tmp_path, {"segment": "https://api.segment.io"}, DESTINATIONS__SEGMENT__MODE="test")
    async with running(environ) as relay, plain_client(base_url=relay.url) as client:
        posted = await client.post("/webhooks/elasticpath", content=EXAMPLE.read_bytes(), headers=HEADERS)
        assert posted.status_code == 200
        await drained(relay)
        assert (await client.post("/webhooks/elasticpath", content=b"{}")).status_code == 401
        relay.metrics.warned("elasticpath", "order_completed", "guard_spec")
        await client.get("/metrics")
        families = list(relay.metrics.registry.collect())
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families
    }
    rows = table("docs/operations.md", "metric", "type", "labels")
    assert {next(iter(words(metric))): (kind, words(labels)) for metric, kind, labels, *_ in rows} == served


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_metrics_named_anywhere_are_in_the_table(page: Path) -> None:
    known = {next(iter(words(row[0]))) for row in table("docs/operations.md", "metric")}
    used = {re.sub(r"_bucket$", "", metric) for metric in _METRIC.findall(page.read_text("utf-8"))}
    assert used <= known


def test_every_log_event_is_in_the_table() -> None:
    written = {event for file in (ROOT / "relay").rglob("*.py") for event in log_events(file)}
    listed = {next(iter(words(row[0]))) for row in table("docs/operations.md", "event", "level", "logger")}
    assert written <= listed, f"not in docs/operations.md: {written - listed}"
    assert listed - written <= {"message", "waiting", "completion_waiting", "completion_refused"}


def log_events(file: Path) -> Iterator[str]:
    """First arguments, where constant, of calls such as `log.info("attempt", calls=1)`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="debug" | "info" | "warning" | "error" | "exception"),
                args=[ast.Constant(value=str(event))],
            ):
                yield event


def test_answers_to_webhooks_are_as_told() -> None:
    rows = table("docs/sources.md", "status", "code")
    told = {code: int(status) for status, codes, *_ in rows for code in words(codes)}
    assert told.keys() <= CODES.keys()
    elsewhere = {"unknown_source": 404, "body_too_large": 413, "journal_unavailable": 503, "stopping": 503}
    known = {**webhooks.STATUS, **tracking.STATUS, **elsewhere}
    assert told == {code: known.get(code, 400) for code in told}
    assert {*webhooks.STATUS, *tracking.STATUS} - {"endpoint_unknown"} <= told.keys()


def test_answers_of_segment_mean_what_is_told() -> None:
    destination = Segment("segment", SegmentOptions(kind="segment", write_key=SecretStr("write-key")))
    rows = table("docs/destinations.md", "answer", "verdict", "code")
    single = {status: row for row in rows if "any" not in row[0] for status in statuses(row[0])}
    told = {status: row for row in rows if "any" in row[0] for status in statuses(row[0])} | single
    assert told.keys() == set(range(200, 600))
    for status, (_, verdict, code) in told.items():
        decided = destination.decide(Answer(status, {}, b""), records=2, now_ms=0)
        assert (f"`{decided.verdict}`", f"`{decided.code}`") == (verdict, code), status


def statuses(cell: str) -> Iterator[int]:
    for first, last in re.findall(r"(\d{3})(?:–(\d{3}))?", cell):
        yield from range(int(first), int(last or first) + 1)


def test_answers_of_segmetrics_mean_what_is_told() -> None:
    chosen = SegMetricsOptions(
        kind="segmetrics", account_id="a", integration_id="i", api_key=SecretStr("k"), timezone="UTC"
    )
    destination = SegMetrics("segmetrics", chosen)
    success, other = b'{"status":"success"}', b'{"status":"error"}'
    bodies = {"200 `": success, "200 with another": other, "200 without": b"<html>"}
    rows = table("docs/destinations.md", "answer of SegMetrics", "verdict", "code")
    assert len(rows) == 8
    for cell, verdict, code in rows:
        first = next((body for start, body in bodies.items() if cell.startswith(start)), b"")
        for status in statuses(cell):
            body = first if status == 200 else b""
            decided = destination.decide(Answer(status, {}, body), records=1, now_ms=0)
            assert (f"`{decided.verdict}`", f"`{decided.code}`") == (verdict, code), status


def test_what_mappings_see_is_all_that_is_told() -> None:
    (rows,) = [table("docs/templates.md", "", "what a mapping sees")]
    told = {name.removeprefix("$") for cell, *_ in rows for name in words(cell)} - {""}
    assert told == set(mapping_bindings({}))
    (keys,) = [table("docs/templates.md", "key of a mapping's case")]
    assert {word for cell, *_ in keys for word in words(cell)} == set(mapping_case.KEYS)


def test_the_mapping_of_the_page_works() -> None:
    (text,) = [text for place, text in blocks("jsonata") if "$$.messageId" in text]
    order = {"messageId": "m", "properties": {"order_id": "o", "products": [{"sku": "S", "quantity": 2}]}}
    made = FastEngine(EngineLimits()).render(
        Template.of("http", "order_completed", Path("page"), text), json.dumps(order), mapping_bindings({}), now_ms=0
    )
    assert json.loads(made or "") == [{"key": "m/S", "order": "o", "sku": "S", "quantity": 2}]


def test_no_answer_means_what_is_told() -> None:
    destination = Segment("segment", SegmentOptions(kind="segment", write_key=SecretStr("write-key")))
    for _, verdict, code in table("docs/destinations.md", "no answer", "verdict", "code"):
        (error,) = words(code)
        assert error in CODES
        decided = destination.decide(Answer(0, {}, b"", error, ""), records=2, now_ms=0)
        assert f"`{decided.verdict}`" == verdict, error


# --- examples -------------------------------------------------------------------------------


# The platform described by data is tried whole, in tests/pipeline/test_declared_platform.py.
CONFIGURATIONS = [(place, text) for place, text in blocks("toml") if "tinyshop" not in text]


@pytest.mark.parametrize(("place", "text"), CONFIGURATIONS)
def test_configurations_load(place: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(text, "utf-8")
    loaded = load(file, {})
    assert loaded.options.sources or loaded.options.destinations, place


def test_the_tracked_events_are_the_options() -> None:
    shown = {next(iter(words(name))): sorted(words(topic)) for name, topic, *_ in table("README.md", "tracked event")}
    loaded = RelayOptions.model_validate({"sources": {"shop": {"platform": "elasticpath", "secret": "s"}}})
    assert shown == dict(loaded.sources["shop"].tracking)


def test_the_readme_shows_what_the_example_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: Relay) -> None:
    monkeypatch.chdir(tmp_path)
    assert relay("init").code == 0
    rendered = relay("render", EXAMPLE, "--source", "elasticpath", "--json")
    (call,) = rendered.json["calls"]
    shown = next(json.loads(text) for place, text in blocks("json") if place.startswith("README.md"))
    assert shown == call


@pytest.fixture
def relay(capsys: pytest.CaptureFixture[str]) -> Relay:
    return runner(capsys)


def test_the_readme_shows_a_packaged_template() -> None:
    (shown,) = [text for place, text in blocks("jsonata") if place.startswith("README.md")]
    template = (ROOT / "templates/sources/elasticpath/customer_created.jsonata").read_text("utf-8")
    assert shown == re.sub(r"^/\*.*?\*/\n", "", template, flags=re.DOTALL)


def test_json_is_json() -> None:
    found = [json.loads(text) for _, text in blocks("json")]
    assert len(found) > 1


# --- links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


def anchors(page: Path) -> set[str]:
    """As the hosts of repositories make them of headings."""
    headings: list[Any] = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
