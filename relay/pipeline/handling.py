"""How an event of a replay or backfill is to be worked: what its ``options`` say, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from relay.model import Call, EventId, JsonObject, NewCall, OutcomeKind
from relay.pipeline.mapping import Ended


@dataclass(frozen=True, slots=True)
class Handling:
    """Empty fields mean: as usual."""

    destinations: Sequence[str] = ()
    """Only these get its calls."""
    force: bool = False
    """Its calls are sent even where they were delivered before, under other ids, and marked in ``context``."""
    fetch_anew: bool = False
    """What completes it is asked of the platform once more, even where it was stored."""
    as_rendered: EventId | None = None
    """Its calls are those that this event was rendered to then."""

    def text(self) -> str:
        said = {
            "destinations": list(self.destinations) or None,
            "force": self.force or None,
            "fetch_anew": self.fetch_anew or None,
            "as_rendered": self.as_rendered,
        }
        kept = {name: value for name, value in said.items() if value is not None}
        return orjson.dumps(kept).decode() if kept else ""

    @classmethod
    def of(cls, options: str) -> Handling:
        """From the text in the journal."""
        if not options:
            return USUAL
        said = orjson.loads(options)
        return cls(
            destinations=said.get("destinations", ()),
            force=said.get("force", False),
            fetch_anew=said.get("fetch_anew", False),
            as_rendered=said.get("as_rendered"),
        )


USUAL = Handling()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls a destination takes: None means all."""

    sources: Sequence[str] | None = None
    tracked_events: Sequence[str] | None = None

    def refuses(self, destination: str, call: Call) -> Ended | None:
        """How the call ends if the destination does not take it."""
        if self.sources is not None and call.source not in self.sources:
            return Ended(OutcomeKind.SKIPPED, "filtered", f"source {call.source}")
        if self.tracked_events is not None and call.tracked_event not in self.tracked_events:
            return Ended(OutcomeKind.SKIPPED, "filtered", f"tracked event {call.tracked_event}")
        chosen = Handling.of(call.options).destinations
        if chosen and destination not in chosen:
            return Ended(OutcomeKind.SKIPPED, "not_chosen", "")
        return None


ALL = Wanted()


def handled(call: NewCall, handling: Handling) -> NewCall:
    """The call as it is to be delivered: forced, it gets another message id, for good, and says so in ``context``."""
    if not handling.force:
        return call
    said: JsonObject = orjson.loads(call.text)
    said.pop("messageId", None)  # the caller's, with which a destination would know it again
    said["context"] = {**said.get("context", {}), "relay": {"forced": True, "messageId": call.message_id}}
    forced_id = sha256(f"forced\n{call.event_id}\n{call.message_id}".encode()).hexdigest()[:32]
    return call._replace(message_id=forced_id, text=orjson.dumps(said).decode())
