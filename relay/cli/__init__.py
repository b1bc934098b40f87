"""The command line, `relay`. A command is a function in a file beside this one, and a line in COMMANDS."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from relay.cli import (
    backfill,
    check,
    config,
    destinations,
    diff,
    init,
    journal,
    lookup,
    migrate,
    privacy,
    pull,
    quarantine,
    render,
    replay,
    send,
    serve,
    sources,
    test,
)
from relay.cli.frame import EXIT_CODES, INTERRUPTED, Frame, globals_first, print_version, report

# What a command needs beyond typer, it imports when it runs: `relay --help` must not wait for it.
COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("init", init.init),
    ("check", check.check),
    ("config", config.config),
    ("serve", serve.serve),
    ("demo", serve.demo),
    ("render", render.render),
    ("test", test.run_cases),
    ("events", lookup.events),
    ("show", lookup.show),
    ("dead", lookup.dead),
    ("quarantine", quarantine.quarantine),
    ("sources", sources.sources),
    ("send", send.send),
    ("destinations", destinations.destinations),
    ("replay", replay.replay),
    ("backfill", backfill.backfill),
    ("pull", pull.pull),
    ("reconcile", pull.reconcile),
    ("diff", diff.diff),
    ("forget", privacy.forget),
    ("export", privacy.export),
    ("audit", privacy.audit),
    ("migrate", migrate.migrate),
    ("journal", journal.journal),
)


def build() -> Any:
    """The command line with every command (a click command)."""
    return _built(COMMANDS)


@cache
def _built(commands: tuple[tuple[str, Callable[..., None]], ...]) -> Any:
    app = typer.Typer(
        name="relay",
        callback=relay,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: " + " ".join(f"{code}: {meaning}" for code, meaning in EXIT_CODES.items()),
    )
    for name, command in commands:
        app.command(name)(command)
    return typer.main.get_command(app)


def relay(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file. Default: RELAY_CONFIG, else relay.toml if it is there.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks. Also RELAY_DEBUG=1.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Webhooks from commerce platforms in, Segment calls out. Loses nothing, sends nothing twice."""
    context.obj = Frame(config)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Never raises but SystemExit."""
    try:
        code = build().main(globals_first(arguments), prog_name="relay", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # the last line: everything is shown, as what it is
        return report(error, arguments)
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))
