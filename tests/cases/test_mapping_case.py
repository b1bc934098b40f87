"""Cases of mappings: a call in, records out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from relay.cases.case import CaseInvalid
from relay.cases.finding import DESTINATIONS, CaseFile, find
from relay.cases.mapping_case import read_mapping_case
from relay.cases.running import Result, check
from relay.cases.updating import update
from relay.cli.rendering_cases import EngineChoice, maps, renders
from relay.settings.loading import load
from relay.templates.library import Library

CALL = {"type": "track", "event": "E", "userId": "u", "properties": {"order_id": "o-1"}}


def put(folder: Path, mapping: str, **members: Any) -> CaseFile:
    place = folder / "destinations/http"
    (place / "cases/order_completed").mkdir(parents=True, exist_ok=True)
    (place / "order_completed.jsonata").write_text(mapping)
    path = place / "cases/order_completed/mine.json"
    path.write_text(json.dumps({"call": CALL, **members}))
    return CaseFile("http", "order_completed", "mine", path, own=True, place=DESTINATIONS)


def ran(folder: Path, mapping: str, choice: EngineChoice = "fast", **members: Any) -> Result:
    file = put(folder, mapping, **members)
    snapshot = Library(folder, None).snapshot
    loaded = load(None, {})
    return check(file, renders(loaded, snapshot, choice), maps=maps(loaded, snapshot, choice))


def test_passed(tmp_path: Path) -> None:
    assert ran(tmp_path, '{"id": properties.order_id}', records=[{"id": "o-1"}]).status == "passed"


def test_failed_with_what_changed(tmp_path: Path) -> None:
    result = ran(tmp_path, '{"id": properties.order_id}', records=[{"id": "o-2"}])
    assert result.status == "failed"
    assert [str(difference) for difference in result.differences] == ['records[0].id: "o-2" → "o-1"']


def test_all_that_a_mapping_sees(tmp_path: Path) -> None:
    mapping = """{
      "id": messageId, "shop": $settings.shop, "topic": $event.topic, "note": $payload.note,
      "before": $earlier.properties.total, "now": $now()
    }"""
    result = ran(
        tmp_path,
        mapping,
        "both",
        call={**CALL, "messageId": "m-1"},
        settings={"shop": "7"},
        event={"topic": "t"},
        payload={"note": "n"},
        earlier=[{"properties": {"total": 5}}],
        now="2026-03-14T09:26:53Z",
        records=[{"id": "m-1", "shop": "7", "topic": "t", "note": "n", "before": 5, "now": "2026-03-14T09:26:53.000Z"}],
    )
    assert (result.status, result.problems, result.differences) == ("passed", [], [])


@pytest.mark.parametrize(
    ("mapping", "outcome", "code"),
    [
        ("()", "skipped", "mapping_empty"),
        ('$error("no")', "dead", "template_failed"),
        ("1", "dead", "template_result"),
        ("[1]", "dead", "template_result"),
    ],
)
def test_outcomes(tmp_path: Path, mapping: str, outcome: str, code: str) -> None:
    assert ran(tmp_path, mapping, outcomes=[{"outcome": outcome, "code": code}]).status == "passed"


def test_a_new_case_is_written_down(tmp_path: Path) -> None:
    result = ran(tmp_path, "[]")
    assert result.status == "new"
    assert result.ran is not None
    update(result.file, result.ran.made)
    told = json.loads(result.file.path.read_text())
    assert told == {"call": CALL, "outcomes": [{"outcome": "skipped", "code": "mapping_empty"}]}
    again = ran(tmp_path, '{"a": 1}', **told)
    assert again.status == "failed"
    assert again.ran is not None
    update(again.file, again.ran.made)
    assert json.loads(again.file.path.read_text()) == {"call": told["call"], "records": [{"a": 1}]}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({}, "`call` is missing"),
        ({"call": []}, "`call` is not an object"),
        ({"call": {}, "record": []}, "unknown key `record`; did you mean `records`?"),
        ({"call": {}, "records": {}}, "`records` is not an array of objects"),
        ({"call": {}, "outcomes": [{"outcome": "skipped", "code": "mapping_emty"}]}, "did you mean `mapping_empty`?"),
        ({"call": {}, "now": "yesterday"}, "`now` is not a time with a zone"),
    ],
)
def test_what_is_wrong_with_a_case_is_told(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(CaseInvalid, match=re.escape(problem)):
        read_mapping_case(json.dumps(members), "http")


def test_they_are_found_where_they_belong(tmp_path: Path) -> None:
    put(tmp_path, "{}")
    stray = tmp_path / "destinations/http/cases/order_complete/mine.json"
    stray.parent.mkdir()
    stray.write_text("{}")
    found = {
        file.id: file.problem
        for file in find(tmp_path, None, (), Library(tmp_path, None).snapshot.all_mappings()).files
    }
    assert found["destinations/http/order_completed/mine"] == ""
    assert "did you mean `order_completed`?" in found["destinations/http/order_complete/mine"]
