"""The shape of values."""

from __future__ import annotations

from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError


def array(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def omit_empty(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise HelperError("the argument must be an object")
    return {key: item for key, item in value.items() if item is not None and item not in ("", {})}


ARRAY = Helper(
    "array",
    ("value",),
    "Always an array: JSONata makes a single value of an array of one.",
    array,
    (
        Example("$array([1, 2])", "[1,2]"),
        Example('$array({"sku": "A"})', '[{"sku":"A"}]'),
        Example("$array(nothing)", "[]"),
    ),
)
OMIT_EMPTY = Helper(
    "omitEmpty",
    ("object",),
    'An object without its fields that are null, "" or {}; [], 0 and false stay.',
    omit_empty,
    (
        Example('$omitEmpty({"a": null, "b": "", "c": {}, "d": [], "e": 0})', '{"d":[],"e":0}'),
        Example("$omitEmpty(nothing)", None),
    ),
)
