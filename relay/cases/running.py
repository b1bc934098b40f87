"""Runs a case: what its webhook makes, and how that differs from what the case says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, Protocol

import orjson

import relay
from relay.cases.case import Case, CaseInvalid, Made, read_case
from relay.cases.comparing import Difference, differences
from relay.cases.finding import DESTINATIONS, CaseFile
from relay.cases.keys import message_keys
from relay.cases.mapping_case import Maps, read_mapping_case
from relay.model import Event, EventId, JsonObject, Lane, NewCall, NewOutcome
from relay.settings.options import SourceOptions
from relay.settings.packaged import Declarations
from relay.settings.suggesting import hint
from relay.sources import build_source
from relay.sources.contract import Refused
from relay.templates.expressions import Expressions

Status = Literal["passed", "failed", "new", "broken"]
_OUR_LIBRARY = {"name": "relay", "version": relay.__version__}
_FIRST = ("type", "event", "messageId")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the relay's renderer makes of one event.

    ``results`` are what the template gave, as JSON text, document by document; None for undefined or a failure.
    ``problems`` are such as an outcome does not show; ``warnings`` hinder nothing.
    """

    calls: Sequence[NewCall]
    outcomes: Sequence[NewOutcome]
    results: Sequence[str | None]
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


class Renders(Protocol):
    def __call__(
        self, name: str, options: SourceOptions, event: Event, fetched: Mapping[str, Any], *, own: bool
    ) -> Rendering:
        """Render one event of the source ``name``; ``own``: the case is the user's, and so is how strict to be."""


@dataclass(frozen=True, slots=True)
class Ran:
    """``explained`` says more of each outcome, for a person."""

    made: Made
    explained: Sequence[str]
    problems: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Result:
    """``broken``: the case could not be run, and ``problems`` say why. ``new``: it says nothing of what is expected."""

    file: CaseFile
    status: Status
    duration_s: float
    ran: Ran | None = None
    differences: Sequence[Difference] = ()
    problems: Sequence[str] = ()


def check(
    file: CaseFile, renders: Renders, declarations: Declarations | None = None, maps: Maps | None = None
) -> Result:
    """Run one case; ``declarations`` are those of the configuration, else the packaged. ``maps`` runs mappings."""
    started = perf_counter()

    def result(status: Status, **more: Any) -> Result:
        return Result(file, status, perf_counter() - started, **more)

    if file.problem:
        return result("broken", problems=[file.problem])
    try:
        if file.place == DESTINATIONS:
            assert maps is not None, "a case of a mapping is run where mappings are"
            expected, ran = _mapped(file, maps)
        else:
            case = read_case(text_of(file), file.platform, file.tracked_event, declarations)
            expected, ran = case.expected, run(case, file.tracked_event, renders, own=file.own)
    except CaseInvalid as error:
        return result("broken", problems=error.problems)
    if expected is None:
        return result("new", ran=ran)
    found = compared(expected, ran.made)
    return result("failed" if found or ran.problems else "passed", ran=ran, differences=found, problems=ran.problems)


def _mapped(file: CaseFile, maps: Maps) -> tuple[Made | None, Ran]:
    case = read_mapping_case(text_of(file), file.platform)
    mapped = maps(file.platform, file.tracked_event, case)
    return case.expected, Ran(mapped.made, mapped.explained, mapped.problems, ())


def run(case: Case, tracked_event: str, renders: Renders, *, own: bool) -> Ran:
    """Receive the webhook and render it. Raises CaseInvalid when it cannot come to that."""
    source = build_source(case.source, case.options, Expressions())
    try:
        received = source.receive(case.webhook, now_ms=case.received_at_ms)
    except Refused as refusal:
        raise CaseInvalid([f"`webhook`: the source refuses it: {refusal.detail} [{refusal.code}]"]) from None
    event = Event(
        id=EventId(0),
        lane=Lane.LIVE,
        partition=0,
        source=case.source,
        topic=received.topic,
        delivery_key=received.delivery_key,
        entity=received.entity,
        occurred_at_ms=received.occurred_at_ms,
        received_at_ms=case.received_at_ms,
        headers=orjson.dumps(dict(received.headers)).decode(),
        body=received.body,
        replay_of=None,
    )
    known = [lookup.name for lookup in source.lookups(event)]
    if unknown := [name for name in case.fetched if name not in known]:
        told = [
            f"`fetched`: the relay does not fetch {name!r} for this webhook; {hint(name, known)}" for name in unknown
        ]
        raise CaseInvalid(told)
    rendering = renders(case.source, case.options, event, case.fetched, own=own)
    keys = message_keys(
        rendering.results, source=case.source, delivery_key=event.delivery_key, tracked_event=tracked_event
    )
    made = Made(
        [_shown(call, keys) for call in rendering.calls],
        [{"outcome": str(outcome.kind), "code": outcome.code} for outcome in rendering.outcomes],
    )
    explained = [f"{outcome.kind} {outcome.code}: {outcome.detail}" for outcome in rendering.outcomes]
    return Ran(made, explained, rendering.problems, rendering.warnings)


def compared(expected: Made, actual: Made) -> list[Difference]:
    return [
        *differences(list(expected.calls), list(actual.calls), "calls"),
        *differences(list(expected.records or []), list(actual.records or []), "records"),
        *differences(list(expected.outcomes), list(actual.outcomes), "outcomes"),
    ]


def text_of(file: CaseFile) -> str:
    """Raises CaseInvalid."""
    try:
        return file.path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CaseInvalid([f"it cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise CaseInvalid(["it is not UTF-8"]) from None


def _shown(call: NewCall, keys: Mapping[str, str]) -> JsonObject:
    """As a case has it: what differs between versions of the relay is left out."""
    shown: JsonObject = orjson.loads(call.text) | {"messageId": keys.get(call.message_id, call.message_id)}
    context = shown.get("context", {})
    if context.get("library") == _OUR_LIBRARY:
        del context["library"]
        if not context:
            del shown["context"]
    return {name: shown[name] for name in dict.fromkeys((*_FIRST, *shown)) if name in shown}
