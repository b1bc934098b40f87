"""`relay sources`: how each stands, and what to do in its platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from relay.cli.frame import JsonOption, frame, print_json
from relay.cli.lookup import with_journal
from relay.codes import CODES
from relay.model import HOUR_MS

if TYPE_CHECKING:
    from relay.journal.protocol import Journal
    from relay.pipeline.source_states import SourceState
    from relay.settings.loading import Loaded


@dataclass(frozen=True, slots=True)
class Rated:
    """How a source stands, and how many webhooks came of late."""

    state: SourceState
    platform: str
    last_hour: int
    last_day: int


def sources(
    context: typer.Context,
    as_json: JsonOption = False,
) -> None:
    """Tell how each source stands: when it last sent, how much, what of it was refused, whether it has gone quiet.

    Quiet is what is less likely than 1 to 100,000, going by the hours of the day and week in which the source sent
    anything in the four weeks before, and far longer than its usual silences.
    """
    _list(context, frame(context).load(), as_json=as_json)


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
