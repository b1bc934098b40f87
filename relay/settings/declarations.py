"""Finds and reads declared platforms: ``sources/<platform>/source.toml``, the packaged and the user's over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from relay.codes import RelayError
from relay.settings import reading
from relay.settings.declaration import Declaration
from relay.settings.packaged import FILE_NAME, packaged_declarations
from relay.settings.problems import Problem
from relay.settings.suggesting import hint


def read_declarations(
    overlay: Path, taken: Iterable[str]
) -> tuple[dict[str, Declaration], dict[str, Sequence[Problem]]]:
    """Declarations by platform, those of the folder ``overlay`` over the packaged; and by platform all that is wrong.

    ``taken`` are platforms with code of their own, which cannot be declared.
    """
    try:
        files = {path.parent.name: path for path in sorted((overlay / "sources").glob(f"*/{FILE_NAME}"))}
    except OSError:
        # No folder can have this name, or it cannot be read: loading the templates tells which.
        files = {}
    found = dict(packaged_declarations())
    broken: dict[str, Sequence[Problem]] = {}
    for platform, path in files.items():
        if platform in taken:
            broken[platform] = [Problem((), f"{platform} has code of its own and cannot be declared", place=str(path))]
            continue
        try:
            found[platform] = parse(path)
        except DeclarationInvalid as error:
            broken[platform] = error.problems
    return found, broken


class DeclarationInvalid(Exception):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = tuple(problems)


def parse(path: Path) -> Declaration:
    """Raises DeclarationInvalid with all problems."""
    try:
        file = reading.read(path)
    except RelayError as error:
        raise DeclarationInvalid([Problem((), error.message.removeprefix(f"{path} "), place=str(path))]) from None
    try:
        return Declaration.model_validate(file.data)
    except ValidationError as error:
        lines = reading.lines(file.text)
        raise DeclarationInvalid(list(_problems(error, path, lines))) from None


def _problems(error: ValidationError, path: Path, lines: Mapping[tuple[str, ...], int]) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        keys = tuple(str(part) for part in detail["loc"] if part not in _SCHEMES)
        names = tuple(key for key in keys if not key.isdecimal())
        line = next((lines[names[:length]] for length in range(len(names), 0, -1) if names[:length] in lines), None)
        place = f"{path} line {line}" if line else str(path)
        yield Problem(keys, _said(detail, keys), missing=detail["type"] == "missing", place=place)


def _said(detail: Any, keys: tuple[str, ...]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"unknown option; {hint(keys[-1], _known(detail['loc']))}"
    if kind == "missing":
        return "is not set"
    if kind == "value_error":
        return f"expected {detail['ctx']['error']}"
    if kind == "union_tag_invalid":
        tag = str(detail["ctx"]["tag"])
        return f"unknown scheme {tag!r}; {hint(tag, _SCHEMES)}"
    if kind == "union_tag_not_found":
        return f"`scheme` is not set; {hint('', _SCHEMES)}"
    message: str = detail["msg"]
    return message[0].lower() + message[1:]


_SCHEMES = ("hmac", "standard-webhooks", "header", "basic", "addresses")


def _known(location: tuple[int | str, ...]) -> list[str]:
    """The options beside the one at ``location``."""
    model: Any = Declaration
    for part in location[:-1]:
        model = _inner(model, part)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inner(model: Any, part: int | str) -> Any:
    """The model below a field, a place in a list or a scheme."""
    if isinstance(part, int):
        return model
    if part in _SCHEMES and isinstance(model, list):
        return next(one for one in model if one.model_fields["scheme"].annotation.__args__ == (part,))
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
        return None
    models = list(_models(model.model_fields[part].annotation))
    return models[0] if len(models) == 1 else models


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)
