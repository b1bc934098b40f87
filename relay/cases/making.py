"""A case from a stored event, with the personal data masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.cases.case import Case, read_case, settings_of
from relay.cases.disguises import Disguises
from relay.cases.masking import masked
from relay.cases.personal import Kind
from relay.model import Event, JsonObject, Webhook
from relay.settings.options import DeclaredOptions, SourceOptions
from relay.settings.packaged import CONTEXT, Declarations
from relay.sources import build_source
from relay.sources.contract import Refused, Source
from relay.templates.expressions import Expressions
from relay.templates.helpers.instants import iso_milliseconds


@dataclass(frozen=True, slots=True)
class NewCase:
    """``text`` is the file without its expected side; ``hidden`` counts what has a stand-in, by kind."""

    text: str
    case: Case
    hidden: Mapping[Kind, int]


def new_case(event: Event, fetched: Mapping[str, Any], options: SourceOptions, tracked_event: str) -> NewCase:
    """Raises ValueError for a body that no case can hold."""
    disguises = Disguises()
    document = {"webhook": _body(event, options), "headers": json.loads(event.headers), "fetched": dict(fetched)}
    hidden = masked(document, disguises)
    assert isinstance(hidden, dict)
    members: JsonObject = {"webhook": hidden["webhook"]}
    if _needs_headers(event, options):
        members["headers"] = hidden["headers"]
    if fetched:
        members["fetched"] = hidden["fetched"]
    if event.source != options.platform:
        members["source"] = event.source
    if settings := _settings(event, options, tracked_event):
        members["settings"] = settings
    members["receivedAt"] = iso_milliseconds(event.received_at_ms)
    text = json.dumps(members, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    case = read_case(text, options.platform, tracked_event, _declarations(options))
    return NewCase(text, case, disguises.counts())


def _body(event: Event, options: SourceOptions) -> Any:
    """Without a queue's envelope, in which personal data may be encoded."""
    if isinstance(options, DeclaredOptions) and options.declaration.unwrap:
        (document,) = _open(event.source, options).documents(event, {})
        return document
    return json.loads(event.body)


def _open(name: str, options: SourceOptions) -> Source:
    return build_source(name, options.model_copy(update={"open": True}), Expressions())


def _declarations(options: SourceOptions) -> Declarations | None:
    return {options.platform: options.declaration} if isinstance(options, DeclaredOptions) else None


def _needs_headers(event: Event, options: SourceOptions) -> bool:
    """Whether they tell what the body does not."""
    source = _open(event.source, options)
    told: list[tuple[Any, ...]] = []
    headers: Mapping[str, str]
    for headers in (json.loads(event.headers), {}):
        try:
            received = source.receive(Webhook(headers, event.body), now_ms=event.received_at_ms)
        except Refused as refusal:
            told.append((refusal.code, refusal.detail))
        else:
            told.append((received.topic, received.delivery_key, received.occurred_at_ms, received.entity))
    return told[0] != told[1]


def _settings(event: Event, options: SourceOptions, tracked_event: str) -> JsonObject:
    """What differs from the platform's defaults, so that the case means the same on any machine."""
    names = [name for name in settings_of(options.platform) if name != "tracking"]
    defaults = type(options).model_validate(
        {"platform": options.platform, "open": True}, context={CONTEXT: _declarations(options)}
    )
    settings: JsonObject = {
        name: getattr(options, name) for name in names if getattr(options, name) != getattr(defaults, name)
    }
    topics = defaults.topics() if isinstance(defaults, DeclaredOptions) else defaults.tracking.model_dump()
    if event.topic not in topics.get(tracked_event, ()):
        settings["tracking"] = {tracked_event: [event.topic]}
    return settings
