"""What is wrong with a ``source.toml``, in words of its own: its line, its key, what was found, what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from relay.settings.declaration import Declaration
from relay.settings.problems import Problem, unfit
from relay.settings.suggesting import hint
from relay.settings.tables import KeyPath, submodel, type_text

Location = tuple[int | str, ...]
_SEVERAL = "text or a list of texts"
_TOPICS = "text, a list of texts or false"
_TABLE = ("dict_type", "model_type", "model_attributes_type")


def problems_of(error: ValidationError, path: Path, lines: Mapping[KeyPath, int]) -> Iterator[Problem]:
    """``lines`` are those of the file at ``path``."""
    for detail in error.errors(include_url=False):
        location = _without_schemes(detail["loc"])
        keys = tuple(map(str, location))
        line = next((lines[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in lines), None)
        place = f"{path} line {line}" if line else str(path)
        told = _said(detail, location, keys)
        yield Problem(keys, told, missing=detail["type"] == "missing", place=place)


def schemes() -> list[str]:
    """The names of the ways to authenticate."""
    return [str(model.model_fields["scheme"].annotation.__args__[0]) for model in _schemes()]  # type: ignore[union-attr]


def _said(detail: Any, location: Location, keys: KeyPath) -> str:
    kind = detail["type"]
    field, inside = _field(detail["loc"])
    if kind == "extra_forbidden":
        return f"unknown option; {hint(keys[-1], _beside(detail['loc']))}"
    if kind == "missing":
        return f"is not set: {field.description}" if field and field.description else "is not set: a table."
    if kind == "union_tag_invalid":
        tag = str(detail["ctx"]["tag"])
        return f"unknown scheme {tag!r}; {hint(tag, schemes())}"
    if kind == "union_tag_not_found":
        return f"`scheme` is not set; {hint('', schemes())}"
    if kind == "value_error" and not location:
        return f"expected {detail['ctx']['error']}"
    return unfit(keys, None if inside else field, detail["input"], _expected(detail, location, field)).text


def _expected(detail: Any, location: Location, field: FieldInfo | None) -> str:
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "string_type":
        return "text"
    if kind in _TABLE:
        return "a table"
    if kind == "string_pattern_mismatch":
        return "a name of letters, digits and _"
    if kind == "string_too_short":
        return "text that is not empty"
    if kind == "list_type" and field is not None:
        return _list(location, field)
    if kind == "too_short":
        return "at least one"
    # Numbers out of bounds, and one of several words.
    return type_text(field) if field is not None else "something else"


def _list(location: Location, field: FieldInfo) -> str:
    if list(_models(field.annotation)):
        return f"tables, each begun with [[{location[-1]}]]"
    return _TOPICS if location[0] == "tracking" else expected_list(str(location[-1]))


def expected_list(name: str) -> str:
    """What a key of this name wants, which takes a list of texts."""
    if name in ("networks", "keys", "headers"):
        return "a list of texts"
    return _TOPICS if name == "topics" else _SEVERAL


def _schemes() -> Sequence[type[BaseModel]]:
    return list(_models(Declaration.model_fields["authentication"].annotation))


def _without_schemes(location: Location) -> Location:
    """pydantic puts the scheme, as if it were a key, behind the place in the list."""
    if len(location) > 2 and location[0] == "authentication" and isinstance(location[1], int):
        return (*location[:2], *location[3:])
    return location


def _beside(location: Location) -> list[str]:
    """The options beside the one at ``location``."""
    model = _walked(location[:-1])
    return list(model.model_fields) if model else []


def _field(location: Location) -> tuple[FieldInfo | None, bool]:
    """The option at ``location``, and whether that is inside its value: an item of a list, or of a table."""
    for length in range(len(location), 0, -1):
        model, part = _walked(location[: length - 1]), location[length - 1]
        if model is not None and part in model.model_fields:
            return model.model_fields[str(part)], length < len(location)
    return None, False


def _walked(location: Location) -> type[BaseModel] | None:
    """The model of the table at ``location``."""
    model: type[BaseModel] | None = Declaration
    models: list[type[BaseModel]] = []
    for part in location:
        if isinstance(part, int):
            continue
        if len(models) > 1:  # the scheme
            model = next((one for one in models if part in str(one.model_fields["scheme"].annotation)), None)
            models = []
        elif model is not None and part in model.model_fields:
            field = model.model_fields[part]
            models = list(_models(field.annotation))
            model = models[0] if len(models) == 1 else submodel(field)
        else:
            model = None
    return None if len(models) > 1 else model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)
