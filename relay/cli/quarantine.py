"""`relay quarantine`: requests that were refused; `relay quarantine recheck` lets in what is genuine after all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import JsonOption, frame, print_json
from relay.cli.lookup import with_journal
from relay.cli.selecting import LimitOption, SourceOption
from relay.codes import CODES, RelayError
from relay.model import Quarantined, QuarantineId

if TYPE_CHECKING:
    from relay.journal.protocol import Journal
    from relay.pipeline.rechecking import Rechecked

RECHECK = "recheck"


def quarantine(
    context: typer.Context,
    item: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID | recheck]",
            help="Id of a request: shows it. `recheck`: verifies all again, with today's secrets. Without, lists them.",
        ),
    ] = None,
    source: SourceOption = None,
    limit: LimitOption = 20,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show the body as it came, personal data too.")] = False,
    run: Annotated[
        bool, typer.Option("--run", help="With `recheck`: let the genuine in. Without, count them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List requests that were not genuine or not readable, show one, or verify them again.

    Secrets are not kept. Personal data in a body is shown masked; of a body that is not JSON, only the shape.
    What `recheck` lets in becomes events, in the order and with the times of arrival; a running relay works them.
    """
    if run and item != RECHECK:
        raise RelayError("bad_argument", "--run belongs to `relay quarantine recheck`.")
    if item == RECHECK:
        _recheck(context, source, run=run, as_json=as_json)
    elif item is not None:
        _show(context, item, unmasked=unmasked, as_json=as_json)
    else:
        _list(context, source, limit, unmasked=unmasked, as_json=as_json)


def _show(context: typer.Context, item: str, *, unmasked: bool, as_json: bool) -> None:
    from relay.cli import showing

    if not item.isdecimal():
        raise RelayError("bad_argument", f"{item!r} is neither an id nor `recheck`.")
    found = with_journal(context, lambda journal: journal.quarantined_one(QuarantineId(int(item))))
    if found is None:
        raise RelayError("not_found", f"There is nothing with id {item} in quarantine.")
    shown = found if unmasked else without_personal_data(found)
    if as_json:
        print_json(as_plain(shown))
    else:
        showing.quarantined(shown, showing.console())


def _list(context: typer.Context, source: str | None, limit: int, *, unmasked: bool, as_json: bool) -> None:
    from relay.cli import showing

    items = with_journal(context, lambda journal: journal.quarantined(source, limit=limit))
    if as_json:
        print_json([as_plain(entry if unmasked else without_personal_data(entry)) for entry in items])
    elif items:
        showing.console().print(showing.quarantine_table(items))
    else:
        typer.echo("Nothing is in quarantine.")


def _recheck(context: typer.Context, source: str | None, *, run: bool, as_json: bool) -> None:
    from relay.app import fetch_keys, verifier
    from relay.pipeline.rechecking import recheck
    from relay.renderer import build_sources

    loaded = frame(context).load()
    if source is not None and source not in loaded.options.sources:
        raise RelayError("bad_argument", f"No source {source!r} is configured.")
    sources = build_sources(loaded.options)

    async def work(journal: Journal) -> Rechecked:
        for name, failed, said in await fetch_keys(loaded, sources):
            if failed:
                typer.echo(f"{name}: {said}", err=True)
        checked_by = await verifier(loaded, journal, lasting=False)
        return await recheck(journal, sources, checked_by, source, run=run)

    told = with_journal(context, work)
    if as_json:
        counts = {"genuine": told.genuine, "appended": told.appended, "duplicates": told.duplicates}
        print_json({**counts, "refused": dict(told.refused)})
    else:
        _tell(told, run=run)


def _tell(told: Rechecked, *, run: bool) -> None:
    for code, count in sorted(told.refused.items()):
        typer.echo(f"{count} stay: {CODES[code].meaning} [{code}]")
    if run:
        typer.echo(f"Let in: {told.appended}. Removed, since they had come in before: {told.duplicates}.")
    else:
        typer.echo(f"Genuine: {told.genuine}." + (" With --run they are let in." if told.genuine else ""))


def as_plain(item: Quarantined) -> dict[str, Any]:
    """As JSON, without the verifier, which tells people nothing."""
    from relay.cli import showing

    plain = showing.as_json(item)
    del plain["verifier"]
    return plain


def without_personal_data(item: Quarantined) -> Quarantined:
    """Stand-ins for personal values where the body is JSON; else only which characters are letters and digits."""
    from relay.cases.disguises import Disguises
    from relay.cases.masking import masked

    text = item.body.decode("utf-8", "replace")
    try:
        shown = json.dumps(masked(json.loads(text), Disguises()), ensure_ascii=False)
    except (ValueError, RecursionError):
        # Not JSON, or too deep: nobody can tell what in it is personal.
        shown = re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "0", text))
    return replace(item, body=shown.encode("utf-8", "replace"))
