"""`relay pull` and `relay reconcile`: the platform's own list of orders, brought in or compared."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.cli.history import ToOption, Wanted, followed, known_destinations, known_source, rejecting, tell
from relay.cli.selecting import SinceOption, UntilOption, time_ms
from relay.codes import RelayError

if TYPE_CHECKING:
    from relay.cli.pulled import Pulling
    from relay.pipeline.reconciling import Reconciled
    from relay.settings.loading import Loaded

SourceName = Annotated[str, typer.Option("--source", "-s", help="Name of the source, as configured.")]


def pull(
    context: typer.Context,
    source: SourceName,
    since: SinceOption = None,
    until: UntilOption = None,
    to: ToOption = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second. Default: as configured.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="File for orders that cannot be taken.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Do it. Without, render and count, and store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring in past orders from the platform's API: each becomes the webhooks that would have told it.

    As `relay backfill`, without a file: an order that came by webhook as well counts once. It needs
    sources.NAME.commerce. Run again after an interruption: what is stored by then is known.
    """
    loaded, pulling = _prepared(context, source, since, until, to or [])
    per_second = rate or loaded.options.history.backfill_per_second
    with rejecting(rejects) as reject:
        work = pulling.added(reject, per_second) if run else pulling.counted(reject)
        told = asyncio.run(followed(work, quiet=as_json))
    tell(loaded, told, rejects, ran=run, to=to or [], as_json=as_json)
    if told.rejected:
        raise typer.Exit(FAILED)


def reconcile(
    context: typer.Context,
    source: SourceName,
    since: SinceOption = None,
    until: UntilOption = None,
    to: ToOption = None,
    fix: Annotated[bool, typer.Option("--fix", help="Bring in what is missing, send what was not delivered.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the platform's list of orders with the journal: missing, undelivered, another total; sums by day.

    It needs sources.NAME.commerce. Ends with 1 when there are differences.
    """
    _, pulling = _prepared(context, source, since, until, to or [])
    told = asyncio.run(pulling.reconciled(fix=fix))
    _tell(told, fixed=fix, as_json=as_json)
    if told.differences and not fix:
        raise typer.Exit(FAILED)


def _prepared(
    context: typer.Context, source: str, since: str | None, until: str | None, to: list[str]
) -> tuple[Loaded, Pulling]:
    from relay.app import now_ms
    from relay.cli.pulled import Pulling

    loaded = frame(context).load()
    known_source(loaded, source)
    known_destinations(loaded, to)
    at_ms = now_ms()
    since_ms = time_ms("--since", since, at_ms)
    if since_ms is None:
        raise RelayError("bad_argument", "Nothing says from when on.", "Add --since, such as 30d or 2026-01-01.")
    return loaded, Pulling(
        loaded, Wanted(source, None, to=tuple(to)), since_ms, time_ms("--until", until, at_ms) or at_ms
    )


def _tell(told: Reconciled, *, fixed: bool, as_json: bool) -> None:
    from relay.cli import showing

    if as_json:
        print_json(
            {"orders": told.orders, "differences": [asdict(one) for one in told.differences], "days": _days(told)}
        )
        return
    if told.days:
        showing.console().print(showing.plain_table(("day", "platform", "journal"), _day_rows(told)))
    if told.differences:
        rows = [(one.order, one.made_at, one.tracked_event, one.kind, one.detail) for one in told.differences]
        showing.console().print(showing.plain_table(("order", "made", "tracked event", "", ""), rows))
    typer.echo(f"{told.orders} orders compared, {len(told.differences)} differences.")
    if told.differences:
        typer.echo("A running relay works them now." if fixed else "Add --fix to bring in and send what is lacking.")


def _days(told: Reconciled) -> dict[str, dict[str, dict[str, float]]]:
    return {day: {"platform": sums.platform, "journal": sums.journal} for day, sums in sorted(told.days.items())}


def _day_rows(told: Reconciled) -> Iterable[tuple[str, str, str]]:
    for day, sums in sorted(told.days.items()):
        yield day, _amounts(sums.platform), _amounts(sums.journal)


def _amounts(sums: dict[str, float]) -> str:
    return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(sums.items()))
