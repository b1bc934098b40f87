"""An Everflow look-alike: answers postbacks and reversals as far as is known, and tells what it did.

What it rejects it answers with 204 and nothing else, as the original does; the reason, which there
stands in a report only, is under ``/_fake/rejections``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.demo.lookalike import Came, Lookalike
from relay.model import JsonObject

LOOK_BACK_S = 30 * 86_400
_THROTTLED, _LOOK_BACK, _DUPLICATE, _NO_CLICK, _TOKEN, _EVENT = 1, 5, 8, 12, 21, 25


class EverflowLookalike(Lookalike):
    """One network with the clicks it knows, by the Unix time of each.

    ``events`` are ids of advertiser events on the offer, beside the base conversion, which is 0.
    ``conversions`` are what is booked, ``rejections`` what is not, with Everflow's error code.
    """

    shown = ("conversions", "rejections")

    def __init__(
        self,
        clicks: Mapping[str, int],
        *,
        nid: int = 5,
        events: Iterable[int] = (),
        token: str = "",
        allow_duplicates: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.clicks = dict(clicks)
        self.nid = str(nid)
        self.events = {0, *events}
        self.token = token
        self.allow_duplicates = allow_duplicates
        self.conversions: list[JsonObject] = []
        self.rejections: list[JsonObject] = []
        self._now_s = now_s

    def answer(self, came: Came) -> Response:
        if came.path not in ("/", "/reversal", "/sdk/conversion") or came.method != "GET":
            return PlainTextResponse("404 page not found", 404)
        query = dict(came.query)
        if query.get("nid") != self.nid:
            return PlainTextResponse("Invalid network", 400)
        if came.path == "/reversal":
            return self._reverse(query)
        code = self._flaw(query)
        if code:
            self.rejections.append({"code": code, **query})
        else:
            self.conversions.append({**query, "reversed": False})
        if came.path == "/sdk/conversion":
            return JSONResponse({"error": f"code {code}"} if code else {"transaction_id": query["transaction_id"]})
        return Response(status_code=204 if code else 200)

    def _flaw(self, query: Mapping[str, str]) -> int:
        """Everflow's error code, 0 for none."""
        clicked_s = self.clicks.get(query.get("transaction_id", ""))
        event = _event(query)
        if clicked_s is None:
            return _NO_CLICK
        if query.get("verification_token", "") != self.token:
            return _TOKEN
        if float(query.get("timestamp") or self._now_s()) - clicked_s > LOOK_BACK_S:
            return _LOOK_BACK
        booked = ((one["transaction_id"], _event(one)) for one in self.conversions)
        if not self.allow_duplicates and (query["transaction_id"], event) in booked:
            return _DUPLICATE
        return 0 if event in self.events else _EVENT

    def _reverse(self, query: Mapping[str, str]) -> Response:
        if query.get("verification_token", "") != self.token:
            self.rejections.append({"code": _TOKEN, **query})
            return Response(status_code=204)
        keys = [name for name in ("order_id", "transaction_id", "email") if query.get(name)]
        found = [one for one in self.conversions if keys and all(one.get(name) == query[name] for name in keys)]
        for conversion in found:
            conversion["reversed"] = True
        return Response(status_code=200 if found else 204)


def _event(query: Mapping[str, Any]) -> int:
    """The SDK drops ``event_id`` when ``adv_event_id`` is given."""
    return int(query.get("adv_event_id") or query.get("event_id") or 0)
