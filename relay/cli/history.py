"""What the commands that bring in history share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeAlias

import typer

from relay.cli.frame import number_of, print_json
from relay.codes import CODES, RelayError

if TYPE_CHECKING:
    from relay.pipeline.backfill import Maker, Told
    from relay.pipeline.handling import Handling
    from relay.pipeline.rows import Row
    from relay.settings.loading import Loaded

Reject: TypeAlias = "Callable[[Row, str], None]"
ToOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--to", help="Only for this destination. Repeatable. Default: all.")
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of rows, as the command line says it."""

    source: str
    topic: str | None
    mapping: Path | None = None
    headers: Sequence[str] = ()
    to: Sequence[str] = ()

    @property
    def handling(self) -> Handling:
        from relay.pipeline.handling import Handling

        return Handling(destinations=tuple(self.to))

    def maker(self, loaded: Loaded, partitions: int) -> Maker:
        from relay.cli.render import header_of
        from relay.pipeline.backfill import Maker, as_it_is
        from relay.renderer import open_source, row_shape

        return Maker(
            self.source,
            open_source(loaded, self.source),
            row_shape(loaded, self.mapping) if self.mapping else as_it_is,
            self.topic,
            dict(map(header_of, self.headers)),
            self.handling,
            partitions,
        )


def known_source(loaded: Loaded, name: str) -> None:
    """Raises RelayError for a source that is not configured."""
    _known(name, loaded.options.sources, "source")


def known_destinations(loaded: Loaded, names: Iterable[str]) -> None:
    """Raises RelayError for a destination that is not configured."""
    for name in names:
        _known(name, loaded.options.destinations, "destination")


def _known(name: str, there: Mapping[str, Any], what: str) -> None:
    if name not in there:
        configured = f"Configured: {', '.join(there) or 'none'}."
        raise RelayError("bad_argument", f"No {what} {name!r} is configured.", configured)


def topic_of(loaded: Loaded, source: str, tracked_event: str) -> str:
    """The first topic that makes a tracked event. Raises RelayError when none does."""
    from relay.renderer import tracking

    by_topic = tracking(loaded.options.sources[source]).by_topic
    for topic, tracked_events in by_topic.items():
        if tracked_event in tracked_events:
            return topic
    known = sorted({name for names in by_topic.values() for name in names})
    raise RelayError(
        "bad_argument", f"{source} has no tracked event {tracked_event!r} that is on.", f"On: {', '.join(known)}."
    )


async def added(
    loaded: Loaded, wanted: Wanted, rows: Iterable[Row], reject: Reject, per_second: float
) -> AsyncIterator[Told]:
    """Append what rows become, at most so many a second."""
    from relay.app import existing_journal, now_ms
    from relay.pipeline import backfill as pipeline
    from relay.pipeline.pacing import Pace

    async with existing_journal(loaded) as journal:
        made = wanted.maker(loaded, journal.partitions).made(rows, now_ms())
        pace = Pace(per_second, clock=time.monotonic, sleep=asyncio.sleep)
        async for told in pipeline.run(journal, made, reject, pace.turns, pipeline.Told()):
            yield told


async def counted(loaded: Loaded, wanted: Wanted, rows: Iterable[Row], reject: Reject) -> AsyncIterator[Told]:
    """Render what rows become, and store nothing."""
    from relay.app import now_ms
    from relay.pipeline import backfill as pipeline
    from relay.renderer import build_library, build_renderer

    render = build_renderer(loaded.options, build_library(loaded).snapshot)
    made = wanted.maker(loaded, loaded.options.journal.partitions).made(rows, now_ms())
    async for told in pipeline.count(made, reject, render, pipeline.nothing_fetched, now_ms(), pipeline.Told()):
        yield told


async def followed(work: AsyncIterator[Told], *, quiet: bool) -> Told:
    """The last of what is told; shown as it goes on a terminal."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from relay.cli.showing import error_console
    from relay.pipeline.backfill import Told

    told = Told()
    columns = (SpinnerColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    console = error_console()
    # Where it cannot move it would leave an empty line.
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("", total=None, told="reading")
        async for told in work:
            progress.update(task, told=f"{told.rows} rows, {told.appended} added, {told.rejected} rejected")
    return told


@contextmanager
def rejecting(path: Path | None) -> Iterator[Reject]:
    """Gives what writes a rejected row to the file, which is made with the first one."""
    from relay.pipeline.rows import rejected

    file: BinaryIO | None = None

    def reject(row: Row, why: str) -> None:
        nonlocal file
        typer.secho(f"row {row.number}: {why}", fg="yellow", err=True)
        if path is not None:
            file = file or path.open("wb")
            file.write(rejected(row, why))

    try:
        yield reject
    finally:
        if file is not None:
            file.close()


def tell(loaded: Loaded, told: Told, rejects: Path | None, *, ran: bool, to: Sequence[str], as_json: bool) -> None:
    """What was done, or would be."""
    from relay.cli.showing import moment

    notes = _notes(loaded, to)
    if as_json:
        print_json({**vars(told), "notes": notes})
        return
    span = f", of {moment(told.first_ms)} to {moment(told.last_ms)}" if told.first_ms is not None else ""
    typer.echo(f"{number_of(told.rows, 'row')}{span}.")
    if ran:
        typer.echo(f"{number_of(told.appended, 'event')} in the backfill lane; a running relay works them now.")
        typer.echo(f"In the journal already: {told.known}.")
    for name, number in sorted(told.calls.items()):
        typer.echo(f"  {number} {name}")
    for code, number in sorted(told.endings.items()):
        typer.echo(f"  {number} without a call: {code}. {CODES[code].meaning}")
    for currency, amount in sorted(told.revenue.items()):
        typer.echo(f"  Order Completed together: {amount:,.2f} {currency}")
    if told.undated:
        dated = f"Without a time of its own, and so dated now: {number_of(told.undated, 'event')}. Let rows tell it."
        typer.secho(f"  {dated}", fg="yellow")
    for note in notes:
        typer.secho(f"  {note}", fg="yellow")
    if told.rejected:
        where = f"they are in {rejects}: mend and feed it again" if rejects else "--rejects FILE keeps them to mend"
        typer.secho(f"{number_of(told.rejected, 'row')} cannot be taken; {where}.", fg="red")
    if not ran:
        typer.echo("Nothing is stored yet. Add --run to do it.")


def _notes(loaded: Loaded, to: Sequence[str]) -> list[str]:
    """What to know of the past at the destinations that would get it."""
    from relay.destinations import HISTORY

    chosen = {name: options for name, options in loaded.options.destinations.items() if not to or name in to}
    return [f"{name}: {HISTORY[options.kind]}" for name, options in chosen.items() if options.kind in HISTORY]
