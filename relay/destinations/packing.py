"""How many records fit one request."""

from __future__ import annotations

from collections.abc import Sequence

from relay.destinations.contract import Limits, Record


def fitting(records: Sequence[Record], limits: Limits) -> int:
    """The length of the longest prefix that one request may hold: records of one group.

    Never 0 for records that keep to ``max_record_bytes``, as long as a request has room for its
    envelope and one such record.
    """
    room = limits.max_request_bytes - limits.envelope_bytes + limits.separator_bytes
    for index, record in enumerate(records[: limits.max_records]):
        if record.group != records[0].group:
            return index
        room -= len(record.body) + limits.separator_bytes
        if room < 0:
            return index
    return min(len(records), limits.max_records)


def requests(records: Sequence[Record], limits: Limits) -> list[Sequence[Record]]:
    """All of them, in order, in as few requests as that allows."""
    packed: list[Sequence[Record]] = []
    while records:
        count = max(1, fitting(records, limits))
        packed.append(records[:count])
        records = records[count:]
    return packed
