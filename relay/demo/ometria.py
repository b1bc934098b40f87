"""An Ometria look-alike: takes pushes as the push API does, checks them afterwards, and tells what it did."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.demo.lookalike import Came, Lookalike
from relay.model import Json, JsonObject

MAX_RECORDS = 100
MAX_RECORD_BYTES = 60 * 1024
MAX_QUEUE = 50_000
MOST_ERRORS = 100
TYPES = ("contact", "order", "product", "custom_event")
_PHONE = re.compile(r"\+[1-9][0-9]{10,14}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

Key = tuple[str, str, str]


class OmetriaLookalike(Lookalike):
    """Accounts by their keys, all of one store of records.

    ``stored`` are records by type, collection and id, merged as they come; ``errors`` what was
    refused after it was taken, newest first. ``says_which`` false leaves out of these what Ometria
    does not surely tell. ``queue_left`` is what the header says of its queue, 0 refuses all.
    """

    shown = ("records", "errors")

    def __init__(
        self,
        keys: Iterable[str],
        *,
        max_requests_per_second: int | None = None,
        says_which: bool = True,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__()
        self.keys = frozenset(keys)
        self.max_requests_per_second = max_requests_per_second
        self.says_which = says_which
        self.stored: dict[Key, JsonObject] = {}
        self.errors: list[JsonObject] = []
        self.queue_left = MAX_QUEUE
        self._now_ms = now_ms
        self._times_ms: deque[int] = deque()

    @property
    def records(self) -> list[JsonObject]:
        return list(self.stored.values())

    def answer(self, came: Came) -> Response:
        if (came.method, came.path) not in (("POST", "/v2/push"), ("GET", "/v2/push/_errors")):
            return PlainTextResponse("Not Found", 404)
        if came.headers.get("x-ometria-auth") not in self.keys:
            return JSONResponse({"status": "ERROR", "message": "Forbidden"}, 403)
        if came.method == "GET":
            return JSONResponse([self._as_told(error) for error in self.errors])
        if self._too_many() or self.queue_left <= 0:
            return JSONResponse({"status": "ERROR", "message": "Too many requests"}, 429)
        return self._push(came.body)

    def _push(self, body: bytes) -> Response:
        try:
            records = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _invalid("it is not JSON")
        if not isinstance(records, list) or not records:
            return _invalid("it is not an array")
        if len(records) > MAX_RECORDS:
            return _invalid("Too many records")
        if any(len(orjson.dumps(record)) > MAX_RECORD_BYTES for record in records):
            return _invalid("Record is too large")
        if len({record.get("@type") for record in records if isinstance(record, dict)}) > 1:
            return _invalid("Several types")
        request_id = str(uuid4())
        accepted = [record for record in records if _known(record)]
        for record in accepted:
            self._check(record, request_id)
        said = {"status": "OK", "request_id": request_id, "accepted": len(accepted)}
        return JSONResponse(
            {**said, "rejected": len(records) - len(accepted)},
            headers={"X-QueueSize-Limit": str(MAX_QUEUE), "X-QueueSize-Remaining": str(self.queue_left)},
        )

    def _check(self, record: JsonObject, request_id: str) -> None:
        """What happens after the 200."""
        found = list(flaws(record))
        for path, message in found:
            entry = {
                "error_message": message,
                "error_path": path,
                "record_type": record["@type"],
                "record_id": record["id"],
                "request_id": request_id,
                "timestamp": datetime.fromtimestamp(self._now_ms() / 1000, UTC).isoformat(),
            }
            self.errors = [entry, *self.errors][:MOST_ERRORS]
        if not found:
            key = (str(record["@type"]), str(record.get("@collection", "")), str(record["id"]))
            self.stored[key] = {**self.stored.get(key, {}), **record}

    def _as_told(self, error: JsonObject) -> JsonObject:
        if self.says_which:
            return error
        return {name: error[name] for name in ("error_message", "error_path")}

    def _too_many(self) -> bool:
        if self.max_requests_per_second is None:
            return False
        now_ms = self._now_ms()
        while self._times_ms and self._times_ms[0] <= now_ms - 1000:
            self._times_ms.popleft()
        self._times_ms.append(now_ms)
        return len(self._times_ms) > self.max_requests_per_second


def flaws(record: JsonObject) -> Iterator[tuple[str, str]]:
    """Path and message of all that is wrong with a record."""
    for field in ("timestamp", "timestamp_acquired", "timestamp_subscribed"):
        if field in record and not _TIME.fullmatch(str(record[field])):
            yield f"root > {field}", "not a valid date"
    phone = record.get("phone_number")
    if phone is not None and not _PHONE.fullmatch(str(phone)):
        yield "root > phone_number", "not a valid phone number"
    if record["@type"] != "order":
        return
    for field in ("timestamp", "grand_total", "currency"):
        if record.get(field) is None:
            yield f"root > {field}", "is required"
    if record.get("currency") is not None and not _CURRENCY.fullmatch(str(record["currency"])):
        yield "root > currency", "not a valid currency"
    for index, line in enumerate(record.get("lineitems", [])):
        yield from _flaws_of_line(line, f"root > lineitems > {index}")


def _flaws_of_line(line: JsonObject, path: str) -> Iterator[tuple[str, str]]:
    for field in ("product_id", "quantity"):
        if line.get(field) is None:
            yield f"{path} > {field}", "is required"
    if line.get("unit_price") is None and line.get("subtotal") is None:
        yield f"{path} > unit_price", "is required"
    for option in line.get("variant_options", []):
        if not all(option.get(field) for field in ("type", "id", "label")):
            yield f"{path} > variant_options", "not a valid value"


def _known(record: Json) -> bool:
    return isinstance(record, dict) and record.get("@type") in TYPES and bool(record.get("id"))


def _invalid(why: str) -> Response:
    return JSONResponse({"status": "ERROR", "message": f"Payload invalid: {why}"}, 400)
