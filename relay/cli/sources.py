"""`relay sources`: how each stands, and what to do in its platform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.frame import JsonOption, frame, print_json
from relay.cli.lookup import with_journal
from relay.codes import CODES, RelayError
from relay.logs import MASK
from relay.model import HOUR_MS

if TYPE_CHECKING:
    from relay.journal.protocol import Journal
    from relay.pipeline.source_states import SourceState
    from relay.settings.loading import Loaded
    from relay.settings.options import SourceOptions

PUBLIC_HOST = "https://<public host of the relay>"


@dataclass(frozen=True, slots=True)
class Rated:
    """How a source stands, and how many webhooks came of late."""

    state: SourceState
    platform: str
    last_hour: int
    last_day: int


def sources(
    context: typer.Context,
    action: Annotated[str | None, typer.Argument(metavar="[setup]", help="What to do.")] = None,
    name: Annotated[str | None, typer.Argument(help="Of the source.")] = None,
    url: Annotated[
        str, typer.Option(help="With `setup`: where the platform reaches the relay, such as https://relay.example.com.")
    ] = PUBLIC_HOST,
    show_secret: Annotated[bool, typer.Option("--show-secret", help="With `setup`: show the secret.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how each source stands: when it last sent, how much, what of it was refused, whether it has gone quiet.

    Quiet is what is less likely than 1 to 100,000, going by the hours of the day and week in which the source sent
    anything in the four weeks before, and far longer than its usual silences.

    `setup` tells what to do in the source's platform: the URL, the topics of the tracked events that are on, the
    secret, the platform's limits, and a `curl` that posts a correctly signed sample.
    """
    loaded = frame(context).load()
    if action is None:
        _list(context, loaded, as_json=as_json)
        return
    if action != "setup":
        raise RelayError("bad_argument", f"{action!r} is not `setup`.")
    if name not in loaded.options.sources:
        known = ", ".join(loaded.options.sources) or "none"
        raise RelayError("bad_argument", f"No source {name or ''!r} is configured.", f"Configured: {known}.")
    _setup(loaded, name, url, show_secret=show_secret, as_json=as_json)


def _setup(loaded: Loaded, name: str, host: str, *, show_secret: bool, as_json: bool) -> None:
    from relay.app import now_ms
    from relay.cli.registering import Registration, topics, tracked, webhook_url
    from relay.cli.sampling import curl, first_sample, signed
    from relay.sources.contract import Unsignable

    options = loaded.options.sources[name]
    registration = Registration(
        source=name,
        platform=options.platform,
        url=webhook_url(host, name),
        topics=topics(options),
        secret=_secret(options, show=show_secret),
        table=f"{loaded.path or 'relay.toml'}, [sources.{name}]",
    )
    steps = registration.steps(Path(loaded.options.templates.folder))
    sample = first_sample(loaded, name)
    command = why = None
    if sample is None:
        why = "no case file has a topic that is tracked"
    else:
        try:
            command = curl(registration.url, signed(loaded, name, sample, now_ms()), show_secret=show_secret)
        except Unsignable as unsignable:
            why = str(unsignable)
    if as_json:
        print_json(
            {
                "source": name,
                "platform": options.platform,
                "url": registration.url,
                "topics": list(registration.topics),
                "tracking": tracked(options),
                "secret": registration.secret,
                "steps": steps,
                "curl": command,
            }
        )
        return
    typer.echo(f"{steps}\n\nTracked events")
    for tracked_event, chosen in tracked(options).items():
        typer.echo(f"   {tracked_event:<20} {', '.join(chosen) or 'off'}")
    if command is None:
        typer.echo(f"\nNo sample can be signed here: {why}.")
    else:
        hidden = "" if MASK not in command else "; the secret is left out, --show-secret shows it"
        typer.echo(f"\nA sample of {sample.tracked_event if sample else ''}, signed now{hidden}:\n\n{command}")


def _secret(options: SourceOptions, *, show: bool) -> str:
    """As the person who sets it up may see it."""
    if not options.secret:
        return "none is set"
    if show:
        return ", ".join(secret.get_secret_value() for secret in options.secret)
    return f"{MASK} (--show-secret shows it)"


def _list(context: typer.Context, loaded: Loaded, *, as_json: bool) -> None:
    from relay.cli import showing
    from relay.pipeline.source_states import SourceWord

    found = with_journal(context, lambda journal: _rated(journal, loaded))
    if as_json:
        print_json([_plain(one) for one in found])
    elif found:
        showing.console().print(showing.sources_table(found))
        quiet = [one.state.name for one in found if one.state.word is SourceWord.QUIET]
        if quiet:
            typer.echo(f"{', '.join(quiet)}: {CODES['source_quiet'].meaning} {CODES['source_quiet'].remedy}")
    else:
        typer.echo("No source is configured.")


async def _rated(journal: Journal, loaded: Loaded) -> list[Rated]:
    from relay.app import now_ms
    from relay.pipeline.source_states import source_state

    configured = loaded.options.sources
    at_ms = now_ms()
    found = []
    for name in [*configured, *(name for name in await journal.stage_sources() if name not in configured)]:
        state = await source_state(journal, name, configured=name in configured, now_ms=at_ms)
        platform = configured[name].platform if name in configured else ""
        last_hour, last_day = [
            await journal.count_arrivals(name, since_ms=at_ms - hours * HOUR_MS) for hours in (1, 24)
        ]
        found.append(Rated(state, platform, last_hour, last_day))
    return found


def _plain(one: Rated) -> dict[str, Any]:
    from relay.cli.showing import moment

    state = one.state
    return {
        "name": state.name,
        "platform": one.platform,
        "state": str(state.word),
        "last_received_at_ms": state.last_received_at_ms,
        "last_received": moment(state.last_received_at_ms),
        "last_hour": one.last_hour,
        "last_day": one.last_day,
        "usual_silence_s": None if state.usual_silence_ms is None else state.usual_silence_ms // 1000,
        "quarantined": {refused.code: refused.count for refused in state.refusals},
    }
