"""The language's own test cases, which are not part of this repository, and what an engine makes of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from relay.cases.comparing import canonical
from relay.templates.contract import Engine, EngineLimits
from relay.templates.diagnostics import TemplateFailure
from relay.templates.template import Template

SUITE = Path(os.environ.get("RELAY_SHARED") or Path(__file__).parents[3] / "shared") / "jsonata-test-suite"

_GUARD_RAILS = {"D1011": "U1001", "D1012": "U1001"}
"""The engines' codes for too deep and too long, and the language's one for both."""


@dataclass(frozen=True)
class LanguageCase:
    """``content`` is the case as its file has it; ``name`` is group, file, and index in a file of many."""

    name: str
    folder: Path
    content: dict[str, Any]

    @property
    def expression(self) -> str:
        file = self.content.get("expr-file")
        return str(self.content["expr"]) if file is None else (self.folder / file).read_text()

    @property
    def document_json(self) -> str:
        """No input is given as null: the relay always has a document."""
        dataset = self.content.get("dataset")
        if dataset is not None:
            return (SUITE / "datasets" / f"{dataset}.json").read_text()
        return json.dumps(self.content.get("data"))

    @property
    def expected(self) -> str:
        content = self.content
        if "result" in content:
            return f"value {_canonical(content['result'], bool(content.get('unordered')))}"
        if content.get("undefinedResult"):
            return "undefined"
        return f"code {content.get('code') or content['error']['code']}"


def cases_of(group: Path) -> Iterator[LanguageCase]:
    for path in sorted(group.glob("*.json")):
        content = json.loads(path.read_text())
        name = f"{group.name}/{path.stem}"
        if isinstance(content, list):
            yield from (LanguageCase(f"{name}#{index}", group, each) for index, each in enumerate(content))
        else:
            yield LanguageCase(name, group, content)


def outcome(case: LanguageCase, engine: Callable[[EngineLimits], Engine]) -> str:
    """In the same words as `LanguageCase.expected`."""
    given = {"timeout_ms": case.content.get("timelimit"), "max_depth": case.content.get("depth")}
    limits = EngineLimits(**{name: limit for name, limit in given.items() if limit})
    try:
        template = Template.of("language", case.name, Path(case.name), case.expression)
        now_ms = int(time.time() * 1000)  # Cases know today's date.
        bindings = case.content.get("bindings") or {}
        result = engine(limits).render(template, case.document_json, bindings, now_ms=now_ms)
    except UnicodeEncodeError:
        return "not UTF-8"
    except TemplateFailure as failure:
        code = failure.diagnostic.jsonata_code
        return f"code {_GUARD_RAILS.get(code, code)}" if code else f"refused: {failure.diagnostic.what}"
    if result is None:
        return "undefined"
    return f"value {_canonical(orjson.loads(result), bool(case.content.get('unordered')))}"


def _canonical(value: Any, unordered: bool) -> str:
    if unordered and isinstance(value, list):
        return json.dumps(sorted(map(canonical, value)))
    return canonical(value)
