"""Look-alikes of the platforms' order lists: they check who asks, filter, sort and page as the pages of each say."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

TOKEN = "a-token-of-the-shop"


class Orders:
    """A shop's API. ``asked`` are the paths that came; the next ``trouble`` answers are given first."""

    def __init__(self, orders: Sequence[dict[str, Any]]) -> None:
        self.orders = list(orders)
        self.asked: list[str] = []
        self.trouble: list[Response] = []
        self.later: dict[int, Response] = {}
        """Answers given instead to requests by their number, from 0."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append(f"{request.url.path}?{request.url.query}")
        answer = self.later.get(len(self.asked) - 1)
        if answer is None:
            answer = self.trouble.pop(0) if self.trouble else self.answer(request)
        await answer(scope, receive, send)

    def answer(self, request: Request) -> Response:
        raise NotImplementedError


class ElasticPathOrders(Orders):
    def answer(self, request: Request) -> Response:
        if request.url.path == "/oauth/access_token":
            return JSONResponse({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"errors": [{"status": 401}]}, 401)
        if request.url.path != "/v2/orders":
            return JSONResponse({"errors": [{"status": 404}]}, 404)
        query = request.query_params
        since, until = query["filter"].removeprefix("ge(created_at,").removesuffix(")").split("):lt(created_at,")
        assert query["sort"] == "created_at"
        found = sorted(
            (one for one in self.orders if since <= _created(one["data"]) < until),
            key=lambda one: _created(one["data"]),
        )
        start = int(query["page[offset]"])
        page = found[start : start + int(query["page[limit]"])]
        items = [item for one in page for item in one["included"]["items"]]
        assert query["include"] == "items"
        return JSONResponse(
            {
                "data": [one["data"] for one in page],
                "included": {"items": items},
                "meta": {"results": {"total": len(found)}},
            }
        )


class ShopifyOrders(Orders):
    def answer(self, request: Request) -> Response:
        if request.headers.get("x-shopify-access-token") != TOKEN:
            return JSONResponse({"errors": "[API] Invalid API key or access token"}, 401)
        query = dict(request.query_params)
        if "page_info" in query:
            assert query.keys() == {"limit", "page_info"}, "a cursor stands with the limit alone"
            since, until, start = query["page_info"].split("|")
        else:
            assert (query["status"], query["order"]) == ("any", "created_at asc")
            since, until, start = query["created_at_min"], query["created_at_max"], "0"
        found = sorted(
            (one for one in self.orders if since <= one["created_at"] <= until), key=lambda o: str(o["created_at"])
        )
        limit, at = int(query["limit"]), int(start)
        answer = JSONResponse({"orders": found[at : at + limit]})
        if at + limit < len(found):
            following = urlencode({"limit": limit, "page_info": f"{since}|{until}|{at + limit}"})
            answer.headers["link"] = f'<https://elsewhere.example{request.url.path}?{following}>; rel="next"'
        return answer


class WooCommerceOrders(Orders):
    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Basic " + base64.b64encode(f"ck_1:{TOKEN}".encode()).decode():
            return JSONResponse({"code": "woocommerce_rest_cannot_view"}, 401)
        query = request.query_params
        assert (query["orderby"], query["order"], query["dates_are_gmt"]) == ("date", "asc", "true")
        found = [one for one in self.orders if query["after"] < one["date_created_gmt"] < query["before"]]
        found.sort(key=lambda one: str(one["date_created_gmt"]))
        size = int(query["per_page"])
        assert size <= 100
        start = (int(query["page"]) - 1) * size
        return JSONResponse(found[start : start + size], headers={"X-WP-Total": str(len(found))})


def _created(order: dict[str, Any]) -> str:
    created: str = order["meta"]["timestamps"]["created_at"]
    return created
