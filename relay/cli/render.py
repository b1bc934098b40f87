"""`relay render`: what would be sent for this webhook."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.codes import CODES, RelayError

if TYPE_CHECKING:
    from relay.destinations.contract import Request
    from relay.model import NewOutcome
    from relay.pipeline.mapping import Ended
    from relay.pipeline.previewing import Preview
    from relay.pipeline.rendered import Rendered


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
    destination: Annotated[
        str | None, typer.Option("--destination", "-d", help="Show also what this destination would be sent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the calls that a webhook makes. Sends and stores nothing, asks no commerce API, checks no secret.

    With --destination also the requests that it would get; a mapping sees no calls of other webhooks then.
    """
    from relay.app import now_ms
    from relay.model import Webhook
    from relay.preview import preview_webhook
    from relay.renderer import render_webhook

    loaded, at_ms = frame(context).load(), now_ms()
    webhook = Webhook(dict(map(header_of, header or ())), _read(file))
    rendered = render_webhook(loaded, source, webhook, at_ms)
    previews = preview_webhook(loaded, source, webhook, rendered, destination, at_ms) if destination else []
    if as_json:
        told: dict[str, Any] = {
            "calls": [_call(call.text) for call in rendered.calls],
            "outcomes": _outcomes(rendered),
            "warnings": [*map(str, rendered.warnings)],
        }
        print_json(told | ({"requests": [*map(_previewed, previews)]} if destination else {}))
    else:
        _print(rendered)
        _print_previews(destination or "", previews)
    dead = [preview for preview in previews if preview.ended is not None and preview.ended.kind == "dead"]
    if dead or any(outcome.kind == "dead" for outcome in rendered.outcomes):
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
        console.print(
            f"[bold]{call.tracked_event}[/] template {call.template_version}, message id {call.message_id}",
            soft_wrap=True,
        )
        console.print_json(call.text)
    for warned in rendered.warnings:
        typer.secho(f"warning: {warned}", fg="yellow")
    for outcome in rendered.outcomes:
        _explain(outcome)


def _previewed(preview: Preview) -> dict[str, Any]:
    sent = [{"to": _to(request), "body": _shown(request)} for request in preview.requests]
    ended = preview.ended
    outcome = {"outcome": ended.kind, "code": ended.code, "detail": ended.detail} if ended else None
    return {"tracked_event": preview.tracked_event, "requests": sent, **({"outcome": outcome} if outcome else {})}


def _to(request: Request) -> str:
    """Without the query, in which some vendors want their key."""
    return f"{request.method} {request.url.partition('?')[0]}"


def _shown(request: Request) -> Any:
    text = request.shown_body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _print_previews(destination: str, previews: Sequence[Preview]) -> None:
    from rich.console import Console

    console = Console()
    for preview in previews:
        for request in preview.requests:
            console.print(f"[bold]{destination}[/] {preview.tracked_event}: {_to(request)}", soft_wrap=True)
            console.print_json(data=_shown(request))
        if preview.ended is not None:
            typer.secho(f"{destination} {preview.tracked_event}", bold=True)
            _explain(preview.ended)


def _explain(outcome: NewOutcome | Ended) -> None:
    known = CODES[outcome.code]
    typer.secho(f"{outcome.kind}: {outcome.code}", fg="red" if outcome.kind == "dead" else "yellow", bold=True)
    for line in filter(None, (outcome.detail, known.meaning, known.remedy)):
        typer.echo(f"  {line}")
