"""`relay migrate`: the journal's tables, brought up to date before or without a start."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from relay.cli.frame import JsonOption, frame, print_json


def migrate(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the journal's tables up to date. `relay serve` does it too, no other command; nothing is done twice."""
    from relay.opening import journal_name, open_journal, pending

    loaded = frame(context).load()

    async def work() -> list[str]:
        steps = list(await pending(loaded))
        if steps and not plan:
            # Nodes that share a database go on meanwhile; a relay on a file would not know what became of it.
            await (await open_journal(loaded, exclusive=True)).close()
        return steps

    steps = asyncio.run(work())
    if as_json:
        print_json({"journal": journal_name(loaded), "done": not plan, "steps": steps})
        return
    for step in steps:
        typer.echo(f"{'would do' if plan else 'done'}: {step}")
    if not steps:
        typer.echo(f"{journal_name(loaded)} is up to date.")
