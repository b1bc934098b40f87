from __future__ import annotations

import gzip

import orjson
from hypothesis import given
from hypothesis import strategies as st

from relay.destinations.contract import Limits, Record
from relay.destinations.packing import fitting
from tests.destinations.making import NOW_MS, make_segment

SIZES = st.lists(st.integers(1, 60), max_size=60)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits with room for the envelope and one record of the largest size."""
    envelope_bytes = draw(st.integers(0, 50))
    return Limits(
        max_records=draw(st.integers(1, 20)),
        max_request_bytes=envelope_bytes + 60 + draw(st.integers(0, 600)),
        max_record_bytes=60,
        envelope_bytes=envelope_bytes,
        separator_bytes=draw(st.integers(0, 3)),
    )


def weight(records: list[Record], limits: Limits) -> int:
    separators = max(0, len(records) - 1) * limits.separator_bytes
    return limits.envelope_bytes + separators + sum(len(record.body) for record in records)


@given(SIZES, limits())
def test_packs_in_order_loses_nothing_and_keeps_to_the_limits(sizes: list[int], limits: Limits) -> None:
    records = [Record(bytes([index % 256]) * size) for index, size in enumerate(sizes)]
    rest, packed = records, []
    while rest:
        count = fitting(rest, limits)
        request, rest = rest[:count], rest[count:]
        assert 1 <= len(request) <= limits.max_records
        assert weight(request, limits) <= limits.max_request_bytes
        packed += request

    assert packed == records


@given(SIZES, limits())
def test_takes_as_many_as_fit(sizes: list[int], limits: Limits) -> None:
    records = [Record(b"x" * size) for size in sizes]
    count = fitting(records, limits)

    one_more = records[: count + 1]
    full = count == len(records) or count == limits.max_records
    assert full or weight(one_more, limits) > limits.max_request_bytes


def test_no_records_fit_no_request() -> None:
    assert fitting([], Limits(10, 100, 50, 10)) == 0


def test_a_record_over_the_limit_is_not_sent() -> None:
    assert fitting([Record(b"x" * 91)], Limits(10, 100, 50, 10)) == 0


@given(st.lists(st.integers(0, 900), min_size=1, max_size=30), st.booleans())
def test_what_fits_is_within_the_limit_of_the_body_segment_gets(paddings: list[int], compress: bool) -> None:
    segment = make_segment(max_batch_bytes=4_000, max_call_bytes=1_000, max_batch_calls=7, gzip=compress)
    records = [Record(orjson.dumps({"type": "track", "userId": "u" * padding})) for padding in paddings]
    count = fitting(records, segment.limits)

    request = segment.request(records[:count], now_ms=NOW_MS, failures=0)

    body = gzip.decompress(request.body) if compress else request.body
    assert len(body) == weight(records[:count], segment.limits)
    assert len(body) <= 4_000
    assert orjson.loads(body)["batch"] == [orjson.loads(record.body) for record in records[:count]]
