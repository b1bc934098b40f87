"""`relay check`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from relay.cli.checks import Check, Finding, configuration, connections, journal, run_checks, sources, templates
from relay.cli.frame import FAILED, JsonOption, frame, print_json

CHECKS: tuple[Check, ...] = (configuration, sources, templates, journal, connections)

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def check(
    context: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Try no connections.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify configuration, templates, journal, keys and connections. Warnings do not fail it."""
    checks = [check for check in CHECKS if not (offline and check is connections)]
    findings = asyncio.run(run_checks(checks, frame(context).load()))
    failed = any(finding.status == "failed" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if failed:
        raise typer.Exit(FAILED)


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        status = typer.style(f"{finding.status:<7}", fg=_COLOURS[finding.status])
        first, *more = finding.text.splitlines()
        typer.echo(f"{status}  {finding.name:<{width}}  {first}")
        for line in more:
            typer.echo(f"{'':<{width + 11}}{line}")
