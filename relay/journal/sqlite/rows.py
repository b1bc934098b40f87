"""Many rows in one step.

Python's ``sqlite3`` gives up the interpreter's lock at every step, and beside a busy event loop it
waits up to a switch interval to get it back. So what counts is the number of steps, not of rows.
Rows are bound into ``values`` padded with nulls to a power of two: one step each time, and few
different statements, which stay prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

import orjson

Row: TypeAlias = tuple[Any, ...]

LAST_ID = 2**63 - 1
"""A person may ask for a larger one, of which SQLite cannot even be asked."""

_ROWS = 256
_BYTES = 1 << 20


class Insert:
    """An insert into ``columns``, of which the first may not be null."""

    def __init__(self, table: str, columns: str, *, conflict: str = "") -> None:
        self._head = f"insert into {table} ({columns}) select * from "  # noqa: S608  constants of the callers
        self._tail = f" where column1 is not null {conflict}"
        self._width = columns.count(",") + 1
        self._may_skip = bool(conflict)

    def run(self, database: sqlite3.Connection, rows: Sequence[Row]) -> tuple[int, int]:
        """Returns how many were inserted and the last one's id."""
        inserted = last_id = 0
        for chunk in _chunks(rows):
            slots = _slots(len(chunk))
            statement = self._head + _values(self._width, slots) + self._tail
            cursor = database.execute(statement, _fill(chunk, self._width, slots))
            if cursor.rowcount:
                inserted, last_id = inserted + cursor.rowcount, cursor.lastrowid or 0
        if inserted < len(rows) and not self._may_skip:
            raise ValueError("a row without its first column cannot be inserted")
        return inserted, last_id


def look_up(database: sqlite3.Connection, expression: str, rows: Sequence[tuple[str, str]]) -> list[Any]:
    """The value of a SQL ``expression`` of ``column1`` and ``column2`` for every row, in order."""
    found: list[Any] = []
    for chunk in _chunks(rows):
        slots = _slots(len(chunk))
        statement = f"select json_group_array({expression}) from {_values(2, slots)} where column1 is not null"  # noqa: S608
        found += orjson.loads(database.execute(statement, _fill(chunk, 2, slots)).fetchone()[0])
    return found


def id_list(ids: Iterable[int]) -> str:
    """Ids as one value, for ``in (select value from json_each(?))``."""
    return orjson.dumps([one for one in ids if one <= LAST_ID]).decode()


def _slots(rows: int) -> int:
    return 1 << (rows - 1).bit_length()


@lru_cache
def _values(width: int, rows: int) -> str:
    row = f"({','.join('?' * width)})"
    return f"(values {','.join([row] * rows)})"


def _fill(rows: Sequence[Row], width: int, slots: int) -> list[Any]:
    return [*chain.from_iterable(rows), *[None] * (width * (slots - len(rows)))]


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Bounded in bytes too: a prepared statement keeps a copy of what was last bound to it."""
    start = size = 0
    for end, row in enumerate(rows):
        weight = len(row[-1]) if isinstance(row[-1], bytes | str) else 0
        if end > start and (end - start == _ROWS or size + weight > _BYTES):
            yield rows[start:end]
            start, size = end, 0
        size += weight
    if rows:
        yield rows[start:]
