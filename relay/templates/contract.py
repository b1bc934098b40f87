"""What an engine is: it renders a template within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from relay.model import JsonObject
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.template import Template


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one rendering; ``max_depth`` counts nested evaluations, ``max_sequence`` items."""

    timeout_ms: int = 1_000
    max_depth: int = 200
    max_sequence: int = 100_000
    max_output_bytes: int = 1_000_000


class Engine(Protocol):
    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        """The result as JSON text, or None when it is undefined.

        ``document`` is an object or any JSON text. An object is read faster; of one, undefined may be given as null.
        ``bindings`` are JSON values by name without ``$``; ``now_ms`` is what `$now` and `$millis`
        tell. Raises `TemplateFailure` and nothing else.
        """


def text_of(document: JsonObject | str, template: Template) -> str:
    """The document of a template as JSON text. Raises `TemplateFailure`."""
    if isinstance(document, str):
        return document
    try:
        return orjson.dumps(document).decode()
    except (TypeError, orjson.JSONEncodeError):
        what = "the document holds a value that JSON cannot carry"
        raise TemplateFailure(Diagnostic("body_unreadable", str(template.path), what)) from None
