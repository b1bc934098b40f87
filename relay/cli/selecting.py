"""The options by which commands name events, and the `Selection` they make."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

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


def selection(
    *,
    event_ids: list[int] | None = None,
    source: str | None = None,
    topic: str | None = None,
    key: str | None = None,
    tracked_event: str | None = None,
    outcome: OutcomeKind | None = None,
    destination: str | None = None,
    code: str | None = None,
    since: str | None = None,
    until: str | None = None,
    now_ms: int,
) -> Selection:
    """Raises RelayError `bad_argument` for a time that cannot be read."""
    return Selection(
        event_ids=tuple(EventId(event_id) for event_id in event_ids or ()),
        source=source,
        topic=topic,
        key=key,
        tracked_event=tracked_event,
        outcome=outcome,
        destination=destination,
        code=code,
        since_ms=time_ms("--since", since, now_ms),
        until_ms=time_ms("--until", until, now_ms),
    )


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
