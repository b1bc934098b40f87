"""A case file as a value, and everything that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from relay.cases.members import Member, members_of
from relay.codes import CODES
from relay.model import JsonObject, OutcomeKind, Webhook
from relay.settings.options import DeclaredOptions, RelayOptions, SourceOptions
from relay.settings.packaged import CONTEXT, Declarations, packaged_declarations
from relay.settings.problems import dotted, problems_of
from relay.settings.suggesting import hint
from relay.settings.tables import variant, variants
from relay.settings.values import IN_TEMPLATES

EXPECTED = ("calls", "outcomes")
KEYS = ("webhook", "headers", "fetched", "source", "settings", "receivedAt", *EXPECTED)
RECEIVED_AT = "2026-01-01T00:00:00.000Z"
"""When the webhook of a case came that does not say so."""

_OUTCOMES = tuple(kind for kind in OutcomeKind if kind in ("skipped", "ignored", "dead"))


class CaseInvalid(ValueError):
    """A case file that cannot be run; ``problems`` are all that were found."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Made:
    """What comes out of a webhook; or of a call for a destination, then as ``records``.

    ``calls`` as they go into the log, but with the message key as `messageId` and without the `context.library`
    that the relay adds; ``outcomes`` are objects of `outcome` and `code`.
    """

    calls: Sequence[JsonObject]
    outcomes: Sequence[JsonObject]
    records: Sequence[JsonObject] | None = None

    def as_members(self) -> dict[str, Any]:
        """As a case file has it: what there is none of is left out, unless there is nothing at all."""
        main = {"calls": list(self.calls)} if self.records is None else {"records": list(self.records)}
        sides = {**main, "outcomes": list(self.outcomes)}
        return {name: side for name, side in sides.items() if side} or {name: [] for name in main}


@dataclass(frozen=True, slots=True)
class Case:
    """``options`` take nothing but the case's tracked event; ``expected`` is None in a case that says nothing of it."""

    source: str
    webhook: Webhook
    fetched: Mapping[str, Any]
    options: SourceOptions
    received_at_ms: int
    expected: Made | None


def read_case(text: str, platform: str, tracked_event: str, declarations: Declarations | None = None) -> Case:
    """``declarations`` are those of the configuration, else the packaged. Raises CaseInvalid."""
    try:
        members = members_of(text)
    except ValueError as error:
        raise CaseInvalid([str(error)]) from None
    given: dict[str, Any] = {member.name: member.value for member in members}
    options, problems = _options(given, platform, tracked_event, declarations or packaged_declarations())
    problems = [*_unknown(members), *_misshaped(given), *problems]
    if problems or options is None:
        raise CaseInvalid(problems)
    (body,) = (member.raw for member in members if member.name == "webhook")
    return Case(
        source=given.get("source", platform),
        webhook=Webhook(given.get("headers", {}), body.encode()),
        fetched=given.get("fetched", {}),
        options=options,
        received_at_ms=moment_ms(given.get("receivedAt", RECEIVED_AT)),
        expected=Made(given.get("calls", []), given.get("outcomes", [])) if given.keys() & set(EXPECTED) else None,
    )


def _model(platform: str) -> type[BaseModel]:
    model = variant(variants(RelayOptions.model_fields["sources"]), platform)
    assert model is not None
    return model


def settings_of(platform: str) -> list[str]:
    """The options of a source that a case may set: those that templates see, and the tracking."""
    fields = _model(platform).model_fields
    seen = [name for name, field in fields.items() if field.json_schema_extra == IN_TEMPLATES or name == "settings"]
    return [*seen, "tracking"]


def moment_ms(text: str) -> int:
    """Unix milliseconds. Raises ValueError for what is no ISO 8601 time with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return round(moment.timestamp() * 1000)


def _unknown(members: Sequence[Member]) -> Iterator[str]:
    seen: set[str] = set()
    for member in members:
        if member.name not in KEYS:
            yield f"unknown key `{member.name}`; {hint(member.name, KEYS)}"
        elif member.name in seen:
            yield f"`{member.name}` is given twice"
        seen.add(member.name)


def _misshaped(given: Mapping[str, Any]) -> Iterator[str]:
    if "webhook" not in given:
        yield "`webhook` is missing: the body as the platform sent it"
    for name in ("webhook", "headers", "fetched"):
        if not isinstance(given.get(name, {}), dict):
            yield f"`{name}` is not an object"
    for name, value in _items(given, "headers"):
        if not isinstance(value, str) or name != name.lower():
            yield f"`headers`: {name!r} must be a name in lower case with a text"
    if not isinstance(given.get("source", "-"), str) or given.get("source") == "":
        yield "`source` is not the name of a source"
    try:
        moment_ms(given.get("receivedAt", RECEIVED_AT))
    except (TypeError, ValueError, OverflowError):
        yield f"`receivedAt` is not a time with a zone, such as {RECEIVED_AT}"
    for name in EXPECTED:
        value = given.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            yield f"`{name}` is not an array of objects"
        elif name == "outcomes":
            yield from (problem for index, item in enumerate(value) for problem in outcome_problems(index, item))


def outcome_problems(index: int, item: JsonObject) -> Iterator[str]:
    place = f"`outcomes[{index}]`"
    for name in item.keys() - {"outcome", "code"}:
        yield f"{place}: unknown key `{name}`; {hint(name, ('outcome', 'code'))}"
    for name, known in (("outcome", _OUTCOMES), ("code", tuple(CODES))):
        value = item.get(name)
        if value not in known:
            yield f"{place}: `{name}` is {value!r}; {hint(str(value), known)}"


def _items(given: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = given.get(name)
    return list(value.items()) if isinstance(value, dict) else []


def _options(
    given: Mapping[str, Any], platform: str, tracked_event: str, declarations: Declarations
) -> tuple[SourceOptions | None, list[str]]:
    settings = given.get("settings", {})
    if not isinstance(settings, dict):
        return None, ["`settings` is not an object"]
    known = settings_of(platform)
    problems = [f"`settings`: unknown option `{name}`; {hint(name, known)}" for name in settings if name not in known]
    if problems:
        return None, problems
    data = {"sources": {platform: {"platform": platform, "open": True, **settings}}}
    try:
        options = RelayOptions.model_validate(data, context={CONTEXT: declarations}).sources[platform]
    except ValidationError as error:
        return None, [f"`settings.{dotted(problem.path[2:])}`: {problem.text}" for problem in problems_of(error, data)]
    if isinstance(options, DeclaredOptions):
        silent: dict[str, list[str]] = {name: [] for name in options.topics() if name != tracked_event}
        return options.model_copy(update={"tracking": {**options.tracking, **silent}}), []
    others: dict[str, list[str]] = {name: [] for name in type(options.tracking).model_fields if name != tracked_event}
    return options.model_copy(update={"tracking": options.tracking.model_copy(update=others)}), []
