"""`relay forget`, `relay export`, `relay audit`: what is kept of a person, and erasing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from relay.cli.frame import JsonOption, frame, number_of, print_json
from relay.cli.lookup import with_journal
from relay.cli.selecting import LimitOption
from relay.codes import RelayError
from relay.model import Audit, EventId, PrivacyKind, QuarantineId, subject

if TYPE_CHECKING:
    from relay.journal.protocol import Journal
    from relay.sources.contract import Source

OfSource: TypeAlias = Annotated[str, typer.Option("--source", help="The source whose customer it is.")]
Customers: TypeAlias = Annotated[list[str] | None, typer.Option("--customer", help="The platform's customer id.")]
Emails: TypeAlias = Annotated[list[str] | None, typer.Option("--email", help="An e-mail address.")]
Orders: TypeAlias = Annotated[list[str] | None, typer.Option("--order", help="The platform's order id.")]


def forget(
    context: typer.Context,
    source: OfSource,
    customer: Customers = None,
    email: Emails = None,
    order: Orders = None,
    shop: Annotated[list[str] | None, typer.Option("--shop", help="The shop's domain: all that came from it.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Do it. Without, only count.")] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Rewrite a large journal too, so that nothing can be left in its file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase what is kept of a customer: events, calls, dead letters and refused requests.

    Without --run it only counts. What was not delivered yet is not delivered any more. Ids, times and outcomes
    stay, without anything about the person, so that nothing is sent twice. It cannot be undone.
    """
    from relay.app import now_ms
    from relay.pipeline import privacy

    subjects = _subjects(customer, email, order, shop)
    adapter = _source(context, source)
    kind = PrivacyKind.REDACT_SHOP if shop else PrivacyKind.REDACT_CUSTOMER

    async def work(journal: Journal) -> dict[str, Any]:
        found = await privacy.find(journal, source, adapter, subjects)
        told: dict[str, Any] = {"events": len(found.event_ids), "quarantined": len(found.quarantine_ids)}
        if not run:
            return told
        at_ms = now_ms()
        erased = await privacy.erase(journal, found, at_ms)
        await journal.record_audit(
            Audit(at_ms, source, kind, None, erased.events, erased.calls, len(found.quarantine_ids))
        )
        scrubbed = await privacy.scrub(journal, rewrite=rewrite)
        return told | {"events": erased.events, "calls": erased.calls, "scrubbed": scrubbed}

    told = with_journal(context, work)
    if as_json:
        print_json(told | {"run": run})
        return
    found = f"{number_of(told['events'], 'event')} and {number_of(told['quarantined'], 'refused request')}"
    if not run:
        typer.echo(f"{found} would be erased. Add --run to do it.")
        return
    typer.echo(f"Erased: {found}, with {number_of(told['calls'], 'call')}. `relay audit` has it.")
    if not told["scrubbed"]:
        typer.echo(
            "The journal was too busy to empty its write-ahead log, where the old bytes are until it is. "
            "Run the command again later."
        )


def export(
    context: typer.Context,
    source: OfSource,
    customer: Customers = None,
    email: Emails = None,
    order: Orders = None,
    event: Annotated[int | None, typer.Option(help="Id of the event by which the platform asked for it.")] = None,
) -> None:
    """Print all that is kept of a customer as JSON: events, calls, outcomes and refused requests.

    Not the destinations' answers, which may be about others too.
    """
    from relay.app import now_ms
    from relay.pipeline import privacy

    adapter = _source(context, source)
    asked = () if event is not None else _subjects(customer, email, order, None)

    async def work(journal: Journal) -> dict[str, Any]:
        subjects = asked if event is None else await _of_request(journal, source, adapter, EventId(event))
        found = await privacy.find(journal, source, adapter, subjects)
        told = await _everything(journal, found.event_ids, found.quarantine_ids)
        await journal.record_audit(
            Audit(
                now_ms(),
                source,
                PrivacyKind.DATA_REQUEST,
                None if event is None else EventId(event),
                len(found.event_ids),
                0,
                len(found.quarantine_ids),
            )
        )
        return told

    print_json(with_journal(context, work))


def audit(context: typer.Context, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List the privacy requests that were carried out: when and how much, not whom they were about."""
    from relay.cli import showing

    audits = with_journal(context, lambda journal: journal.audits(limit=limit))
    if as_json:
        print_json([showing.as_json(one) for one in audits])
    elif audits:
        showing.console().print(showing.audit_table(audits))
    else:
        typer.echo("There were no privacy requests.")


def _subjects(
    customers: list[str] | None, emails: list[str] | None, orders: list[str] | None, shops: list[str] | None
) -> list[str]:
    found = [
        *(subject("customer", value) for value in customers or ()),
        *(subject("email", value) for value in emails or ()),
        *(subject("order", value) for value in orders or ()),
        *(subject("shop", value) for value in shops or ()),
    ]
    if not found or any(one.endswith(":") for one in found):
        raise RelayError("bad_argument", "Nothing says whom it is about.", "Name a customer's id or e-mail address.")
    return found


def _source(context: typer.Context, name: str) -> Source:
    from relay.renderer import build_sources

    sources = build_sources(frame(context).load().options)
    if name not in sources:
        known = ", ".join(sources) or "none"
        raise RelayError("bad_argument", f"No source {name!r} is configured.", f"Configured: {known}.")
    return sources[name]


async def _of_request(journal: Journal, name: str, source: Source, event_id: EventId) -> list[str]:
    """The subjects of a platform's request. Raises RelayError when the event is none."""
    events = await journal.events([event_id])
    request = None
    if events and events[0].source == name and events[0].forgotten_at_ms is None:
        try:
            request = source.privacy(events[0])
        except ValueError as error:
            raise RelayError("privacy_unread", f"Event {event_id}: {error}.") from error
    if request is None:
        raise RelayError("not_found", f"Event {event_id} is no privacy request of {name}.")
    return list(request.subjects)


async def _everything(
    journal: Journal, event_ids: Sequence[EventId], quarantine_ids: Sequence[QuarantineId]
) -> dict[str, Any]:
    from relay.cli import showing
    from relay.cli.quarantine import as_plain

    events = [await journal.timeline(event_id) for event_id in event_ids]
    refused = [await journal.quarantined_one(quarantine_id) for quarantine_id in quarantine_ids]
    told = [showing.as_json(timeline) for timeline in events if timeline is not None]
    for timeline in told:
        del timeline["attempts"]
    return {"events": told, "quarantined": [as_plain(item) for item in refused if item is not None]}
