"""docs/templates.md by what it does: expressions are evaluated, changes made, commands run; results are as shown."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from relay.cases.case import Made
from relay.cases.finding import CaseFile, find
from relay.cases.running import check, compared
from relay.cli.rendering_cases import renders
from relay.model import Event, EventId, Lane
from relay.settings.loading import load
from relay.sources import build_source
from relay.templates.checking import problems_of
from relay.templates.engine import EngineLimits, FastEngine
from relay.templates.expressions import Expressions
from relay.templates.library import Library, packaged_templates
from relay.templates.prelude import MOST_CHARACTERS, MOST_DISTINCT, REFUSED
from relay.templates.template import Template
from tests.cli.running import Relay, runner
from tests.posting import plain_client
from tests.running import drained, running

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "templates.md").read_text("utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "order.paid.json"
TEMPLATES = packaged_templates() / "sources" / "elasticpath"
WALK, COOKBOOK = PAGE.index("# Ten minutes"), PAGE.index("# Cookbook")
REFERENCE = PAGE.index("# Reference")

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Code of the page, with what is shown right below it as its result; ``line`` is where it stands."""

    line: int
    start: int
    language: str
    text: str
    result: str | None


def blocks(*languages: str) -> Iterator[Block]:
    found = list(_FENCE.finditer(PAGE))
    for block, following in zip(found, [*found[1:], None], strict=True):
        result = following[2] if following and following.start() == block.end() else None
        if block[1] in languages:
            yield Block(PAGE.count("\n", 0, block.start()) + 1, block.start(), block[1], block[2], result)


def document() -> dict[str, Any]:
    """The example as a template gets it."""
    options = load(None, {"RELAY_SOURCES__ELASTICPATH__OPEN": "true"}).options.sources["elasticpath"]
    event = Event(EventId(1), Lane.LIVE, 0, "shop", "order.paid", "k", "o", None, 0, "{}", EXAMPLE.read_bytes(), None)
    (found,) = build_source("shop", options, Expressions()).documents(event, {})
    return dict(found)


def assert_shown(shown: str, output: str) -> None:
    """Every line that is shown is printed; … stands for anything, blanks for any blanks."""
    plain = "\n".join(" ".join(line.split()) for line in output.splitlines())
    for line in shown.splitlines():
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
        assert re.search(pattern, plain), f"{line!r} is not in\n{plain}"


def by_line(block: Block) -> str:
    return str(block.line)


EXPRESSIONS = [block for block in blocks("jsonata") if block.result and not block.result.startswith("error:")]
FRAGMENTS = [block for block in blocks("jsonata") if not block.result and "$$.messageId" not in block.text]
MAPPINGS = [block for block in blocks("jsonata") if "$$.messageId" in block.text]
FAULTY = [block for block in blocks("jsonata") if block.result and block.result.startswith("error:")]
CHANGES = list(blocks("diff"))


def test_there_is_something_to_test() -> None:
    assert len(EXPRESSIONS) >= 5
    assert len(FRAGMENTS) >= 4
    assert len(CHANGES) >= 6
    assert FAULTY
    assert len([block for block in blocks("sh") if block.result]) >= 5


# --- expressions, fragments, errors ---------------------------------------------------------


@pytest.mark.parametrize("block", EXPRESSIONS, ids=by_line)
def test_an_expression_gives_what_is_shown(block: Block) -> None:
    template = Template.of("elasticpath", "order_completed", Path("docs"), block.text)
    result = FastEngine(EngineLimits()).render(template, json.dumps(document()), {}, now_ms=0)
    assert orjson.loads(result or "null") == json.loads(block.result or "")


@pytest.mark.parametrize("block", FRAGMENTS, ids=by_line)
def test_a_fragment_is_of_the_packaged_template(block: Block) -> None:
    assert block.text in (TEMPLATES / "order_completed.jsonata").read_text("utf-8")


def test_a_mapping_makes_a_record_of_each_line() -> None:
    (block,) = MAPPINGS
    products = [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]
    call = {"messageId": "m", "properties": {"order_id": "7", "products": products}}
    template = Template.of("http", "order_completed", Path("docs"), block.text)
    result = FastEngine(EngineLimits()).render(template, json.dumps(call), {}, now_ms=0)
    assert orjson.loads(result or "null") == [
        {"key": "m/A", "order": "7", "sku": "A", "quantity": 1},
        {"key": "m/B", "order": "7", "sku": "B", "quantity": 2},
    ]


@pytest.mark.parametrize("block", FAULTY, ids=by_line)
def test_an_error_looks_as_shown(block: Block) -> None:
    (problem,) = problems_of(block.text, Path("order_completed.jsonata"))
    assert problem.for_person() + "\n" == block.result


def test_the_webhook_that_is_shown_is_of_the_example() -> None:
    (shown,) = [json.loads(block.text) for block in blocks("json") if '"with_tax"' in block.text]

    def is_part(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(name in whole and is_part(inner, whole[name]) for name, inner in part.items())
        if isinstance(part, list):
            return all(is_part(*pair) for pair in zip(part, whole, strict=True))
        return bool(part == whole)

    assert is_part(shown, json.loads(EXAMPLE.read_bytes()))


def test_what_is_refused_is_complete() -> None:
    told = re.search(r"## What is refused\n\n(.*?), because", PAGE, re.DOTALL)
    assert told is not None
    assert set(re.findall(r"`\$(\w+)`", told[1])) == REFUSED
    assert f"make at most {MOST_CHARACTERS:,} characters, `$distinct` takes at most {MOST_DISTINCT:,} items" in PAGE


def test_the_keys_of_a_case_are_complete() -> None:
    from relay.cases.case import KEYS

    section = PAGE.partition("## Cases")[2].partition("Cases do not look")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(KEYS)


# --- changes --------------------------------------------------------------------------------


def changed(template: str, change: str) -> str:
    """``template`` with a diff made on it. Its lines must be there, once and in their order."""
    lines = template.splitlines()
    for hunk in re.split(r"^@@.*\n", change, flags=re.MULTILINE)[1:]:
        before = [line[1:].rstrip() for line in hunk.splitlines() if line[:1] in " -"]
        after = [line[1:].rstrip() for line in hunk.splitlines() if line[:1] in " +"]
        places = [at for at in range(len(lines)) if [line.rstrip() for line in lines[at : at + len(before)]] == before]
        assert len(places) == 1, f"{len(places)} places for\n{hunk}"
        lines[places[0] : places[0] + len(before)] = after
    return "\n".join(lines) + "\n"


def template_of(change: str) -> str:
    found = re.match(r"@@ (\w+)\n", change)
    assert found is not None
    return f"{found[1]}.jsonata"


def made(folder: Path, overlay: Path | None) -> Made:
    """What the example makes."""
    path = folder / "example.json"
    path.write_text(f'{{"webhook": {EXAMPLE.read_text("utf-8")}}}')
    file = CaseFile("elasticpath", "order_completed", "example", path, own=True)
    result = check(file, renders(load(None, {}), Library(packaged_templates(), overlay).snapshot))
    assert result.ran is not None
    assert result.ran.warnings == []
    return result.ran.made


@pytest.mark.parametrize("block", [block for block in CHANGES if block.start > COOKBOOK], ids=by_line)
def test_a_change_changes_what_is_shown(block: Block, tmp_path: Path) -> None:
    name = template_of(block.text)
    path = tmp_path / "sources/elasticpath" / name
    path.parent.mkdir(parents=True)
    path.write_text(changed((TEMPLATES / name).read_text("utf-8"), block.text))
    found = [str(difference) for difference in compared(made(tmp_path, None), made(tmp_path, tmp_path))]
    assert block.result is not None
    assert len(found) == len(block.result.splitlines())
    assert_shown(block.result, "\n".join(found))


@pytest.mark.parametrize("block", [block for block in CHANGES if block.start > COOKBOOK], ids=by_line)
def test_a_change_breaks_on_no_case(block: Block, tmp_path: Path) -> None:
    """Guests, anonymised orders, thin webhooks: none becomes a dead letter by it."""
    name = template_of(block.text)
    path = tmp_path / "sources/elasticpath" / name
    path.parent.mkdir(parents=True)
    path.write_text(changed((TEMPLATES / name).read_text("utf-8"), block.text))
    snapshot = Library(packaged_templates(), tmp_path).snapshot
    packaged = Library(packaged_templates(), None).templates()
    found = find(packaged_templates(), None, packaged).files
    files = [file for file in found if (file.platform, file.tracked_event) == ("elasticpath", path.stem)]
    for file in files:
        result = check(file, renders(load(None, {}), snapshot))
        assert result.ran is not None
        if file.name != "without_id":
            assert not [outcome for outcome in result.ran.made.outcomes if outcome["outcome"] == "dead"], file.id


# --- the ten minutes ------------------------------------------------------------------------


async def receive_example(secret: str) -> None:
    """What `relay serve` and curl do, in this process."""
    async with running({"RELAY_SERVER__PORT": "0"}) as relay, plain_client(base_url=relay.url) as client:
        headers = {"X-MOLTIN-SECRET-KEY": secret, "Content-Type": "application/json"}
        posted = await client.post("/webhooks/elasticpath", content=EXAMPLE.read_bytes(), headers=headers)
        assert posted.status_code == 200
        await drained(relay)


@pytest.fixture
def relay(capsys: pytest.CaptureFixture[str]) -> Relay:
    return runner(capsys)


def test_the_ten_minutes_go_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: Relay) -> None:
    """Every command in its order, every change where it stands."""
    monkeypatch.chdir(tmp_path)
    ran: list[str] = []
    for block in blocks("sh", "diff"):
        if not WALK < block.start < REFERENCE:
            continue
        if block.language == "diff":
            path = Path("templates/sources/elasticpath") / template_of(block.text)
            path.write_text(changed(path.read_text("utf-8"), block.text))
            continue
        for line in block.text.splitlines():
            command, _, then = line.partition(" && ")
            if not command.startswith("relay "):
                continue
            if command == "relay serve":
                secret = load(None, {}).options.sources["elasticpath"].secret[0].get_secret_value()
                asyncio.run(receive_example(secret))
                continue
            arguments = shlex.split(command)[1:]
            arguments = [str(EXAMPLE) if argument.endswith("order.paid.json") else argument for argument in arguments]
            output = relay(*arguments)
            ran.append(" ".join(arguments[:2]))
            assert output.code == (1 if command == "relay test" else 0), output
            assert_shown(block.result or "", output.out)
            if then.startswith("cd "):
                monkeypatch.chdir(tmp_path / then.removeprefix("cd "))
    assert ran[:3] == ["init shop", "events", "show 1"]
    assert ran[-2:] == ["test --new", "test --verbose"]
    assert "Ada" not in Path("templates/sources/elasticpath/cases/order_completed/scarf.json").read_text("utf-8")
