"""`relay config`: what is configured, and what can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from relay.cli.frame import JsonOption, frame, print_json


def config(
    context: typer.Context,
    options: Annotated[bool, typer.Option("--options", help="List all options there are, instead of values.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print each value and where it came from, secrets masked."""
    if options:
        _print_options(as_json)
    else:
        _print_values(context, as_json)


def _print_values(context: typer.Context, as_json: bool) -> None:
    from relay.settings.describing import MASK, shown, values

    loaded = frame(context).load()
    rows = [(name, shown(value), loaded.origins[name]) for name, value in values(loaded.options)]
    if as_json:
        file = str(loaded.path) if loaded.path else None
        print_json({"file": file, "values": [{"name": n, "value": v, "origin": o} for n, v, o in rows]})
        return
    typer.echo(f"# {loaded.path or 'no configuration file; defaults and environment'}")
    _print_table([(name, MASK if value == MASK else _text(value), origin) for name, value, origin in rows])


def _print_options(as_json: bool) -> None:
    from relay.settings.describing import describe

    rows = describe()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        default = "required" if row.default is None else f"default {row.default or 'unset'}"
        of = f" ({row.variant})" if row.variant else ""
        typer.secho(f"{row.name}{of}", bold=True)
        typer.echo(f"    {row.env}: {row.type}; {default}\n    {row.help}".rstrip())


def _text(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(48, max(len(value) for _, value, _ in rows))
    for name, value, origin in rows:
        typer.echo(f"{name:<{name_width}}  {value:<{value_width}}  {origin}")
