"""From a call to the records of a destination as the relay makes them: packaged mapping, then the kind."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from relay.destinations import build_destination
from relay.destinations.contract import Destination, Record, Unfit
from relay.model import Call, CallId, Event, EventId, JsonObject, Lane
from relay.pipeline.mapping import Ended, MapTask
from relay.renderer import build_mapper
from relay.settings.options import RelayOptions
from relay.templates.expressions import RequestExpressions
from relay.templates.library import Library, Snapshot, packaged_templates

NOW_MS = 1_773_480_421_120  # 2026-03-14T09:27:01.120Z
NAME = "there"


@cache
def snapshot(overlay: Path | None = None) -> Snapshot:
    return Library(packaged_templates(), overlay).snapshot


def options_of(**chosen: Any) -> RelayOptions:
    source = {"platform": "elasticpath", "secret": "s"}
    shopify = {"platform": "shopify", "secret": "s"}
    return RelayOptions.model_validate(
        {"sources": {"shop": source, "shopify": shopify}, "destinations": {NAME: chosen}}
    )


def destination_of(**chosen: Any) -> Destination:
    return build_destination(NAME, options_of(**chosen).destinations[NAME], RequestExpressions())


def call_of(body: JsonObject, tracked_event: str = "", **other: Any) -> Call:
    """A call that came 8 seconds after it happened; its tracked event goes by its name."""
    known = body.get("event", "customer_updated").lower().replace(" ", "_")
    fields: dict[str, Any] = {
        "id": CallId(1),
        "event_id": EventId(1),
        "tracked_event": tracked_event or known,
        "message_id": "0f" * 16,
        "text": orjson.dumps(body).decode(),
        "template_version": "v1",
        "received_at_ms": NOW_MS,
        "source": "shop",
    }
    return Call(**(fields | other))


def event_of(document: JsonObject, topic: str = "order.paid", source: str = "shop") -> Event:
    return Event(
        id=EventId(1),
        lane=Lane.LIVE,
        partition=0,
        source=source,
        topic=topic,
        delivery_key="d",
        entity="order:1",
        occurred_at_ms=NOW_MS - 8_000,
        received_at_ms=NOW_MS,
        headers="{}",
        body=orjson.dumps(document),
        replay_of=None,
    )


def made(
    call: Call, *, event: Event | None = None, overlay: Path | None = None, **chosen: Any
) -> list[JsonObject] | Ended | Unfit:
    """The vendor's records, or how the call ends without."""
    mapper = build_mapper(options_of(**chosen), snapshot(overlay))
    mapped = mapper(NAME, MapTask(call, event, {}), NOW_MS)
    if mapped.ended is not None:
        return mapped.ended
    records = destination_of(**chosen).records(call, mapped.records, now_ms=NOW_MS)
    return records if isinstance(records, Unfit) else [orjson.loads(record.body) for record in records]


def bodies(records: list[Record]) -> list[JsonObject]:
    return [orjson.loads(record.body) for record in records]
