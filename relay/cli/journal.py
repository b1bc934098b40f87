"""`relay journal copy`: a shop that has grown moves from SQLite to PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.frame import JsonOption, print_json
from relay.codes import RelayError

_SQLITE, _POSTGRESQL = "sqlite:", ("postgresql://", "postgres://")


def journal(
    action: Annotated[str, typer.Argument(metavar="copy", help="What to do.")],
    source: Annotated[str, typer.Argument(help="sqlite:FILE, or sqlite:///FILE.")],
    target: Annotated[str, typer.Argument(help="postgresql://…, an empty database.")],
    as_json: JsonOption = False,
) -> None:
    """Copy a SQLite journal into PostgreSQL, with all ids and cursors. No relay may run on it."""
    if action != "copy":
        raise RelayError("bad_argument", f"Nothing is known of {action!r}; say `relay journal copy SOURCE TARGET`.")
    if not source.startswith(_SQLITE) or not target.startswith(_POSTGRESQL):
        raise RelayError("bad_argument", "Copied is from sqlite:FILE to postgresql://….")
    path = Path(source.removeprefix(_SQLITE).removeprefix("///"))
    if not path.exists():
        raise RelayError("not_found", f"There is no journal at {path}.", "Name the file of journal.url.")
    counts = asyncio.run(_copy(path, target, quiet=as_json))
    if as_json:
        print_json({"rows": counts})
    else:
        typer.echo("Counts and cursors are the same. Set journal.url, and start the relay.")


async def _copy(path: Path, target: str, *, quiet: bool) -> dict[str, int]:
    try:
        from relay.journal.copying import copy
    except ImportError as error:
        raise RelayError("journal_driver", f"The driver of PostgreSQL is not installed: {error}.") from error
    counts: dict[str, int] = {}

    def tell(table: str, number: int) -> None:
        counts[table] = number
        if not quiet:
            typer.echo(f"{table}: {number}")

    await copy(path, target, tell)
    return counts
