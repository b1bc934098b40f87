"""`relay test --new --destination`: a case of a mapping from a stored event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from relay.cases.case import CaseInvalid
from relay.cases.disguises import Disguises
from relay.cases.finding import DESTINATIONS, case_path
from relay.cases.mapping_case import read_mapping_case
from relay.cases.masking import masked
from relay.cases.members import members_of, with_members
from relay.cases.updating import write
from relay.cli.lookup import with_journal
from relay.cli.new_case import checked_name, tell
from relay.cli.rendering_cases import maps
from relay.codes import RelayError
from relay.model import EventId
from relay.pipeline.earlier_calls import EarlierCalls
from relay.pipeline.mapping import MapTask
from relay.renderer import build_library, build_mapper, wants_earlier

if TYPE_CHECKING:
    from relay.cases.personal import Kind
    from relay.journal.protocol import Journal
    from relay.settings.loading import Loaded
    from relay.templates.library import Snapshot
    from relay.templates.template import Template

_SEEN = ("event", "payload", "wholeOrder", "earlier")


def make_mapping_case(
    context: typer.Context, loaded: Loaded, event_id: int, destination: str, name: str | None, *, as_json: bool
) -> None:
    """One case for each call of the event that the destination has a mapping for. Raises RelayError."""
    name = checked_name(name, event_id)
    if destination not in loaded.options.destinations:
        known = ", ".join(loaded.options.destinations) or "none"
        raise RelayError("bad_argument", f"No destination {destination!r} is configured.", f"Configured: {known}.")
    snapshot = build_library(loaded).snapshot
    tasks = with_journal(context, lambda journal: _tasks(journal, loaded, snapshot, event_id, destination))
    mapper = build_mapper(loaded.options, snapshot)
    folder = Path(loaded.options.templates.folder)
    cases: dict[Path, tuple[str, Mapping[Kind, int]]] = {}
    for task in tasks:
        given = mapper.given(destination, task, task.call.received_at_ms)
        if given is None:
            continue
        template, bound = given
        path = next(one for one in _paths(folder, template, name) if one not in cases)
        if path.exists():
            raise RelayError("file_exists", f"{path} is already there.", "Give it another --name.")
        cases[path] = _case(loaded, snapshot, template, task, bound)
    if not cases:
        raise RelayError("no_mapping", f"{destination} has no mapping for a call of event {event_id}.")
    for path, (text, _) in cases.items():
        write(path, text)
    tell({path: hidden for path, (_, hidden) in cases.items()}, as_json=as_json)


async def _tasks(
    journal: Journal, loaded: Loaded, snapshot: Snapshot, event_id: int, destination: str
) -> Sequence[MapTask]:
    told = await journal.timeline(EventId(event_id))
    if told is None:
        raise RelayError("not_found", f"There is no event {event_id}.")
    earlier = EarlierCalls(journal, wants_earlier(loaded.options, lambda: snapshot))
    kept = [call for call in told.calls if call.text]
    return [MapTask(call, told.event, told.fetched, await earlier(destination, call)) for call in kept]


def _paths(folder: Path, template: Template, name: str) -> Iterator[Path]:
    """Where the case goes; an event may make several calls of one mapping."""
    number = 1
    while True:
        own = name if number == 1 else f"{name}-{number}"
        yield case_path(folder, template.platform, template.tracked_event, own, DESTINATIONS)
        number += 1


def _case(
    loaded: Loaded, snapshot: Snapshot, template: Template, task: MapTask, bound: Mapping[str, Any]
) -> tuple[str, Mapping[Kind, int]]:
    """The file's text with what comes out of the masked call as its expected side, and what was masked."""
    disguises = Disguises()
    seen = {name: bound[name] for name in _SEEN if f"${name}" in template.text and bound[name]}
    hidden = masked({"call": orjson.loads(task.call.text), **seen}, disguises)
    assert isinstance(hidden, dict)
    members = {**hidden, **({"settings": bound["settings"]} if bound["settings"] else {})}
    text = json.dumps(members, ensure_ascii=False, indent=2) + "\n"
    try:
        case = read_mapping_case(text, template.platform)
    except CaseInvalid as error:
        raise RelayError("case_invalid", f"No case can be made of it: {'; '.join(error.problems)}.") from None
    mapped = maps(loaded, snapshot)(template.platform, template.tracked_event, case)
    return with_members(members_of(text), (), mapped.made.as_members()), disguises.counts()
