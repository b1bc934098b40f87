"""Values at paths that are settings: where a shop keeps what no platform has a field for."""

from __future__ import annotations

from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError

_NAMES = ("name", "key", "code")
_MOST_STEPS = 20


def value_at(document: Any, paths: Any = None) -> Any:
    if document is None or paths is None:
        return None
    wanted = [paths] if isinstance(paths, str) else paths
    if not isinstance(wanted, list) or not all(isinstance(path, str) for path in wanted):
        raise HelperError("the paths must be text, or an array of texts")
    for path in wanted:
        found = document
        for step in path.split(".")[:_MOST_STEPS]:
            found = _step(found, step)
        if found is not None and found not in ("", [], {}):
            return found
    return None


def _step(value: Any, name: str) -> Any:
    """A field; of an array the pair of this name, or else the field of the first element that has it."""
    if isinstance(value, dict):
        return value.get(name)
    if not isinstance(value, list):
        return None
    elements = [element for element in value if isinstance(element, dict)]
    for element in elements:
        if "value" in element and any(element.get(key) == name for key in _NAMES):
            return element["value"]
    return next((element[name] for element in elements if element.get(name) is not None), None)


VALUE_AT = Helper(
    "valueAt",
    ("document", "paths"),
    "The first value with content at one of the paths. In an array a step names a pair of `name`, `key` or `code` and "
    "`value`, or a field of an element.",
    value_at,
    (
        Example('$valueAt({"order": {"click": "c1"}}, ["click", "order.click"])', '"c1"'),
        Example('$valueAt({"note_attributes": [{"name": "click", "value": "c2"}]}, "note_attributes.click")', '"c2"'),
        Example('$valueAt({"order": {}}, "order.click")', None),
    ),
)
