"""A complete destination of every kind, and what in its options is secret."""

from __future__ import annotations

from typing import Any

from relay.destinations import KINDS
from relay.destinations.contract import Destination
from tests.destinations.mapping import destination_of

SECRET = "S3CRET+key/0815&of=tests"
OPTIONS: dict[str, dict[str, Any]] = {
    "everflow": {"tracking_domain": "https://www.trkexample.com", "nid": 5, "verification_token": SECRET},
    "http": {"url": "https://hooks.example.com/orders", "headers": {"X-Key": SECRET}, "max_batch_records": 7},
    "ometria": {"api_key": SECRET, "max_batch_bytes": 61_000},
    "segment": {"write_key": SECRET, "gzip": False, "max_call_bytes": 2_000, "max_batch_bytes": 5_000},
    "segmetrics": {"account_id": "ACC", "integration_id": "INT", "api_key": SECRET, "timezone": "Europe/Berlin"},
    "segmentify": {
        "data_center": "https://dce1.segmentify.com",
        "api_key": SECRET,
        "origin": "https://www.shop.example",
        "max_batch_bytes": 3_000,
    },
}


def destination(kind: str) -> Destination:
    return destination_of(kind=kind, **OPTIONS[kind])


COVERED = [kind for kind in KINDS if kind in OPTIONS]
