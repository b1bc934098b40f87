"""Values between Python and PostgreSQL: arrays for whole batches, and text with the one character it cannot hold.

A batch is written by one statement, ``insert … select … from unnest(…)``, with one array for each column.
The arrays are made here, in the binary format that the server takes without parsing
(`array_recv` in PostgreSQL's ``arrayfuncs.c``), and their types never differ, so that a statement is prepared once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrBinaryDumper, StrDumper, TextBinaryLoader, TextLoader

_BYTEA, _INT8, _TEXT = 17, 20, 25
_ESCAPE = "\x01"
_ESCAPED = re.compile("\x01([\x01\x02])")
_NULL = struct.pack("!i", -1)


class Texts(list[str | None]):
    """A ``text[]``."""


class Bigints(list[int | None]):
    """A ``bigint[]``."""


class Byteas(list[bytes]):
    """A ``bytea[]``."""


def stored(text: str) -> str:
    """Without the character NUL, which PostgreSQL refuses in text; `told` undoes it."""
    if "\x00" in text or _ESCAPE in text:
        return text.replace(_ESCAPE, "\x01\x02").replace("\x00", "\x01\x01")
    return text


def told(text: str) -> str:
    if _ESCAPE in text:
        return _ESCAPED.sub(lambda found: "\x00" if found[1] == "\x01" else _ESCAPE, text)
    return text


def in_columns(rows: Iterable[Sequence[Any]], *kinds: type[Texts | Bigints | Byteas]) -> list[list[Any]]:
    """Rows turned into one array for each column."""
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return [kind(column) for kind, column in zip(kinds, columns, strict=True)]


def adapt(connection: AsyncConnection[Any]) -> None:
    """Make a connection use all this."""
    adapters = connection.adapters
    for kind, dumper in ((Texts, _TextsDumper), (Bigints, _BigintsDumper), (Byteas, _ByteasDumper)):
        adapters.register_dumper(kind, dumper)
    adapters.register_dumper(str, _StrDumper)
    adapters.register_dumper(str, _StrBinaryDumper)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_loader("text", _Loader)
    adapters.register_loader("text", _BinaryLoader)


class _StrDumper(StrDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(stored(obj))


class _StrBinaryDumper(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(stored(obj))


class _Loader(TextLoader):
    def load(self, data: Buffer) -> str:
        return told(bytes(data).decode())


class _BinaryLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> str:
        return told(bytes(data).decode())


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element: ClassVar[int]

    def dump(self, obj: Sequence[Any]) -> bytes:
        parts = [b""]
        for item in obj:
            if item is None:
                parts.append(_NULL)
            else:
                value = self.encode(item)
                parts += (len(value).to_bytes(4, "big"), value)
        if len(parts) == 1:
            return struct.pack("!iii", 0, 0, self.element)
        parts[0] = struct.pack("!iiiii", 1, int(None in obj), self.element, len(obj), 1)
        return b"".join(parts)

    def encode(self, item: Any) -> bytes:
        raise NotImplementedError


class _TextsDumper(_ArrayDumper):
    oid, element = 1009, _TEXT

    def encode(self, item: str) -> bytes:
        return stored(item).encode()


class _BigintsDumper(_ArrayDumper):
    oid, element = 1016, _INT8

    def encode(self, item: int) -> bytes:
        return item.to_bytes(8, "big", signed=True)


class _ByteasDumper(_ArrayDumper):
    oid, element = 1001, _BYTEA

    def encode(self, item: bytes) -> bytes:
        return item
