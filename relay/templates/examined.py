"""An engine that remembers what it rendered, so that it can be looked over for likely mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from relay.model import JsonObject
from relay.templates.contract import Engine, text_of
from relay.templates.diagnostics import Diagnostic
from relay.templates.suspicions import suspicious_paths, suspicious_shape
from relay.templates.template import Template


class _Rendering(NamedTuple):
    document: str
    bindings: Mapping[str, Any]
    now_ms: int
    result: str | None


class Examined:
    """Implements `Engine` by another one; for a person's commands, since the looking costs milliseconds."""

    def __init__(self, engine: Engine, examines: Callable[[Template], bool] = lambda template: True) -> None:
        self._engine = engine
        self._examines = examines
        self._seen: dict[Template, list[_Rendering]] = {}

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        result = self._engine.render(template, document, bindings, now_ms=now_ms)
        if self._examines(template):
            seen = _Rendering(text_of(document, template), bindings, now_ms, result)
            self._seen.setdefault(template, []).append(seen)
        return result

    def suspicions(self) -> list[tuple[str, Diagnostic]]:
        """(tracked event, what looks like a mistake) of all that was rendered without failing, each once."""
        found: dict[tuple[str, Diagnostic], None] = {}
        for template, seen in self._seen.items():
            # What is optional is missing in one document and there in another: they are looked at together.
            documents, first = [each.document for each in seen], seen[0]
            looked = suspicious_paths(template, documents, first.bindings, now_ms=first.now_ms)
            results = (each.result for each in seen if each.result is not None)
            looked += [diagnostic for result in results for diagnostic in suspicious_shape(template, result)]
            found |= {(template.tracked_event, diagnostic): None for diagnostic in looked}
        return list(found)
