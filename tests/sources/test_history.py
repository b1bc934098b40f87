"""Lists of orders: whatever their length, every order comes out, oldest first; and what each tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.model import Json
from relay.sources.history import HISTORIES, History
from relay.sources.history.elasticpath import LAST_OFFSET

START = datetime(2025, 1, 1, tzinfo=UTC)
LATE_MS = int((START + timedelta(days=400)).timestamp() * 1000)
Shop = Callable[[str], tuple[Json, dict[str, str]]]


def moments(number: int) -> list[datetime]:
    """Some share a second."""
    return [START + timedelta(seconds=30 * (n // 3)) for n in range(number)]


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def asked(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def elasticpath(number: int) -> Shop:
    orders: list[dict[str, Any]] = [
        {"id": str(n), "payment": "paid", "meta": {"timestamps": {"created_at": iso(moment)}}}
        for n, moment in enumerate(moments(number))
    ]

    def answer(path: str) -> tuple[Json, dict[str, str]]:
        query = asked(path)
        since = query["filter"].removeprefix("ge(created_at,").partition(")")[0]
        found = [order for order in orders if order["meta"]["timestamps"]["created_at"] >= since]
        start = int(query["page[offset]"])
        assert start < 10_000
        return {"data": found[start : start + int(query["page[limit]"])]}, {}

    return answer


def by_page(number: int, size: str, written: str, form: Callable[[datetime], str], none: Json = None) -> Shop:
    orders = [{"id": n, written: form(moment)} for n, moment in enumerate(moments(number))]

    def answer(path: str) -> tuple[Json, dict[str, str]]:
        query = asked(path)
        limit = int(query[size])
        start = (int(query["page"]) - 1) * limit
        page: Json = list(orders[start : start + limit])
        return page or none, {}

    return answer


def everything(history: History, shop: Shop) -> list[str]:
    path: str | None = history.first(0, LATE_MS)
    found = []
    while path is not None:
        assert path.startswith("/")
        answer, headers = shop(path)
        page = history.read(path, answer, headers)
        found += [history.identifier(order) for order in page.orders]
        path = page.next_path
    return found


@pytest.mark.parametrize("number", [0, 1, 50, 51, 149, 150, LAST_OFFSET + 120])
@pytest.mark.parametrize("platform", ["elasticpath", "woocommerce", "bigcommerce"])
def test_no_order_is_left_out(platform: str, number: int) -> None:
    shops = {
        "elasticpath": elasticpath(number),
        "woocommerce": by_page(number, "per_page", "date_created_gmt", lambda at: iso(at).rstrip("Z"), []),
        "bigcommerce": by_page(number, "limit", "date_created", format_datetime),
    }
    found = everything(HISTORIES[platform](), shops[platform])
    # The list is asked for anew from a moment on that several orders share: those come twice, and count once.
    assert list(dict.fromkeys(found)) == [str(n) for n in range(number)]
    assert len(found) <= number + 3


@pytest.mark.parametrize(
    ("platform", "order", "told"),
    [
        ("elasticpath", {"data": {"payment": "unpaid", "status": "incomplete"}}, []),
        ("elasticpath", {"data": {"payment": "paid", "status": "complete"}}, ["order_completed"]),
        (
            "elasticpath",
            {"data": {"payment": "refunded", "status": "cancelled"}},
            ["order_completed", "order_refunded", "order_cancelled"],
        ),
        ("shopify", {"financial_status": "pending"}, []),
        (
            "shopify",
            {"financial_status": "partially_refunded", "refunds": [{"id": 1}, {"id": 2}]},
            ["order_completed", "order_refunded", "order_refunded"],
        ),
        ("shopify", {"financial_status": "voided", "cancelled_at": "2025-01-01T00:00:00Z"}, ["order_cancelled"]),
        ("woocommerce", {"status": "checkout-draft"}, []),
        ("woocommerce", {"status": "refunded", "refunds": [{"id": 3}]}, ["order_completed", "order_refunded"]),
        ("woocommerce", {"status": "cancelled"}, ["order_cancelled"]),
        ("bigcommerce", {"id": 7, "status_id": 0}, []),
        ("bigcommerce", {"id": 7, "status_id": 14}, ["order_completed", "order_refunded"]),
        ("bigcommerce", {"id": 7, "status_id": 5}, ["order_cancelled"]),
    ],
)
def test_what_an_order_tells(platform: str, order: dict[str, Any], told: list[str]) -> None:
    assert [fact.tracked_event for fact in HISTORIES[platform]().facts(order)] == told


@pytest.mark.parametrize("platform", sorted(HISTORIES))
@pytest.mark.parametrize("answer", [{"errors": []}, "down for maintenance", [1, 2], {"data": {"id": 1}}, {"orders": 3}])
def test_an_answer_of_another_form_is_a_value_error(platform: str, answer: Json) -> None:
    history = HISTORIES[platform]()
    with pytest.raises(ValueError, match="no list of orders"):
        history.read(history.first(0, LATE_MS), answer, {})
