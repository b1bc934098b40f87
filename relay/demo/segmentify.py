"""A Segmentify look-alike: answers as its REST API for backends does, and tells what it did.

Like the original it answers 200 to nearly everything, with a ``statusCode`` when the request came to
nothing. It knows no time of an event, and takes the same order twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.demo.lookalike import Came, Lookalike
from relay.model import JsonObject

NAMES = (
    *("PAGE_VIEW", "PRODUCT_VIEW", "BASKET_OPERATIONS", "CHECKOUT", "USER_OPERATIONS", "CUSTOM_EVENT"),
    *("INTERACTION", "USER_FORM", "BANNER_VIEW", "BANNER_OPERATIONS"),
)
STEPS = {
    "BASKET_OPERATIONS": ("add", "remove"),
    "CHECKOUT": ("basket", "customer", "payment", "purchase"),
    "USER_OPERATIONS": ("signup", "signin", "signout", "update"),
}
MANDATORY = {
    "PAGE_VIEW": ("category",),
    "PRODUCT_VIEW": ("productId", "title", "url", "image", "category", "price"),
    "BASKET_OPERATIONS": ("step", "productId"),
    "CHECKOUT": ("step", "totalPrice", "productList"),
    "USER_OPERATIONS": ("step", "username"),
    "CUSTOM_EVENT": ("type",),
}
DEVICES = ("PC", "TABLET", "MOBILE", "ANDROID", "IOS")


class SegmentifyLookalike(Lookalike):
    """``accounts`` are API keys with the host registered for each; ``standing`` what else is wrong with a key.

    ``stored`` are events with the time of their arrival; ``warnings`` what Segmentify takes without
    a word though it is not as documented, and orders that came twice.
    """

    shown = ("stored", "warnings")

    def __init__(
        self,
        accounts: Iterable[tuple[str, str]],
        *,
        says_success: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__()
        self.accounts = dict(accounts)
        self.standing: dict[str, str] = {}
        self.says_success = says_success
        self.stored: list[JsonObject] = []
        self.warnings: list[str] = []
        self._now_ms = now_ms

    def answer(self, came: Came) -> Response:
        if came.path in ("/get/key", "/get/key/v1.json"):
            return JSONResponse([uuid4().hex for _ in range(int(came.query.get("count", "1")))])
        if came.path != "/add/events/v1.json":
            return PlainTextResponse("Not Found", 404)
        if came.method != "POST":
            return PlainTextResponse("Bad Request", 400)
        key = came.query.get("apiKey") or came.headers.get("x-sfy-api-key")
        if not key:
            return _refusal("NO_API_KEY")
        if key not in self.accounts:
            return _refusal("NO_ACCOUNT")
        if key in self.standing:
            return _refusal(self.standing[key])
        origin = came.headers.get("origin", "")
        if (urlsplit(origin).hostname or origin) != self.accounts[key]:
            return _refusal("NO_DOMAIN_APIKEY_MATCH")
        return self._take(came.body)

    def _take(self, body: bytes) -> Response:
        try:
            events = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _refusal("BAD_INPUT")
        events = [events] if isinstance(events, dict) else events
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            return _refusal("BAD_INPUT")
        if not events:
            return _refusal("NO_EVENT")
        for field, code in (("userId", "NO_USERID"), ("sessionId", "NO_SESSIONID")):
            if not all(event.get(field) for event in events):
                return _refusal(code)
        for event in events:
            self.warnings += [*flaws(event), *self._repeated(event)]
            self.stored.append({**event, "arrivedAt": self._now_ms()})
        empty: list[list[JsonObject]] = [[] for _ in events]
        said = {"campaigns": empty, "responses": empty, "timestamp": self._now_ms()}
        return JSONResponse({**said, "statusCode": "SUCCESS"} if self.says_success else said)

    def _repeated(self, event: JsonObject) -> list[str]:
        order = event.get("orderNo")
        known = order is not None and any(stored.get("orderNo") == order for stored in self.stored)
        return [f"orderNo {order} again"] if known else []


def flaws(event: JsonObject) -> list[str]:
    """Where an event is not as documented."""
    name = event.get("name")
    if name not in NAMES:
        return [f"unknown name {name}"]
    found = [f"{name} without {field}" for field in MANDATORY.get(name, ()) if event.get(field) in (None, "")]
    if event.get("device") not in DEVICES:
        found.append(f"{name} with device {event.get('device')}")
    if name in STEPS and event.get("step") not in STEPS[name]:
        found.append(f"{name} with step {event.get('step')}")
    if "nextPage" in event:
        found.append(f"{name} with nextPage")
    found += [
        f"{name}: a product without productId" for line in event.get("productList", ()) if not line.get("productId")
    ]
    return found


def _refusal(code: str) -> Response:
    return JSONResponse({"timestamp": "", "responses": [], "statusCode": code})
