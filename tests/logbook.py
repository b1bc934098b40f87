"""What the relay logs while a test runs, and that no secret and no personal data is in it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from relay.logs import JsonFormatter
from tests.posting import EMAIL
from tests.running import SECRET, WRITE_KEY

NEVER = (SECRET, WRITE_KEY, EMAIL, "Ada Example", "commerce-secret-0815")


class Logbook:
    """The lines so far, as the relay would write them with no secret told to its redactor."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.stream.getvalue().splitlines()]

    def having(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Lines of this event whose fields have these values."""
        return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]


@contextmanager
def clean() -> Iterator[Logbook]:
    """Collect everything down to debug; fail when something is in it that must not be, or a stage crashed."""
    book = Logbook()
    handler = logging.StreamHandler(book.stream)
    handler.setFormatter(JsonFormatter(lambda text: text))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield book
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    written = book.stream.getvalue()
    assert not [word for word in NEVER if word in written]
    assert not book.having("stage_crashed")
