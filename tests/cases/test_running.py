"""A case against the real renderer and templates of its own: passed, failed, new or broken, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relay.cases.comparing import Difference
from relay.cases.finding import CaseFile
from relay.cases.running import Result, check
from relay.cli.rendering_cases import EngineChoice, renders
from relay.settings.loading import load
from relay.templates.library import Library, packaged_templates
from tests.cases.making import CALL, put_case, put_template

EXPECTED = {
    "type": "track",
    "event": "E",
    "messageId": "e-1/order_completed/0",
    "userId": "u",
    "properties": {"id": "o-1"},
    "timestamp": "2026-01-01T00:00:00.000Z",
}


def ran(folder: Path, template: str, choice: EngineChoice = "fast", **members: Any) -> Result:
    put_template(folder, "order_completed", template)
    path = put_case(folder, "order_completed", "mine", **members)
    snapshot = Library(folder, None).snapshot
    file = CaseFile("elasticpath", "order_completed", "mine", path, own=True)
    return check(file, renders(load(None, {}), snapshot, choice))


def test_passed(tmp_path: Path) -> None:
    assert ran(tmp_path, CALL + "}", calls=[EXPECTED]).status == "passed"
    assert ran(tmp_path, CALL + "}", calls=[dict(reversed(EXPECTED.items()))]).status == "passed"
    assert ran(tmp_path, CALL + "}", calls=[EXPECTED], outcomes=[]).status == "passed"


def test_failed_with_what_changed(tmp_path: Path) -> None:
    expected = EXPECTED | {"properties": {"id": "o-2", "total": 1}}
    result = ran(tmp_path, CALL + "}", calls=[expected])
    assert result.status == "failed"
    assert [str(difference) for difference in result.differences] == [
        'calls[0].properties.id: "o-2" → "o-1"',
        "calls[0].properties.total: 1 → nothing",
    ]


def test_a_call_too_many_or_too_few(tmp_path: Path) -> None:
    assert [difference.path for difference in ran(tmp_path, CALL + "}", calls=[]).differences] == ["calls[0]"]
    found = ran(tmp_path, "[]", calls=[EXPECTED]).differences
    assert [difference.path for difference in found] == ["calls[0]", "outcomes[0]"]


@pytest.mark.parametrize(
    ("template", "outcome", "code"),
    [
        ("()", "skipped", "template_empty"),
        ('$error("no")', "dead", "template_failed"),
        ('{"type": "track", "userId": "u"}', "dead", "guard_event"),
        ("1", "dead", "template_result"),
    ],
)
def test_outcomes(tmp_path: Path, template: str, outcome: str, code: str) -> None:
    expected = {"outcome": outcome, "code": code}
    result = ran(tmp_path, template, outcomes=[expected])
    assert result.status == "passed"
    failed = ran(tmp_path, template, outcomes=[expected | {"code": "no_template"}])
    assert failed.differences == [Difference("outcomes[0].code", "no_template", code)]
    assert failed.ran is not None
    assert failed.ran.explained[0].startswith(f"{outcome} {code}: order_completed")


def test_several_calls_and_a_bad_one(tmp_path: Path) -> None:
    template = f'[{CALL}, "messageId": "a"}}, {{"type": "track"}}, {CALL}}}]'
    result = ran(tmp_path, template)
    assert result.status == "new"
    assert result.ran is not None
    assert [call["messageId"] for call in result.ran.made.calls] == ["a", "e-1/order_completed/2"]
    assert result.ran.made.outcomes == [{"outcome": "dead", "code": "guard_identity"}]


def test_a_webhook_of_several_documents(tmp_path: Path) -> None:
    webhook = {"id": "e-1", "trigger": "order.paid", "resources": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
    template = f'payload.data.id = "b" ? $error("no") : {CALL}}}'
    result = ran(tmp_path, template, webhook=webhook)
    assert result.ran is not None
    assert [(call["messageId"], call["properties"]) for call in result.ran.made.calls] == [
        ("e-1/order_completed/0", {"id": "a"}),
        ("e-1#2/order_completed/0", {"id": "c"}),
    ]
    assert result.ran.made.outcomes == [{"outcome": "dead", "code": "template_failed"}]


def test_a_context_of_the_template_s_own_is_shown(tmp_path: Path) -> None:
    result = ran(tmp_path, CALL + ', "context": {"library": {"name": "own"}, "ip": "1.2.3.4"}}')
    assert result.ran is not None
    assert result.ran.made.calls[0]["context"] == {"library": {"name": "own"}, "ip": "1.2.3.4"}


def test_source_settings_headers_and_time_reach_the_template(tmp_path: Path) -> None:
    template = '{"type": "track", "event": $event.topic, "userId": $event.source, "properties": $settings}'
    result = ran(
        tmp_path,
        template,
        webhook={"id": "e-1", "payload": {"data": {"id": "o-1"}}},
        headers={"x-moltin-integration-trigger": "order.fulfilled"},
        source="shop",
        settings={"affiliation": "Shop", "tracking": {"order_completed": "order.fulfilled"}},
        receivedAt="2026-05-01T02:00:00+02:00",
    )
    assert result.ran is not None
    (call,) = result.ran.made.calls
    assert (call["event"], call["userId"], call["properties"]["affiliation"]) == ("order.fulfilled", "shop", "Shop")
    assert call["timestamp"] == "2026-05-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"webhook": {"id": "e"}}, "`webhook`: the source refuses it: neither triggered_by nor trigger"),
        ({"fetched": {"ordr": {}}}, "does not fetch 'ordr' for this webhook; did you mean `order`?"),
        ({"fetched": {"transactions": {}}}, "does not fetch 'transactions' for this webhook"),
        ({"calss": []}, "did you mean `calls`?"),
    ],
)
def test_what_cannot_be_run_is_broken(tmp_path: Path, members: dict[str, Any], told: str) -> None:
    result = ran(tmp_path, CALL + "}", **members)
    assert result.status == "broken"
    assert told in result.problems[0]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff", "it is not UTF-8"),
        (b"{", "Expecting a name in double quotes: line 1 column 2"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_broken(tmp_path: Path, data: bytes | None, told: str) -> None:
    path = tmp_path / "x.json"
    if data is not None:
        path.write_bytes(data)
    file = CaseFile("elasticpath", "order_completed", "x", path, own=True)
    result = check(file, renders(load(None, {}), Library(packaged_templates(), None).snapshot))
    assert (result.status, told in result.problems[0]) == ("broken", True)


def test_engines_that_differ_fail_a_case(tmp_path: Path) -> None:
    """They write a very large number as different texts."""
    template = CALL.replace("payload.data.id", "$string(1e20)") + "}"
    expected = EXPECTED | {"properties": {"id": "100000000000000000000"}}
    assert ran(tmp_path, template, "fast", calls=[expected]).status == "passed"
    result = ran(tmp_path, template, "both", calls=[expected])
    assert (result.status, result.differences) == ("failed", [])
    assert "order_completed.jsonata" in result.problems[0]
    assert "engines" in result.problems[0]
    assert ran(tmp_path, template, "reference", calls=[expected]).status == "failed"
