"""`relay render`: what would be sent for this webhook."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.codes import CODES, RelayError

if TYPE_CHECKING:
    from relay.model import NewOutcome
    from relay.pipeline.render import Rendered


def render(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A webhook's body; - reads standard input.")],
    source: Annotated[str, typer.Option("--source", "-s", help="Name of the source, as configured.")],
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", "-H", help='A header of it, "Name: value"; Shopify names the topic in one. Repeatable.'
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the calls that a webhook makes. Sends and stores nothing, asks no commerce API, checks no secret."""
    from relay.app import now_ms
    from relay.model import Webhook
    from relay.renderer import render_webhook

    webhook = Webhook(dict(map(header_of, header or ())), _read(file))
    rendered = render_webhook(frame(context).load(), source, webhook, now_ms())
    if as_json:
        print_json(
            {
                "calls": [_call(call.text) for call in rendered.calls],
                "outcomes": _outcomes(rendered),
                "warnings": [*map(str, rendered.warnings)],
            }
        )
    else:
        _print(rendered)
    if any(outcome.kind == "dead" for outcome in rendered.outcomes):
        raise typer.Exit(FAILED)


def header_of(text: str) -> tuple[str, str]:
    """Name in lower case and value of a header given as `Name: value`. Raises RelayError."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise RelayError("bad_argument", f"--header {text!r} is not of the form `Name: value`.")
    return name.strip().lower(), value.strip()


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise RelayError("bad_argument", f"{file}: {error.strerror}.") from error


def _call(text: str) -> Any:
    return json.loads(text)


def _outcomes(rendered: Rendered) -> list[dict[str, str]]:
    return [{"outcome": o.kind, "code": o.code, "detail": o.detail} for o in rendered.outcomes]


def _print(rendered: Rendered) -> None:
    from rich.console import Console

    console = Console()
    for call in rendered.calls:
        console.print(f"[bold]{call.tracked_event}[/] template {call.template_version}, message id {call.message_id}")
        console.print_json(call.text)
    for warned in rendered.warnings:
        typer.secho(f"warning: {warned}", fg="yellow")
    for outcome in rendered.outcomes:
        _explain(outcome)


def _explain(outcome: NewOutcome) -> None:
    known = CODES[outcome.code]
    typer.secho(f"{outcome.kind}: {outcome.code}", fg="red" if outcome.kind == "dead" else "yellow", bold=True)
    for line in filter(None, (outcome.detail, known.meaning, known.remedy)):
        typer.echo(f"  {line}")
