"""`relay serve` and `relay demo`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from relay.cli.frame import FAILED, frame


def serve(
    context: typer.Context,
    role: Annotated[
        Literal["all", "intake", "worker"],
        typer.Option(help="Take webhooks, or render and deliver, or all; for nodes that share a journal."),
    ] = "all",
) -> None:
    """Run the relay. SIGTERM or Ctrl-C ends it after the work in hand; a second one at once.

    SIGHUP reads the configuration again.
    """
    import uvloop

    from relay import app
    from relay.tuning import tune

    tune()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(app.serve(frame(context).load, role=app.Role(role)))
    if code:
        raise typer.Exit(code)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the story is told.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the relay; 0 takes a free one.")] = 0,
    everybody: Annotated[bool, typer.Option("--all", help="With a look-alike of every vendor.")] = False,
) -> None:
    """See the whole flow on this machine alone: webhooks, a Segment look-alike, and what arrives."""
    from rich.console import Console

    from relay.demo.story import tell

    if not asyncio.run(tell(Console(), once=once, port=port, everybody=everybody)):
        raise typer.Exit(FAILED)
