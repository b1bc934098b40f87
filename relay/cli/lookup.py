"""`relay events`, `relay dead`, `relay show`: where is order 1234?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from relay.cli.frame import JsonOption, frame, print_json
from relay.cli.selecting import (
    CodeOption,
    DestinationOption,
    Filters,
    LimitOption,
    SinceOption,
    SourceOption,
    with_filters,
)
from relay.codes import RelayError
from relay.model import EventId, OutcomeKind, Selection

if TYPE_CHECKING:
    from relay.journal.protocol import Journal

Result = TypeVar("Result")


@with_filters
def events(
    context: typer.Context,
    filters: Filters,
    key: Annotated[str | None, typer.Argument(help="Order id or number, customer id, or e-mail.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List events, newest first: by order number, customer, topic, time or outcome."""
    _list(context, filters.selection(key=key), limit, as_json)


def dead(
    context: typer.Context,
    source: SourceOption = None,
    destination: DestinationOption = None,
    code: CodeOption = None,
    since: SinceOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List events with a dead letter. `relay show ID` tells why, `relay replay` tries again."""
    filters = Filters(source=source, destination=destination, code=code, outcome=OutcomeKind.DEAD, since=since)
    _list(context, filters.selection(), limit, as_json)


def show(
    context: typer.Context,
    event_id: Annotated[
        int, typer.Argument(help="Id of an event, as the answer to the webhook and the lists have it.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Tell all of one event: webhook, calls, attempts, outcomes. Shows personal data."""
    from relay.cli import showing

    told = with_journal(context, lambda journal: journal.timeline(EventId(event_id)))
    if told is None:
        raise RelayError("not_found", f"There is no event {event_id}.")
    if as_json:
        print_json(showing.as_json(told))
    else:
        showing.timeline(told, showing.console())


def _list(context: typer.Context, chosen: Selection, limit: int, as_json: bool) -> None:
    from relay.cli import showing

    found = with_journal(context, lambda journal: journal.find(chosen, limit=limit))
    if as_json:
        print_json([showing.as_json(event) for event in found])
    elif found:
        showing.console().print(showing.events_table(found))
        if len(found) == limit:
            typer.echo(f"The newest {limit}; --limit shows more.")
    else:
        typer.echo("No such events.")


def with_journal(context: typer.Context, ask: Callable[[Journal], Awaitable[Result]]) -> Result:
    """Ask the journal beside a relay that may be running on it.

    Raises RelayError, also when there is no journal yet: looking must not make one.
    """
    from relay.app import existing_journal

    loaded = frame(context).load()

    async def asked() -> Result:
        async with existing_journal(loaded) as journal:
            return await ask(journal)

    return asyncio.run(asked())
