"""Finds and reads declared platforms: ``sources/<platform>/source.toml``, the packaged and the user's over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from relay.codes import RelayError
from relay.settings import reading
from relay.settings.declaration import Declaration
from relay.settings.declaration_problems import problems_of
from relay.settings.packaged import FILE_NAME, packaged_declarations
from relay.settings.problems import Problem


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
    lines = reading.lines(file.text)
    try:
        declaration = Declaration.model_validate(file.data, strict=True)
    except ValidationError as error:
        raise DeclarationInvalid(list(problems_of(error, path, lines))) from None
    declaration.stands_in(path, lines)
    return declaration
