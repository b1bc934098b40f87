"""What a person is told about each mistake: one file a mistake, with template, document and the whole text.

`RELAY_UPDATE_DIAGNOSTICS=1 pytest tests/templates/test_diagnostics_cases.py` writes the told side anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from relay.codes import CODES
from relay.templates.checking import problems_of
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.suspicions import suspicious_paths, suspicious_shape
from relay.templates.template import Template
from tests.templates.making import ENGINE, bindings

FOLDER = Path(__file__).parent / "diagnostics"
UPDATE = bool(os.environ.get("RELAY_UPDATE_DIAGNOSTICS"))
PATHS = sorted(FOLDER.glob("*.txt"))
FILE = Path("order_completed.jsonata")
EVENT_ID = 17


@dataclass(frozen=True)
class Case:
    template: str
    document: str
    told: str

    @classmethod
    def read(cls, path: Path) -> Case:
        sections = re.split(r"^--- (?:template|document|told)\n", path.read_text(), flags=re.MULTILINE)
        _, template, document, told = sections
        return cls(template.removesuffix("\n"), document.strip(), told.strip())

    def write(self, path: Path, told: str) -> None:
        path.write_text(f"--- template\n{self.template}\n--- document\n{self.document}\n--- told\n{told}\n")


@cache
def diagnostics_of(case: Case) -> Sequence[Diagnostic]:
    """All that the relay says: at load, or else when it renders, and its suspicions."""
    problems = problems_of(case.template, FILE)
    if problems:
        return problems
    template = Template.of("elasticpath", "order_completed", FILE, case.template)
    told: list[Diagnostic] = []
    result = None
    try:
        result = ENGINE.render(template, case.document, bindings(), now_ms=0)
    except TemplateFailure as failure:
        told.append(failure.diagnostic.of_event(EVENT_ID))
    told += suspicious_paths(template, [case.document], bindings())
    return [*told, *suspicious_shape(template, result)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_person_is_told(path: Path) -> None:
    case = Case.read(path)
    found = diagnostics_of(case)
    told = "\n\n".join(each.for_person() for each in found) or "nothing"
    if UPDATE:
        case.write(path, told)
    assert told == Case.read(path).told
    for each in found:
        assert each.code in CODES
        assert "\n" not in each.log_line()
        assert each.log_line().startswith(f"{FILE}:")
        assert each.as_json()["line"] == (each.position.line if each.position else None)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_that_is_told_quotes_a_value(path: Path) -> None:
    """Each document's values bear a mark that no template has."""
    case = Case.read(path)
    assert "secret" not in case.template
    for each in diagnostics_of(case):
        assert "secret" not in f"{each!r}{each.for_person()}{each.log_line()}{each.as_json()}"


def test_there_are_cases() -> None:
    assert len(PATHS) > 30
