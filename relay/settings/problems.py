"""What is wrong with a configuration: every problem at once, each with its place, what was found and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from relay.codes import RelayError
from relay.settings.describing import env_name, mask_url
from relay.settings.options import RelayOptions
from relay.settings.suggesting import closest, hint
from relay.settings.tables import KeyPath, field_at, is_list, is_secret, model_at, type_text, variants

_LONGEST_SHOWN = 60
_KINDS: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}


@dataclass(frozen=True, slots=True)
class Problem:
    """``meant`` is the option that was probably meant; ``place`` is set when the path does not tell it."""

    path: KeyPath
    text: str
    missing: bool = False
    meant: KeyPath | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A problem as a person is told it."""

    place: str
    option: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.option, self.problem) if part)

    def as_json(self) -> dict[str, str]:
        return {"place": self.place, "option": self.option, "problem": self.problem}


class ConfigurationError(RelayError):
    """`config_missing` when options are only missing, else `config_invalid`. Its text shows no secret."""

    def __init__(self, problems: Sequence[Problem], place: Callable[[KeyPath], str]) -> None:
        self.problems = tuple(Told(p.place or place(p.path), dotted(p.path), p.text) for p in problems)
        told = [str(problem) for problem in self.problems]
        message = told[0] if len(told) == 1 else "\n".join([f"{len(told)} problems:", *(f"- {line}" for line in told)])
        super().__init__("config_missing" if all(p.missing for p in problems) else "config_invalid", message)


def dotted(path: KeyPath) -> str:
    return "".join(f"[{key}]" if key.isdecimal() else f".{_quoted(key)}" for key in path).lstrip(".")


def _quoted(key: str) -> str:
    return key if key.isprintable() and key else repr(key)


def not_set(path: KeyPath, what: str) -> Problem:
    return Problem(path, f"is not set: {what} It may also come from {env_name('.'.join(path))}.", missing=True)


def unknown(path: KeyPath, known: Sequence[str]) -> Problem:
    near = closest(path[-1], known)
    return Problem(path, f"unknown option; {hint(path[-1], known)}", meant=(*path[:-1], near) if near else None)


def unfit(path: KeyPath, field: FieldInfo | None, value: object, expected: str = "") -> Problem:
    """A value of the wrong type or out of bounds. It is quoted only where no secret can be."""
    expected = expected or (type_text(field) if field else "table")
    choices = expected.replace("`", "").split(" or ") if "`" in expected else []
    near = closest(value, choices) if isinstance(value, str) and choices else None
    did_you_mean = f"; did you mean `{near}`?" if near else ""
    return Problem(path, f"expected {expected}; found {_found(value, field)}{did_you_mean}")


def _found(value: object, field: FieldInfo | None) -> str:
    kind = next((name for of, name in _KINDS.items() if type(value) is of), "a table")
    if field is None or is_secret(field) or type_text(field) == "table" or kind in ("a list", "a table"):
        return kind
    try:
        text = repr(mask_url(value)) if isinstance(value, str) else str(value).lower()
    except ValueError:  # a whole number of thousands of digits
        return "a very large number"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def problems_of(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    """What pydantic found in ``data``."""
    return [_problem(detail["type"], detail, data) for detail in error.errors(include_url=False)]


def _problem(kind: str, detail: Mapping[str, Any], data: Mapping[str, Any]) -> Problem:
    path = _path(detail["loc"])
    option = tuple(key for key in path if not key.isdecimal()) if path[-1].isdecimal() else path
    field = field_at(option, data)
    if kind == "extra_forbidden":
        return unknown(path, _keys(model_at(path[:-1], data)))
    if kind == "missing":
        return not_set(path, field.description or "" if field else "a table.")
    if kind == "value_error":
        return unfit(path, field, detail["input"], str(detail["ctx"]["error"]))
    in_list = field is not None and is_list(field) and option != path
    return unfit(path, field, detail["input"], "text" if in_list or kind == "string_type" else "")


def _path(location: tuple[int | str, ...]) -> KeyPath:
    """The location without the platform or kind that pydantic adds for a choice of models."""
    keys = tuple(str(key) for key in location)
    top = RelayOptions.model_fields.get(keys[0])
    if top is not None and len(keys) > 2 and keys[2] in (by_tag := variants(top)):
        return keys if keys[2] in by_tag[keys[2]].model_fields else (*keys[:2], *keys[3:])
    return keys


def _keys(model: type[BaseModel] | None) -> list[str]:
    return list(model.model_fields) if model else []
