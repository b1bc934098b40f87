"""`relay backfill`: history out of a file, through the same templates as webhooks."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.frame import FAILED, JsonOption, frame
from relay.cli.history import (
    ToOption,
    Wanted,
    added,
    counted,
    followed,
    known_destinations,
    known_source,
    rejecting,
    tell,
    topic_of,
)
from relay.codes import RelayError

if TYPE_CHECKING:
    from relay.pipeline.rows import Row


def backfill(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="NDJSON, a JSON array or CSV; - reads standard input.")],
    source: Annotated[str, typer.Option("--source", "-s", help="Name of the source, as configured.")],
    tracked_event: Annotated[
        str | None, typer.Option(help="What each row tells, such as order_completed; takes its first topic.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Topic of each row, such as order.paid.")] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--map", help="JSONata file: a row in, the platform's body out; or several; or nothing."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help='Header of each webhook, "Name: value". Repeatable.')
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="ndjson, json or csv. Default: by name and first character.")
    ] = None,
    to: ToOption = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second. Default: as configured.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="File for rows that cannot be taken; mend it and feed it again.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Do it. Without, render and count, and store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring in the past: each row becomes the webhook that would have told it.

    A row is the platform's own document (an order), the body of a webhook, or what --map makes of it. It
    keeps its time; its message ids are those of live webhooks, so nothing counts twice. Live traffic goes
    first. Run again after an interruption: what is stored by then is known by its contents.
    """
    loaded = frame(context).load()
    known_source(loaded, source)
    known_destinations(loaded, to or [])
    chosen = topic or (topic_of(loaded, source, tracked_event) if tracked_event else None)
    wanted = Wanted(source, chosen, mapping, tuple(header or ()), tuple(to or ()))
    per_second = rate or loaded.options.history.backfill_per_second
    with _opened(file) as stream, rejecting(rejects) as reject:
        rows = _rows(stream, file.name, form)
        work = added(loaded, wanted, rows, reject, per_second) if run else counted(loaded, wanted, rows, reject)
        told = asyncio.run(followed(work, quiet=as_json))
    tell(loaded, told, rejects, ran=run, to=to or [], as_json=as_json)
    if told.rejected:
        raise typer.Exit(FAILED)


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedReader]:
    if str(file) == "-":
        assert isinstance(sys.stdin.buffer, io.BufferedReader)
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise RelayError("bad_argument", f"{file}: {error.strerror}.") from error
    with stream:
        yield stream


def _rows(stream: io.BufferedReader, name: str, form: str | None) -> Iterable[Row]:
    from relay.pipeline.rows import FORMS, form_of, read_rows

    if form is not None and form not in FORMS:
        raise RelayError("bad_argument", f"--format {form!r} is not one of {', '.join(FORMS)}.")
    return read_rows(stream, form or form_of(name, stream))
