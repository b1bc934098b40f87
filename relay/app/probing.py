"""Asks the other sides: do commerce APIs let us in, do destinations know us?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from relay.app.building import build_keepers
from relay.app.clock import now_ms
from relay.app.stages import build_completer
from relay.codes import RelayError
from relay.destinations import build_destination
from relay.destinations.contract import Decision
from relay.http import HttpDoor
from relay.model import VerdictKind
from relay.pipeline import trying
from relay.renderer import build_library, build_mapper, build_sources
from relay.settings.loading import Loaded
from relay.sources.contract import Source
from relay.templates.expressions import RequestExpressions


async def fetch_keys(loaded: Loaded, sources: Mapping[str, Source]) -> list[tuple[str, bool, str]]:
    """Fetch the public keys of ``sources``: the source's name, whether that failed, and what was said."""
    async with HttpDoor(loaded.options.outgoing) as door:
        keepers = build_keepers(sources, door)
        return [(name, not await keeper.fresh(), f"{keeper.why}.") for name, keeper in keepers.items()]


async def probe_commerce(loaded: Loaded) -> list[tuple[str, bool, str]]:
    """For each commerce connection: the source's name, whether it failed, and what it said."""
    told = []
    async with HttpDoor(loaded.options.outgoing) as door:
        for name, source in build_sources(loaded.options).items():
            completer = build_completer(source, loaded.options.sources[name], door)
            if completer is None:
                continue
            try:
                told.append((name, False, await completer.probe()))
            except RelayError as error:
                told.append((name, True, str(error)))
    return told


async def probe_destinations(loaded: Loaded, names: Iterable[str]) -> list[tuple[str, Decision]]:
    """How each of these destinations answers a request without side effects."""
    return [(name, await probe_destination(loaded, name)) for name in names]


async def probe_destination(loaded: Loaded, name: str) -> Decision:
    """How it answers a request without side effects; ``no_probe`` where its vendor has none."""
    options = loaded.options.destinations[name]
    destination = build_destination(name, options, RequestExpressions())
    probe = destination.probe()
    if probe is None:
        return Decision(VerdictKind.RETRY, "no_probe", "The vendor has no check without side effects.")
    async with HttpDoor(loaded.options.outgoing) as door:
        return destination.read_probe(await door.send(probe, timeout_s=options.timeout_s))


async def send_test_record(loaded: Loaded, name: str) -> Sequence[trying.Tried]:
    """Send a marked record to a destination, whatever its mode. Raises RelayError when it maps none."""
    options = loaded.options.destinations[name]
    mapper = build_mapper(loaded.options, build_library(loaded).snapshot)
    async with HttpDoor(loaded.options.outgoing) as door:
        return await trying.send_test_record(
            name,
            build_destination(name, options, RequestExpressions()),
            mapper,
            door,
            timeout_s=options.timeout_s,
            now_ms=now_ms(),
        )
