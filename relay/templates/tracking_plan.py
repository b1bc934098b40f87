"""Tracking plans: a JSON Schema of the user's own for the calls of a tracked event.

A plan is `plans/<tracked event>.json` in the templates folder, or for one platform only, and then
in the other's stead, `sources/<platform>/plans/<tracked event>.json`. It describes the whole call
without `messageId`, as the plans of Segment Protocols do (`properties.properties` …), in any draft
from 4 on; `format` is checked. A plan refers to no other file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from relay.model import JsonObject
from relay.settings.suggesting import hint
from relay.templates.diagnostics import Diagnostic, Position
from relay.templates.guard import Finding, kind_of

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

MOST_FINDINGS = 20
"""Of one call; the others are likely of the same cause."""

_MOST_BACKTRACKS = 10_000
"""Of one `pattern` on one text: about a third of a millisecond."""
_LARGEST_BYTES = 256 * 1024
_LONGEST_LIMIT = 80
_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
# A name like these was written by a person who writes templates; others may be data, as an e-mail address is.
_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,39}", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """One plan. Travels between processes as its text; each compiles it once, when first needed."""

    path: Path
    text: str

    def __reduce__(self) -> tuple[Callable[..., Plan], tuple[Path, str]]:
        return Plan, (self.path, self.text)

    def violations(self, call: JsonObject) -> Sequence[Finding]:
        """What of a call, given without `messageId`, is not as planned. Quotes no values."""
        errors: Iterator[ValidationError] = self._validator.iter_errors(call)
        return [Finding("guard_plan", _told(error)) for error in islice(errors, MOST_FINDINGS)]

    def problem(self) -> Diagnostic | None:
        """Why the plan cannot be used, if so."""
        try:
            _ = self._validator
        except orjson.JSONDecodeError as error:
            return self._invalid(f"the plan is not JSON: {error.msg}", position=Position.at(self.text, error.pos))
        except _NoSchemaError as error:
            return self._invalid(*error.args)
        return None

    def _invalid(self, what: str, remedy: str = "See json-schema.org.", position: Position | None = None) -> Diagnostic:
        return Diagnostic("plan_invalid", str(self.path), what, remedy, position=position)

    @cached_property
    def _validator(self) -> Any:
        import jsonschema_rs  # Here, because it takes 8 MiB, and many have no plan.

        schema = orjson.loads(self.text)
        if not isinstance(schema, dict):
            raise _NoSchemaError("the plan is not an object")
        try:
            return jsonschema_rs.validator_for(
                schema,
                validate_formats=True,
                retriever=_no_other_document,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_BACKTRACKS),
            )
        except jsonschema_rs.ValidationError as error:
            raise _NoSchemaError(*_said(error)) from None
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise _NoSchemaError(str(error)) from None


def read_plan(path: Path) -> Plan | Diagnostic:
    try:
        data = path.read_bytes()
    except OSError as error:
        return Diagnostic("plan_invalid", str(path), f"the plan cannot be read ({error.strerror})")
    if len(data) > _LARGEST_BYTES:
        return Diagnostic("plan_invalid", str(path), f"the plan is over {_LARGEST_BYTES} bytes")
    try:
        return Plan(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Diagnostic("plan_invalid", str(path), "the plan is not UTF-8", "Save it as UTF-8.")


def plans_in(
    folder: Path, known: Mapping[str, Collection[str]]
) -> tuple[dict[tuple[str, str], Plan], list[Diagnostic]]:
    """The plans by platform and tracked event, and what is wrong with any. ``known`` are tracked events by platform."""
    plans: dict[tuple[str, str], Plan] = {}
    problems: list[Diagnostic] = []
    # Those of one platform come last, and so take the place of the others.
    for path in sorted(folder.rglob("plans/*.json"), key=lambda path: len(path.parts)):
        if path.name.startswith("."):
            continue
        platforms, unknown = _meant_for(path, path.relative_to(folder).parts, known)
        plan = unknown or read_plan(path)
        problem = plan if isinstance(plan, Diagnostic) else plan.problem()
        if problem is not None:
            problems.append(problem)
        elif isinstance(plan, Plan):
            plans |= {(platform, path.stem): plan for platform in platforms}
    return plans, problems


def _meant_for(
    path: Path, parts: tuple[str, ...], known: Mapping[str, Collection[str]]
) -> tuple[list[str], Diagnostic | None]:
    """The platforms that a plan is for, or why it is for none."""
    if len(parts) == 2:
        platforms = list(known)
    elif len(parts) == 4 and parts[0] == "sources":
        platforms = [parts[1]] if parts[1] in known else []
    else:
        where = "Plans are plans/<tracked event>.json or sources/<platform>/plans/<tracked event>.json."
        return [], Diagnostic("template_unknown", str(path), "no plan is looked for here", where)
    tracked_events = {event for platform in platforms for event in known[platform]}
    if platforms and path.stem in tracked_events:
        return [platform for platform in platforms if path.stem in known[platform]], None
    word, candidates = (path.stem, tracked_events) if platforms else (parts[1], set(known))
    what = f"there is no {'tracked event' if platforms else 'platform'} {word!r}"
    return [], Diagnostic("template_unknown", str(path), what, hint(word, candidates).capitalize())


class _NoSchemaError(Exception):
    """The text is JSON, but not a JSON Schema. The message quotes nothing but the plan."""


def _no_other_document(_address: str) -> NoReturn:
    raise ValueError("a plan cannot refer to another document")


def _said(error: ValidationError) -> tuple[str, ...]:
    """What is wrong with a schema and, if that can be said, what to try."""
    place = f"`{_pointer(error.instance_path)}`: " if error.instance_path else ""
    if error.instance_path and error.instance_path[-1] == "type" and isinstance(error.instance, str):
        return f"{place}there is no type `{error.instance}`", hint(error.instance, _TYPES).capitalize()
    address, elsewhere, _ = error.message.partition(" is not present in a registry")
    if elsewhere:
        return (
            f"a `$ref` leads out of the plan: {address.removeprefix('Resource ')}",
            "Put it into the plan's own `$defs`; no other file is read.",
        )
    return (f"{place}{error.message}",)


def _told(error: ValidationError) -> str:
    """Where, what is expected and what kind of value was found: never the value."""
    place = f"`{_pointer(error.instance_path)}`" if error.instance_path else "the call"
    found = f"{place} is {kind_of(error.instance)}"
    keyword, detail = error.kind.name, error.kind.as_dict()
    match detail:
        case {"property": name}:
            return f"{place} lacks `{_shown(name)}`"
        case {"unexpected": names} if keyword != "unevaluatedItems":
            return f"{place} has {', '.join(f'`{_shown(name)}`' for name in names)}, not in the plan"
        case {"types": types}:
            return f"{found}, expected {' or '.join(types)}"
        case _ if keyword == "falseSchema":
            inside = error.schema_path and error.schema_path[-1] == "additionalProperties"
            return f"{place} {'has a field that is' if inside else 'is'} not in the plan"
    if len(detail) == 1 and not detail.keys() & {"error", "context", "schema", "unexpected"}:
        return f"{found}, expected {keyword} {orjson.dumps(*detail.values()).decode()[:_LONGEST_LIMIT]}"
    return f"{found} and does not match `{error.schema_path[-1] if error.schema_path else keyword}`"


def _pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer; a part that may be data is a star."""
    return "".join(f"/{_shown(part)}" for part in path)


def _shown(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "*"
