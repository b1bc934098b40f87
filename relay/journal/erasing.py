"""What may be written of events that were forgotten while a stage had them in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relay.model import EventId, NewCall, NewOutcome, OutcomeKind


def of_rendering(
    forgotten: Mapping[EventId, int],
    calls: Sequence[NewCall],
    outcomes: Sequence[NewOutcome],
    keys: Sequence[tuple[EventId, str]],
) -> tuple[Sequence[NewCall], Sequence[NewOutcome], Sequence[tuple[EventId, str]]]:
    """What may be written of a rendering; its events' ends, where nothing else is left of them.

    ``forgotten`` tells when, in milliseconds.
    """
    if not forgotten:
        return calls, outcomes, keys
    told = [without_details(outcome) if outcome.event_id in forgotten else outcome for outcome in outcomes]
    untold = {call.event_id for call in calls if call.event_id in forgotten} - {one.event_id for one in told}
    ends = [
        NewOutcome(event_id, None, "", "", OutcomeKind.SKIPPED, "forgotten", "", forgotten[event_id])
        for event_id in sorted(untold)
    ]
    return (
        [call for call in calls if call.event_id not in forgotten],
        [*told, *ends],
        [pair for pair in keys if pair[0] not in forgotten],
    )


def without_details(outcome: NewOutcome) -> NewOutcome:
    """How a forgotten one ended; a dead letter is none any more."""
    if outcome.kind is OutcomeKind.DEAD:
        return outcome._replace(kind=OutcomeKind.SKIPPED, code="forgotten", detail="")
    return outcome._replace(detail="")
