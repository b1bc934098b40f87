"""Elastic Path's list of orders (its OpenAPI of orders: filter, sort, page, include)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from relay.model import Json, JsonObject
from relay.sources.fields import at, text
from relay.sources.history.contract import Fact, Page, iso_second, objects

PAGE_ORDERS = 50
LAST_OFFSET = 5_000
"""The list ends at 10,000; from here on it is asked for anew, from the latest order on."""


class ElasticPathHistory:
    """Implements `relay.sources.history.contract.History`."""

    def first(self, since_ms: int, until_ms: int) -> str:
        return _path(iso_second(since_ms), iso_second(until_ms), 0)

    def read(self, path: str, answer: Json, headers: Mapping[str, str]) -> Page:
        found = objects(at(answer, "data"))
        items = {item.get("id"): item for item in objects(at(answer, "included", "items") or [])}
        orders = [{"data": order, "included": {"items": _items_of(order, items)}} for order in found]
        return Page(orders, _next(path, orders) if len(orders) == PAGE_ORDERS else None)

    def identifier(self, order: JsonObject) -> str:
        return text(at(order, "data", "id")) or ""

    def made_at(self, order: JsonObject) -> str:
        return text(at(order, "data", "meta", "timestamps", "created_at")) or ""

    def facts(self, order: JsonObject) -> Sequence[Fact]:
        payment, status = at(order, "data", "payment"), at(order, "data", "status")
        facts = []
        if payment in ("paid", "refunded"):
            facts.append(Fact("order_completed", order))
        if payment == "refunded":
            facts.append(Fact("order_refunded", order))
        if status == "cancelled":
            facts.append(Fact("order_cancelled", order))
        return facts


def _path(since: str, until: str, offset: int) -> str:
    query = {
        "filter": f"ge(created_at,{since}):lt(created_at,{until})",
        "sort": "created_at",
        "include": "items",
        "page[limit]": PAGE_ORDERS,
        "page[offset]": offset,
    }
    return f"/v2/orders?{urlencode(query, quote_via=quote)}"


def _next(path: str, orders: Sequence[JsonObject]) -> str | None:
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    since, until = query["filter"].removeprefix("ge(created_at,").removesuffix(")").split("):lt(created_at,")
    offset = int(query["page[offset]"]) + PAGE_ORDERS
    latest = text(at(orders[-1], "data", "meta", "timestamps", "created_at"))
    if offset >= LAST_OFFSET and latest is not None and latest > since:
        return _path(latest, until, 0)
    return _path(since, until, offset)


def _items_of(order: JsonObject, items: Mapping[Json, JsonObject]) -> list[JsonObject]:
    related = at(order, "relationships", "items", "data")
    ids = [at(one, "id") for one in related] if isinstance(related, list) else []
    return [items[one] for one in ids if isinstance(one, str) and one in items]
