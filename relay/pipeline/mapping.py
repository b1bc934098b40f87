"""What the deliver stage needs to know of mappings: a call goes in, the vendor's records come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from relay.model import Call, Event, JsonObject, OutcomeKind


@dataclass(frozen=True, slots=True)
class MapTask:
    """A call, the event behind it (None when that has expired), and what was fetched for the event.

    ``earlier`` are the texts of calls that were made before of the same order, where the mapping wants them.
    """

    call: Call
    event: Event | None
    fetched: Mapping[str, Any]
    earlier: Sequence[str] = ()


class Ended(NamedTuple):
    """How a call ends without being sent."""

    kind: OutcomeKind
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MappedCall:
    """What the mapping made of a call, or how the call ends without one."""

    records: Sequence[JsonObject] = ()
    ended: Ended | None = None


class Mapper(Protocol):
    """`relay.pipeline.render_process`."""

    @property
    def generation(self) -> int:
        """Grows whenever templates change."""

    async def map(self, destination: str, tasks: Sequence[MapTask], now_ms: int) -> Sequence[MappedCall]:
        """What became of the first of the tasks, in order, and at least of one."""
