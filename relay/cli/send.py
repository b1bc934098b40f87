"""`relay send`: post a signed webhook, as the platform would, and see what becomes of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.codes import CODES, RelayError
from relay.model import EventId, OutcomeKind, Timeline, Webhook, deliver_stage, render_stage

if TYPE_CHECKING:
    from relay.cli.sampling import Signed
    from relay.destinations.contract import Answer
    from relay.journal.protocol import Journal
    from relay.settings.loading import Loaded

TIMEOUT_S = 30.0
WAIT_S = 60.0
LOOK_AGAIN_S = 0.1
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a relay listens, and is reached


@dataclass(frozen=True, slots=True)
class Sent:
    status: int
    said: Any
    event_id: EventId | None


def send(
    context: typer.Context,
    source: Annotated[str, typer.Option("--source", help="The source whose platform is played.")],
    file: Annotated[Path | None, typer.Argument(help="File with the body of a webhook; `-` is standard input.")] = None,
    sample: Annotated[
        str | None, typer.Option(help="Instead of a file: a tracked event, such as order_completed, of the case files.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option(help="Of a file whose topic is told by a header, such as orders/paid.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the relay is, such as https://relay.example.com. Default: as configured.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Send a sample also when a destination is live, and gets an order of nobody.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended everywhere, by the journal on this machine.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Post a webhook that is signed as the platform signs, and tell the answer.

    The body of a file goes as it is. The same sample is a duplicate the second time. Fails when it is not taken, and
    with --wait when it ends as a dead letter.
    """
    loaded = frame(context).load()
    _check(loaded, source, file, sample, topic, live=live)
    made = _made(loaded, source, file, sample, topic)
    target = _target(loaded, url, source)
    sent = asyncio.run(_post(loaded, target, made))
    if not as_json:
        _tell(target, sent)
    told = asyncio.run(_wait(loaded, sent.event_id)) if wait and sent.event_id is not None else None
    if as_json:
        _print(sent, told)
    elif told is not None:
        from relay.cli import showing

        showing.console().print(showing.outcomes_table(told.outcomes))
    dead = told is not None and any(outcome.kind is OutcomeKind.DEAD for outcome in told.outcomes)
    if sent.status != 200 or dead:
        raise typer.Exit(FAILED)


def _check(
    loaded: Loaded, source: str, file: Path | None, sample: str | None, topic: str | None, *, live: bool
) -> None:
    if source not in loaded.options.sources:
        known = ", ".join(loaded.options.sources) or "none"
        raise RelayError("bad_argument", f"No source {source!r} is configured.", f"Configured: {known}.")
    if (file is None) == (sample is None):
        raise RelayError("bad_argument", "Name a file or a --sample, and not both.")
    if topic is not None and file is None:
        raise RelayError("bad_argument", "--topic belongs to a file.")
    reached = [name for name, options in loaded.options.destinations.items() if options.mode == "live"]
    if sample is not None and reached and not live:
        raise RelayError(
            "bad_argument",
            f"{', '.join(reached)} would get the sample, which nobody ordered, as a real one.",
            'Set mode = "test" for the time being, or add --live.',
        )


def _made(loaded: Loaded, source: str, file: Path | None, sample: str | None, topic: str | None) -> Signed:
    from relay.app import now_ms
    from relay.cli import sampling
    from relay.cli.registering import tracked
    from relay.sources.contract import Unsignable

    try:
        if file is not None:
            body = typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
            return sampling.sign(loaded, source, Webhook({}, body), topic or "", now_ms())
        assert sample is not None
        found = sampling.sample_of(loaded, source, sample)
        if found is None:
            names = ", ".join(tracked(loaded.options.sources[source]))
            raise RelayError(
                "bad_argument",
                f"There is no sample of {sample!r} with a topic that makes it on {source}.",
                f"Tracked events: {names}. Or name a file.",
            )
        return sampling.signed(loaded, source, found, now_ms())
    except Unsignable as unsignable:
        raise RelayError("bad_argument", f"No webhook of {source} can be signed here: {unsignable}.", "") from None


def _target(loaded: Loaded, url: str | None, source: str) -> str:
    from relay.cli.registering import webhook_url

    server = loaded.options.server
    if url is None and server.port == 0:
        raise RelayError("bad_argument", "server.port is 0, so nobody knows the relay's port.", "Add --url.")
    return webhook_url(url or f"http://{_ANYWHERE.get(server.host, server.host)}:{server.port}", source)


async def _post(loaded: Loaded, url: str, made: Signed) -> Sent:
    """Raises RelayError when nobody answers. The address is the person's own, so it may be a private one."""
    from relay.destinations.contract import Request
    from relay.http import HttpDoor

    options = loaded.options.outgoing.model_copy(update={"allow_private": True})
    headers = {"user-agent": "relay send", **made.webhook.headers}
    request = Request("POST", url, headers, made.webhook.body, shown_body=b"")
    async with HttpDoor(options) as door:
        answer = await door.send(request, timeout_s=TIMEOUT_S)
    if answer.status == 0:
        raise RelayError(
            answer.error, f"{url}: {answer.error_detail}.", "Is the relay running there? `relay serve` starts it."
        )
    return Sent(answer.status, *_read(answer))


def _read(answer: Answer) -> tuple[Any, EventId | None]:
    text = answer.body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
        return said, EventId(int(said["event"])) if answer.status == 200 else None
    except (ValueError, KeyError, TypeError):
        # It is not a relay that answers.
        return text[:500], None


async def _wait(loaded: Loaded, event_id: EventId) -> Timeline:
    """Tell what holds the event up, as soon as that is known.

    Raises RelayError when it takes too long, or the event is in another journal.
    """
    from relay.app import existing_journal

    names = list(loaded.options.destinations)
    told: Timeline | None = None
    holds: list[str] = []
    async with existing_journal(loaded) as journal:
        try:
            async with asyncio.timeout(WAIT_S):
                # Other processes write without a signal.
                while (told := await journal.timeline(event_id)) is not None and not _ended(told, names):
                    now = await _holding(journal, told, names)
                    for line in now:
                        if line not in holds:
                            typer.secho(f"waiting: {line}", fg="yellow", err=True)
                    holds = now
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise RelayError(
                "timeout",
                "\n".join([f"Event {event_id} has not ended after {WAIT_S:g} s.", *holds]),
                f"See /readyz, and `relay show {event_id}`.",
            ) from None
    if told is None:
        raise RelayError(
            "not_found", f"Event {event_id} is not in this journal.", "Leave out --wait for another relay."
        )
    return told


async def _holding(journal: Journal, told: Timeline, destinations: list[str]) -> list[str]:
    """The lines that the event waits in and that stand still, in a line each: which, why, what to do."""
    from relay.pipeline.gates import is_paused

    stages = {name: deliver_stage(name) for name in destinations} if told.calls else {}
    waits_for = stages or {told.event.source: render_stage(told.event.source)}
    found = []
    for name, stage in waits_for.items():
        if await is_paused(journal, stage):
            code, why = "paused", ""
        else:
            gate = await journal.gate(stage)
            code, why = gate.code if gate.failures else "", gate.why
        if code:
            known = CODES[code]
            parts = (known.meaning, why and f"{why}.", known.remedy.replace("NAME", name))
            found.append(f"{name}: {' '.join(filter(None, parts))} [{code}]")
    return found


def _ended(told: Timeline, destinations: list[str]) -> bool:
    ends = {(outcome.call_id, outcome.destination) for outcome in told.outcomes}
    if not told.calls:
        return bool(ends)
    return all((call.id, name) in ends for call in told.calls for name in destinations)


def _tell(url: str, sent: Sent) -> None:
    if isinstance(sent.said, dict) and sent.event_id is not None:
        typer.echo(
            f"{sent.status} {sent.said.get('status')}: event {sent.event_id}. `relay show {sent.event_id}` tells more."
        )
    elif isinstance(sent.said, dict) and sent.said.get("code") in CODES:
        known = CODES[sent.said["code"]]
        typer.echo(f"{sent.status} {sent.said['code']}: {known.meaning} {known.remedy}")
    else:
        typer.echo(f"{sent.status} from {url}: {sent.said}")


def _print(sent: Sent, told: Timeline | None) -> None:
    from relay.cli import showing

    ends = None if told is None else showing.as_json(told)["outcomes"]
    print_json({"status": sent.status, "answer": sent.said, "event": sent.event_id, "outcomes": ends})
