"""The options by which commands name events, and the `Selection` they make."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, TypeAlias

import typer

from relay.codes import RelayError
from relay.model import EventId, OutcomeKind, Selection

SourceOption: TypeAlias = Annotated[str | None, typer.Option(help="Only events of this source.")]
TopicOption: TypeAlias = Annotated[str | None, typer.Option(help="Only this topic, such as order.paid.")]
KeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--key", "-k", help="Order id or number, customer id, or e-mail.")
]
TrackedOption: TypeAlias = Annotated[str | None, typer.Option(help="Only this tracked event, such as order_completed.")]
OutcomeOption: TypeAlias = Annotated[
    OutcomeKind | None, typer.Option(help="Only events with such an outcome.", case_sensitive=False)
]
DestinationOption: TypeAlias = Annotated[str | None, typer.Option(help="Only outcomes at this destination.")]
CodeOption: TypeAlias = Annotated[str | None, typer.Option(help="Only outcomes with this code, such as call_refused.")]
SinceOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Received at or after: 30m, 2h, 7d, 2026-11-01 or 2026-11-01T10:00Z.")
]
UntilOption: TypeAlias = Annotated[str | None, typer.Option(help="Received before; written like --since.")]
LimitOption: TypeAlias = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")]

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Filters:
    """What commands choose events by; `with_filters` makes each an option."""

    source: SourceOption = None
    topic: TopicOption = None
    tracked_event: TrackedOption = None
    outcome: OutcomeOption = None
    destination: DestinationOption = None
    code: CodeOption = None
    since: SinceOption = None
    until: UntilOption = None

    def selection(self, *, event_ids: list[int] | None = None, key: str | None = None) -> Selection:
        """Raises RelayError `bad_argument` for a time that cannot be read."""
        from relay.app import now_ms

        at_ms = now_ms()
        return Selection(
            event_ids=tuple(EventId(event_id) for event_id in event_ids or ()),
            source=self.source,
            topic=self.topic,
            key=key,
            tracked_event=self.tracked_event,
            outcome=self.outcome,
            destination=self.destination,
            code=self.code,
            since_ms=time_ms("--since", self.since, at_ms),
            until_ms=time_ms("--until", self.until, at_ms),
        )


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `Filters` where it has a parameter of that type, called ``filters``."""
    options = inspect.signature(Filters, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += options.values() if parameter.annotation is Filters else [parameter]

    @wraps(command)
    def filtered(**given: Any) -> None:
        command(filters=Filters(**{name: given.pop(name) for name in options}), **given)

    filtered.__dict__["__signature__"] = inspect.Signature(parameters)
    filtered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return filtered


def time_ms(option: str, text: str | None, now_ms: int) -> int | None:
    """A moment, absolute (UTC unless it says otherwise) or so long ago."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return now_ms - int(ago[1]) * _UNIT_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RelayError(
            "bad_argument", f"{option} {text!r} is not a time.", "Write 30m, 2h, 7d, 2026-11-01 or 2026-11-01T10:00Z."
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
