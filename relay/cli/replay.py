"""`relay replay`: work events again with today's templates."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.frame import JsonOption, frame, number_of, print_json
from relay.cli.history import ToOption, known_destinations
from relay.cli.lookup import with_journal
from relay.cli.selecting import Filters, KeyOption, with_filters
from relay.codes import RelayError
from relay.journal.protocol import Journal
from relay.model import EventSummary, Selection

if TYPE_CHECKING:
    from relay.pipeline.replay import Prospect

SAMPLE = 5
BODY_EXPIRED = "retention.bodies_days has dropped what they held."
FORGOTTEN = "what they held was erased at somebody's request. [forgotten]"


@with_filters
def replay(
    context: typer.Context,
    filters: Filters,
    event_id: Annotated[list[int] | None, typer.Argument(help="Ids of events.")] = None,
    key: KeyOption = None,
    to: ToOption = None,
    as_rendered: Annotated[
        bool, typer.Option("--as-rendered", help="The calls of then, not those of today's templates.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Send also what was delivered before: under other ids, marked in `context`."),
    ] = False,
    fetch_anew: Annotated[
        bool,
        typer.Option("--fetch-anew", help="Ask the commerce API again, instead of using what it told then."),
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second. Default: as configured.")] = None,
    all_events: Annotated[bool, typer.Option("--all", help="Every event that is kept.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Do it. Without, only count and show a sample.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Render events again with today's templates and deliver what was not delivered before.

    Without --run it only counts. Live traffic goes first. A fact that a destination has had is not
    sent to it again, it ends as `duplicate`; --force sends it all the same.
    """
    from relay.app import now_ms
    from relay.pipeline.handling import Handling
    from relay.pipeline.pacing import Pace

    chosen = filters.selection(event_ids=event_id, key=key)
    if chosen == Selection() and not all_events:
        raise RelayError("bad_argument", "Nothing says which events to replay.", "Name ids or a filter, or --all.")

    if as_rendered and fetch_anew:
        raise RelayError("bad_argument", "--as-rendered renders nothing, so there is nothing to fetch anew for.")

    loaded = frame(context).load()
    known_destinations(loaded, to or [])
    handling = Handling(destinations=tuple(to or ()), force=force, fetch_anew=fetch_anew)
    pace = Pace(rate or loaded.options.history.replay_per_second, clock=time.monotonic, sleep=asyncio.sleep)

    async def work(journal: Journal) -> tuple[Prospect, list[EventSummary], int]:
        from relay.pipeline import replay as pipeline

        sample = [*await journal.find(chosen, limit=SAMPLE)]
        found = await pipeline.originals(journal, chosen)
        prospect = await pipeline.prospect(journal, found)
        if prospect.expired and not prospect.appended:
            raise RelayError(
                "body_expired", f"{number_of(prospect.expired, 'event')} cannot be replayed: {BODY_EXPIRED}"
            )
        if not run:
            return prospect, sample, 0
        appended = 0
        async for appended in pipeline.replay(
            journal, chosen, now_ms(), handling=handling, as_rendered=as_rendered, pace=pace.turns
        ):
            if not as_json and sys.stderr.isatty():
                typer.echo(f"\rappended {appended}", nl=False, err=True)
        return prospect, sample, appended

    _tell(*with_journal(context, work), run=run, as_json=as_json)


def _tell(prospect: Prospect, sample: list[EventSummary], appended: int, *, run: bool, as_json: bool) -> None:
    from relay.cli import showing

    count = appended if run else prospect.appended
    if as_json:
        left_out = {"body_expired": prospect.expired, "forgotten": prospect.forgotten}
        shown = [showing.as_json(event) for event in sample]
        print_json({"events": count, **left_out, "appended": appended, "sample": shown})
        return
    for number, why in ((prospect.expired, f"{BODY_EXPIRED} [body_expired]"), (prospect.forgotten, FORGOTTEN)):
        if number:
            typer.echo(f"{number_of(number, 'event')} left out: {why}", err=True)
    if run:
        if sys.stderr.isatty():
            typer.echo("\r", nl=False, err=True)
        typer.echo(f"{number_of(appended, 'event')} in the replay lane; a running relay works them now.")
        return
    if not count:
        typer.echo("There is nothing to replay.")
        return
    if sample:
        showing.console().print(showing.events_table(sample))
    typer.echo(f"{number_of(count, 'event')} would be replayed. Add --run to do it.")
