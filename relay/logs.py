"""Structured log lines on the standard library's logging: JSON, or one human line.

    log = logs.get("deliver")
    log.info("attempt", destination="segment", verdict="delivered", calls=100)

Every line has `time`, `level`, `logger` and `event` (a fixed word to search for); the rest are fields. `configure` is
called once, by the command that runs; lines of uvicorn and httpx go the same way, with `event` = "message".
"""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, TextIO
from urllib.parse import quote

from relay.traces import trace

MASK = "****"
SHORTEST_MASKED = 4
"""A shorter secret is no secret, and hiding it would blacken half of every line."""

_ROOT = "relay"
_QUIET = dict.fromkeys(("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "watchfiles"), logging.WARNING)
_FOREIGN = ("uvicorn", *_QUIET)
_RESERVED = {"time", "level", "logger", "event", "exception"}
_DEEPEST = 4
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}

Format = Literal["auto", "human", "json"]
Level = Literal["debug", "info", "warning", "error"]


class Log:
    """Writes events of one part of the relay. Fields are plain values; a SecretStr is masked."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """An error line with type and frames of the exception that is being handled, not its text."""
        self._write(logging.ERROR, event, fields, exception=True)

    def _write(self, level: int, event: str, fields: Mapping[str, object], *, exception: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"relay_fields": fields}, exc_info=exception)


def get(name: str) -> Log:
    return Log(logging.getLogger(f"{_ROOT}.{name}"))


def configure(
    format_: Format = "auto", level: Level = "info", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Send every line of this process to ``stream`` (standard error). May be called again.

    ``secrets`` are the configured secret values: wherever one turns up in a line, it is replaced.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    redact = Redactor(secrets)
    human = format_ == "human" or (format_ == "auto" and terminal)
    colour = terminal and "NO_COLOR" not in os.environ
    handler = logging.StreamHandler(out)
    handler.setFormatter(HumanFormatter(redact, colour=colour) if human else JsonFormatter(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.getLevelNamesMapping()[level.upper()])
    for name in _FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
        foreign.setLevel(_QUIET.get(name, logging.NOTSET))


class Redactor:
    """Replaces secret values in text, also quoted in a message, percent-encoded, and in Basic auth."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = (secret for secret in secrets if len(secret) >= SHORTEST_MASKED)
        forms = {form for secret in long_enough for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of four or more characters replaced by `****`."""
    return Redactor(secrets)(text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; the trace of an exception is the field `exception`."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {**_head(record), **_fields(record, self._redact)}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self._redact(trace(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """Time, level, logger, event, `name=value` on one line; the trace of an exception follows, indented."""

    def __init__(self, redact: Callable[[str], str], *, colour: bool) -> None:
        super().__init__()
        self._redact = redact
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        head = _head(record)
        level = head["level"]
        shown = f"{level:<7}"
        if self._colour:
            shown = f"\x1b[{_COLOURS.get(level, '0')}m{shown}\x1b[0m"
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        fields = [f"{name}={_human(value)}" for name, value in _fields(record, self._redact).items()]
        line = " ".join([clock, shown, f"{head['logger']:<8}", head["event"], *fields])
        if record.exc_info and record.exc_info[1] is not None:
            rows = self._redact(trace(record.exc_info[1])).splitlines()
            line += "\n" + "\n".join(f"    {row}" for row in rows)
        return line


def _head(record: logging.LogRecord) -> dict[str, str]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    ours = hasattr(record, "relay_fields")
    return {
        "time": time,
        "level": record.levelname.lower(),
        "logger": record.name.removeprefix(f"{_ROOT}.") if ours else record.name,
        "event": record.msg if ours else "message",
    }


def _fields(record: logging.LogRecord, redact: Callable[[str], str]) -> dict[str, Any]:
    """The record's fields as JSON values, secrets replaced; a reserved name gets an underscore."""
    fields: Mapping[str, object] | None = getattr(record, "relay_fields", None)
    if fields is None:
        fields = {"text": record.getMessage()}
    return {f"{name}_" if name in _RESERVED else name: _plain(value, redact) for name, value in fields.items()}


def _plain(value: object, redact: Callable[[str], str], depth: int = 0) -> Any:
    """A JSON value for anything. A log line never fails, and a secret in a number is hidden too."""
    if hasattr(value, "get_secret_value"):
        return MASK
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, int | float):
        shown = redact(str(value))
        return value if shown == str(value) and math.isfinite(value) else shown
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {redact(str(key)): _plain(item, redact, depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, redact, depth + 1) for item in value]
    return redact(str(value))


def _human(value: Any) -> str:
    """A text as it is when that is unambiguous; else as JSON, so that no value can break the line or the terminal."""
    if isinstance(value, str) and value and value.isprintable() and not set(value) & set(' "='):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="", errors="replace")
    yield base64.b64encode(f"{secret}:".encode(errors="replace")).decode()
