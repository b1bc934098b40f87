"""`relay destinations`: how each stands, and what a person can do about it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.cli.lookup import with_journal
from relay.codes import CODES, RelayError
from relay.model import Attempt, Backlog, Gate, VerdictKind, deliver_stage

if TYPE_CHECKING:
    from relay.journal.protocol import Journal
    from relay.settings.loading import Loaded

ACTIONS = ("pause", "resume", "test")


@dataclass(frozen=True, slots=True)
class State:
    """How one destination stands."""

    name: str
    kind: str
    mode: str
    paused: bool
    gate: Gate
    backlog: Backlog
    latest: Attempt | None

    @property
    def word(self) -> str:
        if self.paused:
            return "paused"
        if self.gate.failures:
            return "waiting"
        return "test mode" if self.mode == "test" else "open"

    @property
    def code(self) -> str:
        return "paused" if self.paused else self.gate.code


def destinations(
    context: typer.Context,
    action: Annotated[str | None, typer.Argument(metavar="[pause | resume | test]", help="What to do.")] = None,
    name: Annotated[str | None, typer.Argument(help="Of the destination.")] = None,
    send: Annotated[
        bool, typer.Option("--send", help="With `test`: send a record that is marked as a test, to see it taken.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how each destination stands: what waits, the last answer, the next attempt, what to do.

    `pause` lets nothing go there until `resume`, over restarts too; what waits is kept. `resume` also makes a
    destination that rests after a failure try again at once. Both act on a running relay within a second.
    `test` checks the connection without side effects where the vendor has such a check.
    """
    loaded = frame(context).load()
    if action is None:
        _list(context, loaded, as_json=as_json)
        return
    if action not in ACTIONS:
        raise RelayError("bad_argument", f"{action!r} is not one of {', '.join(ACTIONS)}.")
    if name not in loaded.options.destinations:
        known = ", ".join(loaded.options.destinations) or "none"
        raise RelayError("bad_argument", f"No destination {name or ''!r} is configured.", f"Configured: {known}.")
    if send and action != "test":
        raise RelayError("bad_argument", "--send belongs to `relay destinations test`.")
    if action == "test":
        _test(loaded, name, send=send, as_json=as_json)
    else:
        _hold(context, name, action, as_json=as_json)


def _list(context: typer.Context, loaded: Loaded, *, as_json: bool) -> None:
    from relay.cli import showing

    states = with_journal(context, lambda journal: _states(journal, loaded))
    if as_json:
        print_json([_plain(state) for state in states])
    elif states:
        showing.console().print(showing.destinations_table(states))
        for state in states:
            if state.code:
                remedy = CODES[state.code].remedy.replace("NAME", state.name)
                typer.echo(f"{state.name}: {CODES[state.code].meaning} {remedy}")
    else:
        typer.echo("No destination is configured.")


async def _states(journal: Journal, loaded: Loaded) -> list[State]:
    from relay.pipeline.gates import is_paused

    found = []
    for name, options in loaded.options.destinations.items():
        stage = deliver_stage(name)
        (backlog,) = await journal.backlogs([stage])
        paused, gate = await is_paused(journal, stage), await journal.gate(stage)
        found.append(State(name, options.kind, options.mode, paused, gate, backlog, await journal.last_attempt(name)))
    return found


def _plain(state: State) -> dict[str, Any]:
    return {
        "name": state.name,
        "kind": state.kind,
        "state": state.word,
        "code": state.code,
        "why": state.gate.why,
        "waiting": state.backlog.waiting,
        "oldest_received_at_ms": state.backlog.oldest_received_at_ms,
        "next_attempt_at_ms": state.gate.not_before_ms if state.gate.failures else None,
        "latest_attempt": asdict(state.latest) if state.latest else None,
    }


def _hold(context: typer.Context, name: str, action: str, *, as_json: bool) -> None:
    from relay.pipeline import gates

    change = gates.pause if action == "pause" else gates.resume
    with_journal(context, lambda journal: change(journal, deliver_stage(name)))
    if as_json:
        print_json({"name": name, "state": "paused" if action == "pause" else "resumed"})
    elif action == "pause":
        typer.echo(f"{name} is paused; what waits is kept. `relay destinations resume {name}` lets it go on.")
    else:
        typer.echo(f"{name} goes on.")


def _test(loaded: Loaded, name: str, *, send: bool, as_json: bool) -> None:
    from relay.app import probe_destination, send_test_record

    if not send:
        decision = asyncio.run(probe_destination(loaded, name))
        told = [decision]
        if decision.code == "no_probe" and not as_json:
            typer.echo(f"{decision.detail} `relay destinations test {name} --send` sends a record marked as a test.")
            return
    else:
        tried = asyncio.run(send_test_record(loaded, name))
        told = [one.decision for one in tried]
    if as_json:
        print_json([{"verdict": str(one.verdict), "code": one.code, "detail": one.detail} for one in told])
    else:
        for one in told:
            remedy = "" if one.verdict is VerdictKind.DELIVERED else CODES[one.code].remedy
            told_of_it = (CODES[one.code].meaning, one.detail and f"{one.detail}.", remedy)
            typer.echo(f"{name}: {one.verdict}. {' '.join(filter(None, told_of_it))}")
    if any(one.verdict is not VerdictKind.DELIVERED for one in told):
        raise typer.Exit(FAILED)
