"""BigCommerce's list of orders (OpenAPI of orders, v2: pages by number; 204 for none)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from relay.model import Json, JsonObject
from relay.sources.fields import text
from relay.sources.history.contract import Fact, Page, iso_second, objects

PAGE_ORDERS = 50
STATUS_UPDATED = "store/order/statusUpdated"
INCOMPLETE = (0, 1, 7)
"""Statuses of an order that is not one yet: incomplete, pending, awaiting payment."""
CANCELLED = (5, 6)
REFUNDED = (4, 14)


class BigCommerceHistory:
    """Implements `relay.sources.history.contract.History`.

    Facts are webhooks with ids only, as the platform's own: the relay completes them when it renders.
    """

    def first(self, since_ms: int, until_ms: int) -> str:
        query = {
            "limit": PAGE_ORDERS,
            "sort": "date_created:asc",
            "min_date_created": iso_second(since_ms),
            "max_date_created": iso_second(until_ms),
            "page": 1,
        }
        return f"/v2/orders?{urlencode(query)}"

    def read(self, path: str, answer: Json, headers: Mapping[str, str]) -> Page:
        orders = objects(answer or [])
        query = dict(parse_qsl(urlsplit(path).query))
        query["page"] = str(int(query["page"]) + 1)
        return Page(orders, f"/v2/orders?{urlencode(query)}" if len(orders) == PAGE_ORDERS else None)

    def identifier(self, order: JsonObject) -> str:
        return text(order.get("id")) or ""

    def made_at(self, order: JsonObject) -> str:
        return text(order.get("date_created")) or ""

    def facts(self, order: JsonObject) -> Sequence[Fact]:
        status = order.get("status_id")
        if status in INCOMPLETE:
            return []
        if status in CANCELLED:
            return [Fact("order_cancelled", _webhook(order, STATUS_UPDATED), STATUS_UPDATED)]
        facts = [Fact("order_completed", _webhook(order, "store/order/created"), "store/order/created")]
        if status in REFUNDED:
            facts.append(Fact("order_refunded", _webhook(order, STATUS_UPDATED), STATUS_UPDATED))
        return facts


def _webhook(order: JsonObject, scope: str) -> JsonObject:
    data = {"type": "order", "id": order.get("id"), "status": {"new_status_id": order.get("status_id")}}
    return {"scope": scope, "data": data, "created_at": _second(text(order.get("date_created")) or "")}


def _second(moment: str) -> int | None:
    """From RFC 2822, as version 2 of the API writes times, to Unix seconds."""
    try:
        return int(parsedate_to_datetime(moment).timestamp())
    except ValueError:
        # The time of its call comes from the order itself, when it is rendered.
        return None
