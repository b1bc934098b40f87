"""The packaged cases on the relay's own renderer, and with both engines."""

from __future__ import annotations

from functools import cache

import pytest

from relay.cases.case import Made
from relay.cases.finding import DESTINATIONS, SOURCES, find
from relay.cases.running import Renders, Result, Status, check
from relay.cli.rendering_cases import EngineChoice, maps, renders
from relay.settings.loading import load
from relay.templates.library import Library, packaged_templates

LIBRARY = Library(packaged_templates(), None)
_ALL = find(packaged_templates(), None, LIBRARY.templates(), LIBRARY.snapshot.all_mappings()).files
FILES = {file.id: file for file in _ALL if file.place == SOURCES}
MAPPINGS = {file.id: file for file in _ALL if file.place == DESTINATIONS}


DEFAULTS = load(None, {})


@cache
def rendering(choice: EngineChoice) -> Renders:
    return renders(DEFAULTS, LIBRARY.snapshot, choice)


@cache
def result(name: str, choice: EngineChoice = "fast") -> Result:
    return check(FILES[name], rendering(choice))


def made(name: str) -> Made:
    ran = result(name).ran
    assert ran is not None
    return ran.made


@pytest.mark.parametrize("name", FILES)
def test_a_packaged_case_passes_with_both_engines(name: str) -> None:
    found = result(name, "both")
    passed: Status = "passed"
    assert (found.status, found.differences, found.problems) == (passed, [], [])


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_packaged_case_of_a_mapping_passes_with_both_engines(name: str) -> None:
    found = check(MAPPINGS[name], rendering("fast"), maps=maps(DEFAULTS, LIBRARY.snapshot, "both"))
    assert (found.status, found.differences, found.problems) == ("passed", [], [])


def test_the_message_key_is_shown_and_not_its_hash() -> None:
    (call,) = made("elasticpath/order_completed/plain").calls
    assert call["messageId"] == "order_completed/0b6e2d18-0000-4000-8000-000000000201"
    assert list(call)[:3] == ["type", "event", "messageId"]


def test_what_differs_between_versions_of_the_relay_is_not_shown() -> None:
    ours = [name for name in FILES if not name.startswith("segment/")]  # where the caller tells its own
    assert all("library" not in call.get("context", {}) for name in ours for call in made(name).calls)


def test_the_totals_of_the_cases_add_up() -> None:
    """By the specification: total = revenue + shipping + tax."""
    seen = 0
    for name in (name for name in FILES if name.startswith("elasticpath/")):
        for call in made(name).calls:
            properties = call.get("properties", {})
            total = properties.get("total", properties.get("value"))
            if total is not None and "revenue" in properties:
                parts = properties["revenue"] + properties.get("shipping", 0) + properties.get("tax", 0)
                assert round(parts, 3) == total, name
                seen += 1
    assert seen > 20
