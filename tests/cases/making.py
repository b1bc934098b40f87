"""Small cases, and folders of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from relay.cases.case import Case, read_case

WEBHOOK = {
    "id": "e-1",
    "triggered_by": "order.paid",
    "payload": {"data": {"type": "order", "id": "o-1"}, "included": {"items": []}},
}
CALL = '{"type": "track", "event": "E", "userId": "u", "properties": {"id": payload.data.id}'
"""A call, but for its last brace."""


def case(**members: Any) -> Case:
    return read_case(json.dumps({"webhook": WEBHOOK, **members}), "elasticpath", "order_completed")


def put_case(folder: Path, tracked_event: str, name: str, **members: Any) -> Path:
    path = folder / "sources/elasticpath/cases" / tracked_event / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"webhook": WEBHOOK, **members}, indent=2) + "\n")
    return path


def put_template(folder: Path, tracked_event: str, text: str) -> Path:
    path = folder / "sources/elasticpath" / f"{tracked_event}.jsonata"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
