"""Rows of a file of history: NDJSON, a JSON array, or CSV. Read as a stream, however large."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import ijson  # type: ignore[import-untyped]
import orjson

from relay.codes import RelayError
from relay.model import JsonObject

FORMS = ("ndjson", "json", "csv")

REJECTED = "_rejected"
"""Why a row was not taken; in a file of rejects, and left out when that is read again."""
LINE = "_line"
"""A line that was no JSON, in a file of rejects; mended there, it is read as a row."""
LARGEST_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row by its number, from 1. ``problem`` says why it is none; ``line`` is what it was then."""

    number: int
    value: JsonObject
    problem: str = ""
    line: str = ""


def form_of(name: str, stream: io.BufferedReader) -> str:
    """One of `FORMS`: by the name's ending, else by the first character."""
    for ending, form in ((".csv", "csv"), (".ndjson", "ndjson"), (".jsonl", "ndjson")):
        if name.lower().endswith(ending):
            return form
    first = stream.peek(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return "json" if first == b"[" else "ndjson" if first == b"{" else "csv"


def read_rows(stream: BinaryIO, form: str) -> Iterator[Row]:
    """Every row of a stream in one of `FORMS`, also those that cannot be read.

    Raises RelayError when the stream breaks off or is no such file.
    """
    readers: dict[str, Callable[[BinaryIO], Iterator[Row]]] = {"ndjson": _ndjson, "json": _json, "csv": _csv}
    return readers[form](stream)


def rejected(row: Row, why: str) -> bytes:
    """The row as a line of a file of rejects."""
    kept = {LINE: row.line} if row.line else row.value
    return orjson.dumps({REJECTED: why, **kept}) + b"\n"


def _ndjson(stream: BinaryIO) -> Iterator[Row]:
    number = 0
    while line := stream.readline(LARGEST_LINE_BYTES):
        if line.strip():
            number += 1
            yield _row(number, line.removeprefix(b"\xef\xbb\xbf"))


def _row(number: int, line: bytes) -> Row:
    try:
        value = orjson.loads(line)
        if isinstance(value, dict):
            value.pop(REJECTED, None)
            if isinstance(mended := value.pop(LINE, None), str):
                return _row(number, mended.encode())
    except orjson.JSONDecodeError as error:
        return Row(number, {}, f"it is not JSON: {error.msg}", line.decode("utf-8", "replace").rstrip("\r\n"))
    return _object(number, value)


def _object(number: int, value: object) -> Row:
    if not isinstance(value, dict):
        return Row(number, {}, "it is not a JSON object", orjson.dumps(value).decode())
    return Row(number, value)


def _json(stream: BinaryIO) -> Iterator[Row]:
    number = 0
    try:
        for number, value in enumerate(ijson.items(stream, "item", use_float=True), start=1):
            yield _object(number, value)
    except ijson.JSONError as error:
        raise RelayError(
            "bad_argument", f"The file is no JSON array, behind row {number}: {error}.", "Mend it; or write NDJSON."
        ) from None


def _csv(stream: BinaryIO) -> Iterator[Row]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="strict", newline="")
    try:
        reader = csv.DictReader(text, restkey="", strict=True)
        for number, value in enumerate(reader, start=1):
            if "" in value or None in value.values():
                yield Row(number, {}, "it has more or fewer columns than the header", _as_line(value))
            else:
                yield Row(number, dict(value))
    except (csv.Error, UnicodeDecodeError) as error:
        raise RelayError("bad_argument", f"The file is no CSV in UTF-8: {error}.", "Mend it.") from None
    finally:
        text.detach()


def _as_line(value: dict[str, str]) -> str:
    """A row of CSV that does not fit its header, as JSON that can be mended."""
    return orjson.dumps({name: item for name, item in value.items() if item is not None}).decode()
