"""Shopify's list of orders (REST Admin API: orders, pagination by Link header)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlencode, urlsplit

from relay.model import Json, JsonObject
from relay.sources.fields import at, text
from relay.sources.history.contract import Fact, Page, iso_second, objects

PAGE_ORDERS = 50
PAID = ("paid", "partially_refunded", "refunded")
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


class ShopifyHistory:
    """Implements `relay.sources.history.contract.History`."""

    def first(self, since_ms: int, until_ms: int) -> str:
        query = {
            "status": "any",
            "limit": PAGE_ORDERS,
            "order": "created_at asc",
            "created_at_min": iso_second(since_ms),
            "created_at_max": iso_second(until_ms),
        }
        return f"/orders.json?{urlencode(query)}"

    def read(self, path: str, answer: Json, headers: Mapping[str, str]) -> Page:
        """Of the next page's address only the cursor is taken: no answer says where requests go."""
        link = _NEXT.search(headers.get("link", ""))
        cursor = parse_qs(urlsplit(link[1]).query).get("page_info") if link else None
        query = urlencode({"limit": PAGE_ORDERS, "page_info": cursor[0]}) if cursor else ""
        return Page(objects(at(answer, "orders")), f"/orders.json?{query}" if query else None)

    def identifier(self, order: JsonObject) -> str:
        return text(order.get("id")) or ""

    def made_at(self, order: JsonObject) -> str:
        return text(order.get("created_at")) or ""

    def facts(self, order: JsonObject) -> Sequence[Fact]:
        facts = [Fact("order_completed", order)] if order.get("financial_status") in PAID else []
        refunds = order.get("refunds")
        facts += [Fact("order_refunded", one) for one in refunds or () if isinstance(one, dict)]
        if order.get("cancelled_at"):
            facts.append(Fact("order_cancelled", order))
        return facts
