"""What `relay check` looks at. A check is an async function from the configuration to findings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from relay.codes import CODES, RelayError
from relay.model import VerdictKind

if TYPE_CHECKING:
    from relay.destinations.contract import Decision
    from relay.settings.loading import Loaded
    from relay.settings.options import DestinationOptions

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``name`` is what was looked at, in the words of the configuration; ``text`` what was found and what to do."""

    name: str
    status: Status
    text: str


Check: TypeAlias = "Callable[[Loaded], Awaitable[Sequence[Finding]]]"


async def run_checks(checks: Sequence[Check], loaded: Loaded) -> list[Finding]:
    """Findings in the order of ``checks``, which run beside each other. A RelayError of one is its finding."""

    async def guarded(check: Check) -> Sequence[Finding]:
        try:
            return await check(loaded)
        except RelayError as error:
            return [Finding(check.__name__, "failed", str(error))]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(guarded(check)) for check in checks]
    return [finding for task in tasks for finding in task.result()]


async def configuration(loaded: Loaded) -> Sequence[Finding]:
    """It was loaded, so it is valid; what remains is what is valid and still hardly meant."""
    from relay.settings.values import NEEDED

    options = loaded.options

    def warnings() -> Iterator[Finding]:
        if not options.sources:
            yield Finding("sources", "warning", "None is configured: no webhook is accepted. Add [sources.<name>].")
        if not options.destinations:
            yield Finding(
                "destinations", "warning", "None is configured: nothing is delivered. Add [destinations.<name>]."
            )
        for name, source in options.sources.items():
            if source.open:
                text = "Accepts webhooks of anyone who knows the URL. Set a secret and leave `open` out."
                yield Finding(f"sources.{name}", "warning", text)
            for option, field in type(source).model_fields.items():
                if field.json_schema_extra == NEEDED and getattr(source, option) is None:
                    text = f"Without [sources.{name}.{option}] its webhooks make no calls: they become dead letters."
                    yield Finding(f"sources.{name}.{option}", "warning", text)
        for name, destination in options.destinations.items():
            if _has_placeholder(destination):
                text = "The write key is the placeholder, so the connection is not tried. Put in the real one."
                yield Finding(f"destinations.{name}", "warning", text)
            if destination.mode == "test":
                text = 'In test mode nothing is sent. Set mode = "live" when all is well.'
                yield Finding(f"destinations.{name}", "warning", text)
        if options.outgoing.ca_file is not None and not os.access(options.outgoing.ca_file, os.R_OK):
            yield Finding("outgoing.ca_file", "failed", f"{options.outgoing.ca_file} cannot be read.")

    file = loaded.path or "No file; defaults and environment"
    names = f"sources {_list(options.sources)}; destinations {_list(options.destinations)}"
    return [Finding("configuration", "ok", f"{file}: {names}."), *warnings()]


def _has_placeholder(destination: DestinationOptions) -> bool:
    from relay.settings.inspecting import PLACEHOLDER
    from relay.settings.options import SegmentOptions

    return isinstance(destination, SegmentOptions) and destination.write_key.get_secret_value() == PLACEHOLDER


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


async def templates(loaded: Loaded) -> Sequence[Finding]:
    """Every template compiles, the packaged ones and those laid over them; a likely mistake in these is a warning."""
    return await asyncio.to_thread(_templates, loaded)


def _templates(loaded: Loaded) -> Sequence[Finding]:
    from relay.cli.rendering_cases import found_cases, suspicions
    from relay.renderer import build_library
    from relay.templates.library import TemplatesInvalid

    overlay = Path(loaded.options.templates.folder)
    try:
        snapshot = build_library(loaded).snapshot
    except TemplatesInvalid as error:
        return [Finding("templates", "failed", problem.for_person()) for problem in error.problems]
    found = [*snapshot.templates(), *snapshot.all_mappings()]
    own = sum(template.path.is_relative_to(overlay) for template in found)
    likely = suspicions(loaded, snapshot, found_cases(loaded, snapshot).files) if own else ()
    return [
        Finding("templates", "ok", f"{len(found)} compile; {own} of them are yours, in {overlay}."),
        *(Finding("templates", "warning", diagnostic.for_person()) for diagnostic in likely),
    ]


async def sources(loaded: Loaded) -> Sequence[Finding]:
    """Every source can be built: its secrets are of the right form, the expressions of a declared platform sound."""
    from relay.renderer import source_problems

    found = await asyncio.to_thread(source_problems, loaded)
    return [Finding(name, "failed", problem) for name, problem in found]


async def journal(loaded: Loaded) -> Sequence[Finding]:
    """It opens, and can write and read; one that is not there yet is not made."""
    from relay.journal.protocol import JournalUnavailable
    from relay.opening import existing_journal, is_made, journal_name, pending, sqlite_path

    name, path = journal_name(loaded), sqlite_path(loaded)
    try:
        if not await is_made(loaded):
            if path is None or os.access(path.parent, os.W_OK):
                return [Finding("journal", "ok", f"{name} will be made by `relay serve`.")]
            return [Finding("journal", "failed", f"{path.parent} is not there or cannot be written to.")]
        if steps := await pending(loaded):
            return [Finding("journal", "ok", f"`relay serve` will bring {name} up to date: {'; '.join(steps)}.")]
        async with existing_journal(loaded) as found:
            await found.check()
    except JournalUnavailable as error:
        return [Finding("journal", "failed", f"{name}: {error}")]
    return [Finding("journal", "ok", f"{name} can be written and read.")]


async def connections(loaded: Loaded) -> Sequence[Finding]:
    """Every commerce API lets us in; every destination can be reached, and knows the key where it can tell."""
    from relay.app import fetch_keys, probe_commerce, probe_destinations
    from relay.renderer import build_sources

    findings = []
    for name, problem, told in await fetch_keys(loaded, build_sources(loaded.options)):
        findings.append(Finding(f"sources.{name}", "failed" if problem else "ok", told))
    for name, problem, told in await probe_commerce(loaded):
        findings.append(Finding(f"sources.{name}.commerce", "failed" if problem else "ok", told))
    destinations = loaded.options.destinations
    for name, decision in await probe_destinations(
        loaded, [n for n in destinations if not _has_placeholder(destinations[n])]
    ):
        findings.append(Finding(f"destinations.{name}", _PROBED[decision.verdict], _probed(name, decision)))
    return findings


def _probed(name: str, decision: Decision) -> str:
    if decision.verdict is VerdictKind.DELIVERED:
        return f"{decision.detail}."
    if decision.code == "no_probe":
        return f"{decision.detail} `relay destinations test {name} --send` sends a record marked as a test."
    known = CODES[decision.code]
    return f"{known.meaning} {decision.detail}. {known.remedy}"


_PROBED: dict[str, Status] = {"delivered": "ok", "misconfigured": "failed", "retry": "warning"}
