"""What one call would become at a destination: the requests, or how it would end without any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.destinations.contract import Destination, Request, Unfit, Unpackable
from relay.destinations.packing import requests
from relay.model import OutcomeKind
from relay.pipeline.handling import Wanted
from relay.pipeline.mapping import Ended, MappedCall, MapTask


@dataclass(frozen=True, slots=True)
class Preview:
    tracked_event: str
    requests: Sequence[Request]
    ended: Ended | None = None


def preview(
    name: str,
    destination: Destination,
    wanted: Wanted,
    mapper: Callable[[str, MapTask, int], MappedCall] | None,
    task: MapTask,
    now_ms: int,
) -> Preview:
    """Of a call by itself; several may share a request when they are sent. ``mapper`` where calls go through one."""
    call = task.call
    refused = wanted.refuses(name, call)
    if refused is not None:
        return Preview(call.tracked_event, (), refused)
    mapped = mapper(name, task, now_ms) if mapper is not None else MappedCall()
    if mapped.ended is not None:
        return Preview(call.tracked_event, (), mapped.ended)
    made = destination.records(call, mapped.records, now_ms=now_ms)
    if isinstance(made, Unfit):
        kind = OutcomeKind.SKIPPED if made.skipped else OutcomeKind.DEAD
        return Preview(call.tracked_event, (), Ended(kind, made.code, made.detail))
    try:
        packed = [destination.request(of, now_ms=now_ms, failures=0) for of in requests(made, destination.limits)]
    except Unpackable as error:
        return Preview(call.tracked_event, (), Ended(OutcomeKind.DEAD, error.code, error.detail))
    return Preview(call.tracked_event, packed)
