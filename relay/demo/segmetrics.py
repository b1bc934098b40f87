"""A SegMetrics look-alike: answers as its Import API does, and keeps what that would keep.

The rules and their order follow SegMetrics' API documentation; where that is silent it is strict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import orjson
from starlette.responses import JSONResponse, Response

from relay.demo.lookalike import Came, Lookalike
from relay.model import Json, JsonObject

_REQUIRED: Mapping[str, Sequence[str]] = {
    "contact": (),
    "invoice": ("id", "amount", "paid", "date_created", "items"),
    "subscription": ("id", "amount", "product_id", "start_date", "last_bill_date", "billing_cycle", "frequency"),
    "product": ("id", "name"),
}
_MONEY = ("amount", "paid", "discount", "tax", "shipping", "total_paid")
_DATES = ("date_created", "last_updated", "start_date", "last_bill_date")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


class SegMetricsLookalike(Lookalike):
    """``contacts``, ``invoices``, ``products`` and ``subscriptions`` are what is kept.

    ``taken`` has all that was taken, in order: method and path, and the body.
    """

    shown = ("contacts", "invoices", "products", "subscriptions", "taken")

    def __init__(self, account_id: str, integration_id: str, api_key: str) -> None:
        super().__init__()
        self.api_key = api_key
        self.contacts: list[JsonObject] = []
        self.invoices: dict[str, JsonObject] = {}
        self.products: dict[str, JsonObject] = {}
        self.subscriptions: dict[str, JsonObject] = {}
        self.taken: list[tuple[str, Json]] = []
        self._base = f"/api/v1/{account_id}/{integration_id}/"

    def answer(self, came: Came) -> Response:
        path = came.path.removeprefix(self._base)
        kind, _, id_ = path.partition("/")
        posted = came.method == "POST" and path in (*_REQUIRED, "tags/add", "tags/remove")
        deleted = came.method == "DELETE" and kind in ("contact", "invoice", "subscription") and id_
        if path == came.path or not (posted or deleted):
            return _errors(404, "not found")
        if came.headers.get("authorization") != self.api_key:
            return _errors(401, "unauthorized")
        return self._put(path, came.body) if posted else self._remove(kind, id_)

    # -- rules
    def _put(self, kind: str, body: bytes) -> Response:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            return _errors(400, "invalid json")
        if missing := list(_missing(kind, content)):
            return _errors(400, *(f"missing '{field}' field " for field in missing))
        if wrong := list(_malformed(content)):
            return _errors(400, *wrong)
        if kind in ("invoice", "subscription") and "contact_id" in content and not self._contact(content):
            return _errors(400, "contact not found")
        self.taken.append((f"POST {kind}", content))
        self._keep(kind, content)
        return JSONResponse({"status": "success"})

    def _keep(self, kind: str, content: JsonObject) -> None:
        if kind == "contact":
            self._keep_contact(content)
        elif kind == "invoice":
            self.invoices[str(content["id"])] = content
            for item in content["items"]:
                product = str(item.get("product_id"))
                self.products.setdefault(product, {"id": product, "name": item.get("name")})
        elif kind in ("product", "subscription"):
            kept = self.products if kind == "product" else self.subscriptions
            kept[str(content["id"])] = content

    def _keep_contact(self, content: JsonObject) -> None:
        """The id goes before the e-mail address; one who is known by that gets the new id."""
        known = self._contact(content)
        fields = {**content.get("custom_fields", {})}
        if known is None:
            self.contacts.append({**content, "custom_fields": fields})
            return
        merged = {**known.get("custom_fields", {}), **fields}
        known.update(content, custom_fields={name: value for name, value in merged.items() if value is not None})

    def _contact(self, content: JsonObject) -> JsonObject | None:
        for field in ("contact_id", "email"):
            for contact in self.contacts:
                if content.get(field) is not None and contact.get(field) == content[field]:
                    return contact
        return None

    def _remove(self, kind: str, id_: str) -> Response:
        if kind == "contact":
            gone = [c for c in self.contacts if id_ in (str(c.get("contact_id")), c.get("email"))]
            self.contacts = [contact for contact in self.contacts if contact not in gone]
        else:
            kept = {"invoice": self.invoices, "subscription": self.subscriptions}.get(kind, {})
            gone = [kept.pop(id_)] if id_ in kept else []
        if not gone:
            return _errors(404, "not found")
        self.taken.append((f"DELETE {kind}/{id_}", None))
        return JSONResponse({"id": id_, "status": "success", "object": kind, "deleted": True})


def _missing(kind: str, content: JsonObject) -> Iterator[str]:
    yield from (field for field in _REQUIRED.get(kind, ()) if content.get(field) is None)
    if kind != "product" and not content.get("contact_id") and not content.get("email"):
        yield "email"


def _malformed(content: JsonObject) -> Iterator[str]:
    items = content.get("items")
    if items is not None and (not isinstance(items, list) or not items):
        yield "items must not be empty"
        return
    for part in (content, *(items or ())):
        for field in _MONEY:
            if field in part and (not isinstance(part[field], int) or isinstance(part[field], bool)):
                yield f"'{field}' must be an integer"
        for field in _DATES:
            if field in part and not _DATE.fullmatch(str(part[field])):
                yield f"'{field}' must be YYYY-MM-DD HH:MM:SS"


def _errors(status: int, *texts: str) -> Response:
    return JSONResponse({"status": "error", "errors": list(texts)}, status)
