"""WooCommerce's list of orders (REST API v3: orders, pages by number)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from relay.model import Json, JsonObject
from relay.sources.fields import text
from relay.sources.history.contract import Fact, Page, iso_second, objects

PAGE_ORDERS = 50
DRAFTS = ("checkout-draft", "auto-draft", "trash", "pending", "failed")
UPDATED = "order.updated"
"""The topic that tells of whatever became of an order."""


class WooCommerceHistory:
    """Implements `relay.sources.history.contract.History`. The templates decide what an order tells."""

    def first(self, since_ms: int, until_ms: int) -> str:
        query = {
            "per_page": PAGE_ORDERS,
            "orderby": "date",
            "order": "asc",
            "dates_are_gmt": "true",
            "after": iso_second(since_ms - 1000).rstrip("Z"),
            "before": iso_second(until_ms).rstrip("Z"),
            "page": 1,
        }
        return f"/wp-json/wc/v3/orders?{urlencode(query)}"

    def read(self, path: str, answer: Json, headers: Mapping[str, str]) -> Page:
        orders = objects(answer)
        query = dict(parse_qsl(urlsplit(path).query))
        query["page"] = str(int(query["page"]) + 1)
        following = f"{urlsplit(path).path}?{urlencode(query)}"
        return Page(orders, following if len(orders) == PAGE_ORDERS else None)

    def identifier(self, order: JsonObject) -> str:
        return text(order.get("id")) or ""

    def made_at(self, order: JsonObject) -> str:
        return text(order.get("date_created_gmt")) or ""

    def facts(self, order: JsonObject) -> Sequence[Fact]:
        status = order.get("status")
        if status in DRAFTS:
            return []
        facts = [] if status == "cancelled" else [Fact("order_completed", order)]
        if order.get("refunds"):
            facts.append(Fact("order_refunded", order, UPDATED))
        if status == "cancelled":
            facts.append(Fact("order_cancelled", order, UPDATED))
        return facts
