"""Sends track calls by segment-analytics-python: host, write key, how many, and where to write their ids."""

from __future__ import annotations

import sys
from pathlib import Path

from segment.analytics.client import Client

host, write_key, count, ids = sys.argv[1:]
failures: list[object] = []
client = Client(
    write_key,
    host=host,
    gzip=True,
    max_queue_size=int(count),
    upload_interval=0.1,
    on_error=lambda error, batch: failures.append(error),
)
sent = []
for number in range(int(count)):
    user = f"user-{number % 50}"
    properties = {"order_id": f"order-{number}", "total": number / 100, "number": number}
    taken, call = client.track(user, "Order Completed", properties)
    assert taken
    sent.append(call["messageId"])
client.shutdown()  # flushes
assert not failures, failures
Path(ids).write_text("\n".join(sent))
