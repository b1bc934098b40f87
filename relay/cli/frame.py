"""What all commands share: the global options, how results and errors are shown, and the exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay import __version__
from relay.codes import RelayError

if TYPE_CHECKING:
    from relay.settings.loading import Loaded

OK, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
EXIT_CODES = {
    OK: "It worked.",
    FAILED: "Something failed, or a check found something wrong.",
    USAGE: "The command line or the configuration is wrong.",
    INTERRUPTED: "Interrupted by Ctrl-C; `relay serve`: by a second one, without waiting for the work in hand.",
    TERMINATED: "`relay serve`: ended by a second SIGTERM, without waiting for the work in hand.",
}

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; errors too, on standard error.")]


@dataclass(frozen=True, slots=True)
class Frame:
    """The global options; ``ctx.obj`` of every command."""

    config: Path | None

    def load(self) -> Loaded:
        """The configuration. Raises RelayError."""
        from relay.settings.loading import load

        return load(self.config, os.environ)


def frame(context: typer.Context) -> Frame:
    obj = context.obj
    assert isinstance(obj, Frame)
    return obj


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def number_of(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relay {__version__}")
        raise typer.Exit


def globals_first(arguments: Sequence[str]) -> list[str]:
    """``arguments`` with --config and --debug moved to the front, so that they may stand anywhere."""
    first: list[str] = []
    rest = list(arguments)
    at = 0
    while at < len(rest) and rest[at] != "--":
        if rest[at] == "--config" and at + 1 < len(rest):
            first += [rest.pop(at), rest.pop(at)]
        elif rest[at] == "--debug" or rest[at].startswith("--config="):
            first.append(rest.pop(at))
        else:
            at += 1
    return first + rest


def is_debug(arguments: Sequence[str]) -> bool:
    return "--debug" in arguments or os.environ.get("RELAY_DEBUG", "") not in ("", "0")


def report(error: Exception, arguments: Sequence[str]) -> int:
    """Show an error on standard error and return the exit code. Only with --debug is there a traceback."""
    if is_debug(arguments):
        traceback.print_exception(error)
    shown = _relay_error(error)
    if "--json" in arguments:
        typer.echo(json.dumps({"error": _as_json(shown)}, ensure_ascii=False), err=True)
    elif show := getattr(error, "show", None):
        show()  # a usage error: the usage line belongs to it
    else:
        typer.secho(shown.code, fg="red", bold=True, err=True)
        for text in filter(None, (shown.message, shown.remedy)):
            typer.echo("\n".join(f"  {line}" for line in text.splitlines()), err=True)
    return USAGE if shown.code == "bad_argument" or shown.code.startswith("config_") else FAILED


def _as_json(error: RelayError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if problems := getattr(error, "problems", ()):
        body["problems"] = [problem.as_json() for problem in problems]
    return body


def _relay_error(error: BaseException) -> RelayError:
    """The error to show for any exception; one that nobody foresaw is a bug."""
    if isinstance(error, RelayError):
        return error
    if isinstance(error, BaseExceptionGroup):  # of a TaskGroup: a foreseen error tells more than a bug beside it
        inner = [_relay_error(part) for part in error.exceptions]
        return next((part for part in inner if part.code != "bug"), inner[0])
    if hasattr(error, "format_message"):
        return RelayError("bad_argument", str(error.format_message()))
    if isinstance(error, OSError) and error.strerror:
        return RelayError("system_refused", f"{error.filename or 'The system'}: {error.strerror}.")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    # The text of the exception stays out: it may hold a secret or a body.
    return RelayError("bug", f"{type(error).__name__}{place}, relay {__version__}, Python {sys.version.split()[0]}.")
