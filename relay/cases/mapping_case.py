"""A case of a mapping: a call in, the records of a kind of destination out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError, create_model

from relay.cases.case import CaseInvalid, Made, moment_ms, outcome_problems
from relay.cases.members import members_of
from relay.model import JsonObject
from relay.settings.options import HttpOptions, RelayOptions
from relay.settings.suggesting import hint
from relay.settings.tables import variants
from relay.settings.values import IN_TEMPLATES, Options

EXPECTED = ("records", "outcomes")
KEYS = ("call", "event", "payload", "wholeOrder", "earlier", "settings", "now", *EXPECTED)
_OBJECTS = ("call", "event", "payload", "wholeOrder", "settings")
_LISTS = ("earlier", *EXPECTED)
MESSAGE_ID = "0" * 32
"""Of a call that does not say its own."""
NOW = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class MappingCase:
    """``bindings`` are what the mapping sees beside ``$``; ``expected`` is None in a case that says nothing of it."""

    call: JsonObject
    bindings: Mapping[str, Any]
    now_ms: int
    expected: Made | None


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a mapping makes; ``explained`` says more of each outcome, ``problems`` are such as no outcome shows."""

    made: Made
    explained: Sequence[str] = ()
    problems: Sequence[str] = ()


class Maps(Protocol):
    def __call__(self, kind: str, name: str, case: MappingCase) -> Mapped:
        """Map the call of a case by the mapping ``name`` of a kind of destination."""


def read_mapping_case(text: str, kind: str) -> MappingCase:
    """Raises CaseInvalid."""
    try:
        members = members_of(text)
    except ValueError as error:
        raise CaseInvalid([str(error)]) from None
    given: dict[str, Any] = {member.name: member.value for member in members}
    problems = [f"unknown key `{name}`; {hint(name, KEYS)}" for name in given if name not in KEYS]
    problems += [f"`{name}` is given twice" for name in given if sum(m.name == name for m in members) > 1]
    problems += _misshaped(given)
    settings, unfit = _settings(given.get("settings", {}), kind)
    if problems or unfit:
        raise CaseInvalid([*problems, *unfit])
    bindings = {name: given.get(name) for name in ("event", "payload", "wholeOrder")}
    return MappingCase(
        call={"messageId": MESSAGE_ID, **given["call"]},
        bindings={**bindings, "earlier": given.get("earlier", []), "settings": settings},
        now_ms=moment_ms(given.get("now", NOW)),
        expected=Made([], given.get("outcomes", []), given.get("records", [])) if given.keys() & {*EXPECTED} else None,
    )


def _misshaped(given: Mapping[str, Any]) -> Iterator[str]:
    if "call" not in given:
        yield "`call` is missing: the call as it stands in the journal, with or without a `messageId`"
    for name in _OBJECTS:
        if not isinstance(given.get(name, {}), dict):
            yield f"`{name}` is not an object"
    for name in _LISTS:
        value = given.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            yield f"`{name}` is not an array of objects"
        elif name == "outcomes":
            yield from (problem for index, item in enumerate(value) for problem in outcome_problems(index, item))
    try:
        moment_ms(given.get("now", NOW))
    except (TypeError, ValueError, OverflowError):
        yield f"`now` is not a time with a zone, such as {NOW}"


def _settings(given: Any, kind: str) -> tuple[JsonObject, list[str]]:
    """What the mapping sees as ``$settings``: the options of the kind that mappings see, checked, with defaults."""
    if not isinstance(given, dict):
        return {}, []
    model = variants(RelayOptions.model_fields["destinations"]).get(kind, HttpOptions)
    if model is HttpOptions:
        return given, []
    seen = {name: field for name, field in model.model_fields.items() if field.json_schema_extra == IN_TEMPLATES}
    if unknown := [name for name in given if name not in seen]:
        return {}, [f"`settings`: unknown option `{name}`; {hint(name, list(seen))}" for name in unknown]
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in seen.items()}
    chosen: type[BaseModel] = create_model("_Seen", __base__=Options, **fields)
    try:
        dumped = chosen.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        return {}, [_said(detail) for detail in error.errors(include_url=False)]
    return {name: value for name, value in dumped.items() if value is not None}, []


def _said(detail: Any) -> str:
    what = "is not set" if detail["type"] == "missing" else str(detail["msg"])
    return f"`settings.{'.'.join(map(str, detail['loc']))}`: {what}"


def text_of_call(case: MappingCase) -> str:
    return json.dumps(case.call, ensure_ascii=False, separators=(",", ":"))
