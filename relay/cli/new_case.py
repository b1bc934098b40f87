"""`relay test --new`: a case from a stored event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from relay.cases.case import CaseInvalid
from relay.cases.finding import case_path
from relay.cases.making import NewCase, new_case
from relay.cases.members import members_of, with_members
from relay.cases.running import run
from relay.cases.updating import write
from relay.cli.frame import print_json
from relay.cli.lookup import with_journal
from relay.cli.rendering_cases import renders
from relay.codes import RelayError
from relay.model import EventId
from relay.renderer import build_library, tracking

if TYPE_CHECKING:
    from relay.cases.personal import Kind
    from relay.model import Timeline
    from relay.settings.loading import Loaded
    from relay.settings.options import SourceOptions

_NAME = re.compile(r"[\w-][\w.-]*")


def checked_name(name: str | None, event_id: int) -> str:
    """The name of a new case. Raises RelayError for one that is not fit for a file."""
    name = f"event-{event_id}" if name is None else name
    if not _NAME.fullmatch(name):
        raise RelayError("bad_argument", f"--name {name!r} is not fit for a file.", "Use letters, digits, - and _.")
    return name


def make(context: typer.Context, loaded: Loaded, event_id: int, name: str | None, *, as_json: bool) -> None:
    """One case for each tracked event that the event's topic makes. Raises RelayError."""
    name = checked_name(name, event_id)
    told = with_journal(context, lambda journal: journal.timeline(EventId(event_id)))
    if told is None:
        raise RelayError("not_found", f"There is no event {event_id}.")
    if not told.event.body:
        code = "body_expired" if told.event.forgotten_at_ms is None else "forgotten"
        raise RelayError(code, f"Event {event_id} has no body any more.")
    source = loaded.options.sources.get(told.event.source)
    if source is None:
        raise RelayError("source_removed", f"Event {event_id} is of {told.event.source!r}, which is not configured.")
    tracked_events = tracking(source).tracked_events(told.event.topic)
    if not tracked_events:
        raise RelayError("no_tracked_event", f"Event {event_id} is {told.event.topic!r}, which makes no tracked event.")
    folder = Path(loaded.options.templates.folder)
    paths = {one: case_path(folder, source.platform, one, name) for one in tracked_events}
    for path in paths.values():
        if path.exists():
            raise RelayError("file_exists", f"{path} is already there.", "Give it another --name.")
    cases = {path: _case(loaded, told, source, tracked_event) for tracked_event, path in paths.items()}
    for path, (text, _) in cases.items():
        write(path, text)
    tell({path: new.hidden for path, (_, new) in cases.items()}, as_json=as_json)


def _case(loaded: Loaded, told: Timeline, source: SourceOptions, tracked_event: str) -> tuple[str, NewCase]:
    """The file's text with what comes out of the masked webhook as its expected side."""
    try:
        new = new_case(told.event, told.fetched, source, tracked_event)
        ran = run(new.case, tracked_event, renders(loaded, build_library(loaded).snapshot), own=True)
    except ValueError as error:
        text = "; ".join(error.problems) if isinstance(error, CaseInvalid) else "its body cannot be read"
        raise RelayError("case_invalid", f"No case can be made of event {told.event.id}: {text}.") from None
    return with_members(members_of(new.text), (), ran.made.as_members()), new


def tell(cases: Mapping[Path, Mapping[Kind, int]], *, as_json: bool) -> None:
    """The files that were written, and how much of each kind is masked in them."""
    if as_json:
        counts = {path: {str(kind): count for kind, count in hidden.items()} for path, hidden in cases.items()}
        print_json({"written": [{"file": str(path), "masked": masked} for path, masked in counts.items()]})
        return
    for path, hidden in cases.items():
        kinds = ", ".join(f"{kind} ({count})" for kind, count in hidden.items())
        typer.echo(f"written  {path}\nmasked   {kinds or 'nothing'}")
    typer.secho("Read it before you keep it: names in fields that nobody could foresee are not found.", fg="yellow")
