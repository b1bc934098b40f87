"""The configuration file: found, read, and where in it each key stands."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.codes import RelayError
from relay.settings.tables import KeyPath

FILE_NAME = "relay.toml"
_LONGEST_INDEXED = 200_000
_PLACE = re.compile(r"\s*\((?:at line (\d+), column (\d+)|at end of document)\)$")


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    text: str
    data: dict[str, Any]


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The named file, that of RELAY_CONFIG, or ./relay.toml when it is there. Raises RelayError `config_not_found`."""
    named = environ.get("RELAY_CONFIG")
    if path is None and named is not None:
        if not named.strip():
            raise RelayError("config_not_found", "RELAY_CONFIG is set but empty.", "Name a file in it, or unset it.")
        path = Path(named)
    if path is not None:
        return path
    usual = Path(FILE_NAME)
    return usual if usual.exists() else None


def read(path: Path) -> File:
    """Raises RelayError `config_not_found` or `config_syntax`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise RelayError("config_not_found", f"There is no file {path}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else "not a file name"
        raise RelayError(
            "config_not_found", f"{path} cannot be read: {why}.", "Mend the path or its rights."
        ) from error
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n") + "\n"
        return File(path, text, tomllib.loads(text))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RelayError("config_syntax", f"{path} line {line}: the file is not UTF-8 text.") from error
    except RecursionError as error:
        raise RelayError("config_syntax", f"{path}: brackets are nested too deep.") from error
    except ValueError as error:  # TOMLDecodeError, and a whole number of thousands of digits
        raise RelayError("config_syntax", f"{path}{_where(str(error))}") from error


def _where(message: str) -> str:
    """` line 3, column 5: what`. tomllib puts the place at the end; its messages quote keys, never values."""
    place = _PLACE.search(message)
    if place is None:
        return ": a value cannot be read."
    what = message[: place.start()]
    if place[1] is None:
        return f" ends too early: {what}."
    return f" line {place[1]}, column {place[2]}: {what}."


def lines(text: str) -> dict[KeyPath, int]:
    """Line number of each key of a text that is TOML; of a ``[[table]]`` with its number: ``table``, ``0``, ``key``.

    Statement after statement is parsed by itself.
    """
    found: dict[KeyPath, int] = {}
    if len(text) > _LONGEST_INDEXED:
        return found
    table: KeyPath = ()
    tables: Counter[KeyPath] = Counter()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        start = start if statement else number
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except ValueError:
            continue  # a text or a list that goes on in the next line
        paths = list(_paths(parsed))
        if statement.lstrip().startswith("["):
            table = paths[-1]
            found.setdefault(table, start)
            if statement.lstrip().startswith("[["):
                tables[table] += 1
                table = (*table, str(tables[table] - 1))
                found[table] = start
        else:
            for path in paths:
                found.setdefault(table + path, start)
        statement = ""
    return found


def _paths(value: Any) -> Iterator[KeyPath]:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            yield from ((key, *path) for path in _paths(inner))
