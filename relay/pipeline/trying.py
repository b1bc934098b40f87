"""A marked record that a person may send to see whether a destination takes any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from relay.codes import RelayError
from relay.destinations.contract import Answer, Decision, Destination, Request, Unfit, Unpackable
from relay.destinations.packing import requests
from relay.model import Call, CallId, EventId, JsonObject
from relay.pipeline.call_mapping import CallMapper
from relay.pipeline.mapping import MapTask
from relay.pipeline.sending import Door
from relay.templates.helpers.instants import iso_milliseconds

MARK = "relay-test"


@dataclass(frozen=True, slots=True)
class Tried:
    """A request that was sent and what its answer means."""

    request: Request
    answer: Answer
    decision: Decision


async def send_test_record(
    name: str, destination: Destination, mapper: CallMapper, door: Door, *, timeout_s: float, now_ms: int
) -> Sequence[Tried]:
    """Send the first marked call that the destination has a mapping for. Raises RelayError when there is none."""
    tried: list[Tried] = []
    unfit = ""
    for call in _calls(now_ms):
        mapped = mapper(name, MapTask(call, None, {}), now_ms)
        made = destination.records(call, mapped.records, now_ms=now_ms) if mapped.ended is None else ()
        if isinstance(made, Unfit):
            unfit = made.detail
        if isinstance(made, Unfit) or not made:
            continue
        for records in requests(made, destination.limits):
            try:
                request = destination.request(records, now_ms=now_ms, failures=0)
            except Unpackable as error:
                raise RelayError(error.code, f"{name}: {error.detail}") from None
            answer = await door.send(request, timeout_s=timeout_s)
            tried.append(Tried(request, answer, destination.decide(answer, records=len(records), now_ms=now_ms)))
        return tried
    if unfit:
        raise RelayError(
            "not_applicable",
            f"{name} takes no test customer or order: {unfit}.",
            "Only a real one can show that it works.",
        )
    raise RelayError("no_mapping", f"{name} has no mapping, or a condition against it, for a test customer or order.")


def _calls(now_ms: int) -> Iterator[Call]:
    """A customer, else an order worth nothing; both say what they are."""
    person = {"userId": MARK, "context": {"relay": {"test": True}}, "timestamp": iso_milliseconds(now_ms)}
    traits: JsonObject = {"email": f"{MARK}@example.com", "firstName": "Relay", "lastName": "Test"}
    order: JsonObject = {"order_id": f"{MARK}-{now_ms}", "total": 0, "revenue": 0, "currency": "EUR", "products": []}
    yield _call("customer_updated", {"type": "identify", **person, "traits": traits}, now_ms)
    yield _call("order_completed", {"type": "track", "event": "Order Completed", **person, "properties": order}, now_ms)


def _call(tracked_event: str, body: JsonObject, now_ms: int) -> Call:
    message_id = sha256(f"{MARK}\n{tracked_event}\n{now_ms}".encode()).hexdigest()[:32]
    return Call(CallId(0), EventId(0), tracked_event, message_id, orjson.dumps(body).decode(), "", now_ms)
