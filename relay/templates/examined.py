"""An engine that remembers what it rendered, so that it can be looked over for likely mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.model import JsonObject
from relay.templates.contract import Engine, text_of
from relay.templates.diagnostics import Diagnostic
from relay.templates.suspicions import suspicious_paths, suspicious_shape
from relay.templates.template import Template


class Examined:
    """Implements `Engine` by another one; for a person's commands, since the looking costs milliseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: list[tuple[Template, str, Mapping[str, Any], int, str | None]] = []

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        result = self._engine.render(template, document, bindings, now_ms=now_ms)
        self._seen.append((template, text_of(document, template), bindings, now_ms, result))
        return result

    def suspicions(self) -> list[tuple[str, Diagnostic]]:
        """(tracked event, what looks like a mistake) of all that was rendered without failing."""
        found: list[tuple[str, Diagnostic]] = []
        for template, document, bindings, now_ms, result in self._seen:
            looked = suspicious_paths(template, [document], bindings, now_ms=now_ms)
            if result is not None:
                looked = [*looked, *suspicious_shape(template, result)]
            found += [(template.tracked_event, diagnostic) for diagnostic in looked]
        return found
