"""`relay diff`: what would change with other templates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import FAILED, JsonOption, frame, number_of, print_json
from relay.cli.selecting import Filters, KeyOption, SinceOption, SourceOption, TopicOption, UntilOption
from relay.codes import RelayError
from relay.model import Selection

if TYPE_CHECKING:
    from relay.cases.diffing import Report, Side
    from relay.pipeline.render_process import RenderProcess
    from relay.pipeline.rendered import Rendered, Task
    from relay.settings.loading import Loaded

SHOWN_CHANGES = 10
BATCH_EVENTS = 100


class FailOn(StrEnum):
    """What makes the exit code 1."""

    ANY = "any"
    REVENUE = "revenue"
    ERRORS = "errors"


def diff(
    context: typer.Context,
    candidate: Annotated[Path, typer.Argument(help="Templates folder to try, laid over the packaged ones.")],
    last: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many events.")] = 200,
    key: KeyOption = None,
    source: SourceOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    fail_on: Annotated[FailOn, typer.Option(help="What makes the exit code 1.")] = FailOn.ANY,
    as_json: JsonOption = False,
) -> None:
    """Render stored events with the present templates and with a candidate folder, and compare.

    Shows which calls and fields change, the count by tracked event, the change in revenue and number
    of orders, and new errors. Sends nothing. The exit code is 1 when something differs.
    """
    if not candidate.is_dir():
        raise RelayError("bad_argument", f"{candidate} is not a folder.")
    chosen = Filters(source=source, topic=topic, since=since, until=until).selection(key=key)
    report = asyncio.run(_compare(frame(context).load(), candidate, chosen, last))
    if as_json:
        print_json(_as_json(report))
    else:
        _print(report)
    failed = {
        FailOn.ANY: bool(report.changes or report.errors),
        FailOn.REVENUE: report.revenue_changed or bool(report.errors),
        FailOn.ERRORS: bool(report.errors),
    }
    if failed[fail_on]:
        raise typer.Exit(FAILED)


async def _compare(loaded: Loaded, candidate: Path, chosen: Selection, last: int) -> Report:
    from contextlib import AsyncExitStack

    from relay.app import existing_journal, now_ms
    from relay.cases.diffing import compare
    from relay.pipeline.render_process import RenderProcess
    from relay.pipeline.rendered import Task
    from relay.renderer import Hello, build_library

    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(existing_journal(loaded))
        renderers = []
        for library in (build_library(loaded), build_library(loaded, candidate)):
            renderers.append(RenderProcess(Hello(loaded.options, library.snapshot)))
            stack.push_async_callback(renderers[-1].close)
        found = await journal.find(chosen, limit=last)
        pairs = []
        for name in sorted({summary.source for summary in found}):
            kept = await journal.events([summary.id for summary in found if summary.source == name])
            events = [event for event in kept if event.body]
            tasks = [Task(event, await journal.fetched(event.id)) for event in events]
            before, after = [await _rendered(renderer, name, tasks, now_ms()) for renderer in renderers]
            pairs += [(event.id, _side(old), _side(new)) for event, old, new in zip(events, before, after, strict=True)]
        return compare(pairs)


def _side(rendered: Rendered) -> Side:
    from relay.cases.diffing import Side

    return Side(rendered.calls, rendered.outcomes, [str(warned) for warned in rendered.warnings])


async def _rendered(renderer: RenderProcess, source: str, tasks: Sequence[Task], now_ms: int) -> list[Rendered]:
    """All tasks; a batch at a time, and a renderer may answer only the first of one."""
    done: list[Rendered] = []
    while len(done) < len(tasks):
        done += await renderer.render(source, tasks[len(done) : len(done) + BATCH_EVENTS], now_ms)
    return done


def _print(report: Report) -> None:
    typer.echo(f"{number_of(report.events, 'event')} rendered with both.\n")
    for change in report.changes[:SHOWN_CHANGES]:
        typer.secho(f"event {change.event_id}, {change.tracked_event}: {change.kind}", bold=True)
        for found in change.differences:
            typer.echo(f"  {found}")
    if len(report.changes) > SHOWN_CHANGES:
        typer.echo(f"… and {len(report.changes) - SHOWN_CHANGES} more; --json has all.")
    for path, count in report.fields().most_common():
        typer.echo(f"{count:>6} {'call differs' if count == 1 else 'calls differ'} in {path}")
    typer.echo("")
    for tracked_event in sorted(report.before.calls.keys() | report.after.calls.keys()):
        _row(tracked_event, report.before.calls[tracked_event], report.after.calls[tracked_event])
    _row("orders completed", len(report.before.orders), len(report.after.orders))
    for currency in sorted(report.before.revenue.keys() | report.after.revenue.keys()):
        _row(f"revenue {currency}", report.before.revenue.get(currency, 0), report.after.revenue.get(currency, 0))
    if report.mended:
        typer.echo(f"No longer failing: {number_of(report.mended, 'event')}.")
    for error in report.errors[:SHOWN_CHANGES]:
        typer.secho(f"event {error.event_id} fails with the candidate: {error.code}", fg="red", bold=True)
        typer.echo("\n".join(f"  {line}" for line in error.detail.splitlines()))
    if report.errors:
        typer.echo(f"{number_of(len(report.errors), 'new error')}.")
    for warned, count in report.warnings.most_common(SHOWN_CHANGES):
        typer.secho(f"new warning, {count} times: {warned}", fg="yellow")


def _row(name: str, before: Any, after: Any) -> None:
    change = after - before
    typer.secho(f"{name:<20} {before:>12} → {after:>12}  {change:+}" if change else f"{name:<20} {before:>12}")


def _as_json(report: Report) -> dict[str, Any]:
    def money(revenue: dict[str, Any]) -> dict[str, str]:
        return {currency: str(amount) for currency, amount in revenue.items()}

    sides = {"before": report.before, "after": report.after}
    return {
        "events": report.events,
        "changes": [
            {
                "event_id": change.event_id,
                "tracked_event": change.tracked_event,
                "kind": change.kind,
                "differences": [found.as_json() for found in change.differences],
            }
            for change in report.changes
        ],
        "fields": dict(report.fields()),
        "calls": {name: dict(sums.calls) for name, sums in sides.items()},
        "orders": {name: len(sums.orders) for name, sums in sides.items()},
        "revenue": {name: money(sums.revenue) for name, sums in sides.items()},
        "errors": [{"event_id": e.event_id, "code": e.code, "detail": e.detail} for e in report.errors],
        "warnings": dict(report.warnings),
        "mended": report.mended,
    }
