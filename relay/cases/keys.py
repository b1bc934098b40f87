"""The message key of a call, readable: the log holds only its hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from relay.model import JsonObject
from relay.templates.engine import Engine
from relay.templates.rendering import message_id
from relay.templates.template import Template


class Remembering:
    """Implements `relay.templates.engine.Engine`; keeps what every template gave, None for a failure."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._results: list[str | None] = []

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        self._results.append(None)
        result = self._engine.render(template, document, bindings, now_ms=now_ms)
        self._results[-1] = result
        return result

    def taken(self) -> Sequence[str | None]:
        """The results since it was asked last."""
        taken, self._results = self._results, []
        return taken


def message_keys(
    results: Sequence[str | None], *, source: str, delivery_key: str, tracked_event: str
) -> dict[str, str]:
    """Message keys by message id. A call without one of its own has its delivery's, document and place."""
    keys = {}
    for document, result in enumerate(results):
        delivery = f"{delivery_key}#{document}" if document else delivery_key
        value = orjson.loads(result or "[]")
        for place, call in enumerate(value if isinstance(value, list) else [value]):
            own = call.get("messageId") if isinstance(call, dict) else None
            key = own if isinstance(own, str) else f"{delivery}/{tracked_event}/{place}"
            keys[message_id(source, key)] = key
    return keys
