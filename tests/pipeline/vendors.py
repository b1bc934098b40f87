"""A relay with a look-alike of each vendor behind it, and the sample order as Elastic Path's webhooks tell it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from relay.app import Relay
from relay.demo.everflow import EverflowLookalike
from relay.demo.ometria import OmetriaLookalike
from relay.demo.samples import CUSTOMER_ID, ORDER_ID, samples
from relay.demo.segmentify import SegmentifyLookalike
from relay.demo.segmetrics import SegMetricsLookalike
from relay.demo.serving import serve
from relay.model import EventId, JsonObject
from tests.receiving import Receiver
from tests.running import configuration, running

SEGMENTIFY_KEY = "11111111-2222-3333-4444-555555555555"
OMETRIA_KEY = "0metria-key-0815"
SEGMETRICS_KEY = "segm3trics-key-0815"
EVERFLOW_TOKEN = "t0ken&of=everflow"
CLICK = "0123456789abcdef0123456789abcdef"
PLACED_S = 1_773_480_413
ORIGIN = "https://www.shop.example"
YEARS_S = str(10 * 365 * 86_400)
SECRETS = (SEGMENTIFY_KEY, OMETRIA_KEY, SEGMETRICS_KEY, EVERFLOW_TOKEN, "t0ken%26of%3Deverflow")


@dataclass
class Vendors:
    """The look-alikes."""

    segment: Receiver = field(default_factory=Receiver)
    segmentify: SegmentifyLookalike = field(
        default_factory=lambda: SegmentifyLookalike([(SEGMENTIFY_KEY, "www.shop.example")])
    )
    everflow: EverflowLookalike = field(
        default_factory=lambda: EverflowLookalike({CLICK: PLACED_S - 3_600}, token=EVERFLOW_TOKEN, events=[24])
    )
    ometria: OmetriaLookalike = field(default_factory=lambda: OmetriaLookalike([OMETRIA_KEY]))
    segmetrics: SegMetricsLookalike = field(default_factory=lambda: SegMetricsLookalike("a1", "i1", SEGMETRICS_KEY))


def options(urls: Mapping[str, str]) -> dict[str, str]:
    """Of the relay, for vendors at these addresses."""
    chosen: dict[str, dict[str, str]] = {
        "segmentify": {
            "DATA_CENTER": urls.get("segmentify", ""),
            "API_KEY": SEGMENTIFY_KEY,
            "ORIGIN": ORIGIN,
            "LANG": "EN",
            "MAX_AGE_S": YEARS_S,
            "REQUESTS_PER_SECOND": "1000",
        },
        "everflow": {
            "TRACKING_DOMAIN": urls.get("everflow", ""),
            "NID": "5",
            "VERIFICATION_TOKEN": EVERFLOW_TOKEN,
            "MAX_AGE_S": str(400 * 86_400),
            "REQUESTS_PER_SECOND": "1000",
        },
        "segmetrics": {
            "HOST": urls.get("segmetrics", ""),
            "ACCOUNT_ID": "a1",
            "INTEGRATION_ID": "i1",
            "API_KEY": SEGMETRICS_KEY,
            "TIMEZONE": "Europe/London",
            "REQUESTS_PER_SECOND": "1000",
        },
        "ometria": {
            "HOST": urls.get("ometria", ""),
            "API_KEY": OMETRIA_KEY,
            "REQUESTS_PER_SECOND": "1000",
            "ERRORS_EVERY_S": "0.05",
        },
    }
    return {
        f"DESTINATIONS__{name.upper()}__{option}": value
        for name, of in chosen.items()
        if name in urls
        for option, value in {"KIND": name, **of}.items()
    }


@asynccontextmanager
async def selling(folder: Path, vendors: Vendors, *names: str, **more: str) -> AsyncIterator[Relay]:
    """A relay that delivers to these vendors, all by default."""
    async with AsyncExitStack() as stack:
        urls = {
            name: await stack.enter_async_context(serve(getattr(vendors, name)))
            for name in names or ("segment", "segmentify", "segmetrics", "everflow", "ometria")
        }
        segment = {"segment": urls.pop("segment")} if "segment" in urls else {}
        shop = {"SOURCES__ELASTICPATH__AFFILIATION": "Example Shop"}
        environ = configuration(folder, segment, **(shop | options(urls) | more))
        yield await stack.enter_async_context(running(environ))


_STORY = ("customer.created", "order.created", "order.paid", "order.updated", "order.refunded", "order.cancelled")


def sample(topic: str, *, order: str = "ORD-1001", click: str = CLICK, **data: Any) -> bytes:
    """The webhook of a topic about the sample order; ``data`` are changes to it."""
    found = next(one for one in samples() if one.title == topic)
    text = found.body.decode()
    for theirs, ours in ((ORDER_ID, order), (CUSTOMER_ID, "CUST-42"), ("product-sku-10-red-m", "P-10")):
        text = text.replace(theirs, ours)
    text = text.replace("product-sku-11", "P-11").replace("2026-03-14T09:30:11Z", "2026-03-14T09:26:53Z")
    body = orjson.loads(text)
    body.pop("resources")
    body["id"] = f"{topic}-{order}-{re.sub('[^a-z0-9]', '', str(sorted(data)))}"
    told = body["payload"]["data"]
    if topic.startswith("order."):
        told |= {"order_number": order, "everflow_transaction_id": click}
    else:
        told["meta"]["timestamps"]["created_at"] = "2025-11-02T08:00:00Z"
    told |= data
    return orjson.dumps(body)


def story(**more: Any) -> list[bytes]:
    return [sample(topic, **more) for topic in _STORY]


def changed(webhook: bytes, **payload: Any) -> bytes:
    """The same with other parts of its payload: ``included``."""
    body = orjson.loads(webhook)
    body["payload"] |= payload
    return orjson.dumps(body)


async def ends(relay: Relay, event: EventId) -> dict[str, tuple[str, str]]:
    """How the event's call ended, by destination."""
    told = await relay.journal.timeline(event)
    assert told is not None
    return {ended.destination: (str(ended.kind), ended.code) for ended in told.outcomes}


async def everything_kept(relay: Relay, events: list[EventId]) -> str:
    """All texts about these events that a person can see."""
    timelines = [await relay.journal.timeline(event) for event in events]
    return repr([(told.attempts, told.outcomes) for told in timelines if told is not None])


def of_type(records: list[JsonObject], kind: str) -> list[JsonObject]:
    return [record for record in records if record["@type"] == kind]
