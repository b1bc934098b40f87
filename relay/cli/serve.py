"""`relay serve` and `relay demo`."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Annotated, Literal

import typer

from relay.cli.frame import FAILED, frame

GARBAGE_THRESHOLD = 20_000
SWITCH_INTERVAL_S = 0.0005


def serve(
    context: typer.Context,
    role: Annotated[
        Literal["all", "intake", "worker"],
        typer.Option(help="Take webhooks, or render and deliver, or all; for nodes that share a journal."),
    ] = "all",
) -> None:
    """Run the relay. SIGTERM or Ctrl-C ends it after the work in hand; a second one at once."""
    import uvloop

    from relay import app, logs
    from relay.settings.describing import secrets_of

    loaded = frame(context).load()
    logs.configure(loaded.options.log.format, loaded.options.log.level, secrets_of(loaded.options))
    # What is loaded by now stays; looking through it again and again costs a tenth of the throughput.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    # The journal's threads need the interpreter often and for short; at Python's 5 ms they would wait for it.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.serve(loaded, role=app.Role(role)))


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
