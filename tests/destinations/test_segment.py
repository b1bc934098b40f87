from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from relay import __version__
from relay.codes import CODES, RelayError
from relay.destinations import build_destination
from relay.destinations.contract import Answer, Record, Unfit
from relay.settings.options import SegmentOptions
from relay.templates.expressions import RequestExpressions
from tests.destinations.making import KEY, NOW_MS, make_call, make_segment, order_completed, record_of

BASIC = b64encode(f"{KEY}:".encode()).decode()


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, body)


def test_the_list_of_kinds_builds_it() -> None:
    options = SegmentOptions(kind="segment", write_key=SecretStr(KEY))

    assert build_destination("segment", options, RequestExpressions()).kind == "segment"


class TestRecord:
    @given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none(), max_size=5))
    def test_is_the_call_with_a_message_id_in_front(self, properties: dict[str, Any]) -> None:
        call = order_completed(properties=properties)

        record = record_of(make_segment(), make_call(call))

        assert isinstance(record, Record)
        wire = orjson.loads(record.body)
        assert wire.pop("messageId").startswith("wr_")
        assert wire == call
        assert record.body.startswith(b'{"messageId":"wr_')

    def test_message_id_is_the_same_for_the_same_fact_and_no_other(self) -> None:
        def message_id(fact: str = "a" * 32, **segment: str) -> str:
            record = record_of(make_segment(**segment), make_call(message_id=fact))
            assert isinstance(record, Record)
            return str(orjson.loads(record.body)["messageId"])

        ids = [message_id(), message_id("b" * 32), message_id(name="staging"), message_id(write_key="WK_OTHER")]

        assert message_id() == ids[0]
        assert len(set(ids)) == 4
        assert {len(each) for each in ids} == {43}

    @pytest.mark.parametrize(
        ("own_id", "mode", "kept"),
        [
            ("ajs-1", "keep", True),
            ("ajs-1", "derive", False),
            ("ajs-1", "auto", False),  # until the configuration has decided
            ('é"\\ ☕', "keep", True),
            ("x" * 99, "keep", True),
            ("x" * 100, "keep", False),  # Segment would discard it
        ],
    )
    def test_a_callers_message_id_is_kept_where_that_is_wanted(self, own_id: str, mode: str, kept: bool) -> None:
        body = order_completed()
        own = record_of(make_segment(caller_message_ids=mode), make_call({"messageId": own_id, **body}))
        derived = record_of(make_segment(), make_call(body))
        assert isinstance(own, Record)
        assert isinstance(derived, Record)
        expected = own_id if kept else orjson.loads(derived.body)["messageId"]
        assert orjson.loads(own.body) == {"messageId": expected, **body}

    def test_a_call_over_the_limit_is_unfit(self) -> None:
        whole = record_of(make_segment(), make_call())
        assert isinstance(whole, Record)
        size = len(whole.body)

        assert isinstance(record_of(make_segment(max_call_bytes=size), make_call()), Record)
        assert record_of(make_segment(max_call_bytes=size - 1), make_call()) == Unfit(
            "guard_size", f"{size} bytes, {size - 1} are allowed"
        )

    def test_size_is_counted_in_bytes(self) -> None:
        unfit = record_of(make_segment(max_call_bytes=1_000), make_call(order_completed("€" * 400)))

        assert isinstance(unfit, Unfit)


class TestRequest:
    def test_holds_the_calls_in_order_with_the_time_of_the_attempt(self) -> None:
        records = [Record(b'{"type":"track"}'), Record(b'{"type":"identify"}')]

        request = make_segment(gzip=False).request(records, now_ms=NOW_MS, failures=0)

        assert request.method == "POST"
        assert request.url == "https://api.segment.io/v1/batch"
        assert request.body == (
            b'{"sentAt":"2026-03-14T09:27:01.120Z","writeKey":"' + KEY.encode() + b'",'
            b'"batch":[{"type":"track"},{"type":"identify"}]}'
        )
        assert request.headers == {
            "Content-Type": "application/json",
            "User-Agent": f"relay/{__version__}",
            "Authorization": f"Basic {BASIC}",
        }

    def test_compressed_bytes_are_the_same_each_time(self) -> None:
        segment, records = make_segment(), [Record(b'{"type":"track"}')]

        request = segment.request(records, now_ms=NOW_MS, failures=0)

        assert request.headers["Content-Encoding"] == "gzip"
        assert (
            gzip.decompress(request.body) == make_segment(gzip=False).request(records, now_ms=NOW_MS, failures=0).body
        )
        assert segment.request(records, now_ms=NOW_MS, failures=0) == request

    def test_counts_earlier_attempts_from_the_first_retry_on(self) -> None:
        segment = make_segment()

        assert "X-Retry-Count" not in segment.request([], now_ms=NOW_MS, failures=0).headers
        assert segment.request([], now_ms=NOW_MS, failures=3).headers["X-Retry-Count"] == "3"
        assert "X-Retry-Count" not in segment.request([], now_ms=NOW_MS, failures=0).headers

    def test_what_is_shown_has_no_key(self) -> None:
        request = make_segment(gzip=False).request([Record(b'{"type":"track"}')], now_ms=NOW_MS, failures=0)

        assert request.shown_body == request.body.replace(KEY.encode(), b"***")
        assert KEY.encode() not in request.shown_body

    def test_host_and_path_make_the_address(self) -> None:
        segment = make_segment(host="https://events.eu1.segmentapis.com/", path="/v1/b")

        assert segment.request([], now_ms=NOW_MS, failures=0).url == "https://events.eu1.segmentapis.com/v1/b"


class TestOptions:
    def test_space_around_a_key_is_no_part_of_it(self) -> None:
        padded, plain = make_segment(write_key=f" {KEY}\n", gzip=False), make_segment(gzip=False)

        assert padded.request([], now_ms=0, failures=0) == plain.request([], now_ms=0, failures=0)

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"write_key": " "}, "config_missing"),
            ({"write_key": "WK€"}, "config_invalid"),
            ({"write_key": "WK 1"}, "config_invalid"),
            ({"write_key": "WK\x001"}, "config_invalid"),
            ({"max_batch_bytes": 32_000}, "config_invalid"),
        ],
    )
    def test_options_that_cannot_work_are_told(self, options: dict[str, Any], code: str) -> None:
        with pytest.raises(RelayError, match=r"destinations\.segment\.") as caught:
            make_segment(**options)

        assert caught.value.code == code


# What a status means for a request of one call.
MEANINGS = {
    **dict.fromkeys(range(100, 200), ("retry", "server_error")),
    **dict.fromkeys(range(200, 300), ("delivered", "accepted")),
    **dict.fromkeys(range(300, 400), ("misconfigured", "redirected")),
    **dict.fromkeys(range(400, 500), ("reject", "call_refused")),
    **dict.fromkeys(range(500, 600), ("retry", "server_error")),
    401: ("misconfigured", "key_refused"),
    403: ("misconfigured", "key_refused"),
    404: ("misconfigured", "path_unknown"),
    408: ("retry", "server_error"),
    410: ("retry", "server_error"),
    460: ("retry", "server_error"),
    429: ("retry", "rate_limited"),
    501: ("misconfigured", "not_supported"),
    505: ("misconfigured", "not_supported"),
    511: ("misconfigured", "not_supported"),
}


class TestDecide:
    def test_each_status_for_one_call(self) -> None:
        decisions = {status: make_segment().decide(answer(status), records=1, now_ms=NOW_MS) for status in MEANINGS}

        assert {status: (each.verdict, each.code) for status, each in decisions.items()} == MEANINGS

    def test_a_refused_request_of_several_is_split_and_nothing_else_changes(self) -> None:
        decisions = {status: make_segment().decide(answer(status), records=2, now_ms=NOW_MS) for status in MEANINGS}

        assert {status: (each.verdict, each.code) for status, each in decisions.items()} == {
            status: ("split", "batch_refused") if meaning[0] == "reject" else meaning
            for status, meaning in MEANINGS.items()
        }

    @pytest.mark.parametrize(
        ("error", "verdict", "code"),
        [
            ("timeout", "retry", "timeout"),
            ("connection_failed", "retry", "connection_failed"),
            ("host_unknown", "retry", "host_unknown"),
            ("tls_failed", "misconfigured", "tls_failed"),
            ("address_refused", "misconfigured", "address_refused"),
            ("", "retry", "connection_failed"),
        ],
    )
    def test_no_answer(self, error: str, verdict: str, code: str) -> None:
        decision = make_segment().decide(Answer(0, {}, b"", error, "why"), records=2, now_ms=NOW_MS)

        assert (decision.verdict, decision.code, decision.detail) == (verdict, code, "why")

    @pytest.mark.parametrize(
        ("status", "headers", "wait_s"),
        [
            (429, {"retry-after": "7", "x-ratelimit-reset": "9"}, 7.0),
            (429, {"retry-after": "Sat, 14 Mar 2026 09:27:11 GMT"}, 9.88),
            (429, {"retry-after": "0"}, 1.0),
            (429, {"retry-after": "9999"}, 300.0),
            (429, {"x-ratelimit-reset": "9"}, 9.0),
            (429, {"x-ratelimit-reset": "1773480431"}, 9.88),
            (429, {"retry-after": "soon", "x-ratelimit-reset": "9"}, 9.0),
            (429, {}, None),
            (503, {"retry-after": "7"}, 7.0),
            (529, {"retry-after": "7"}, 7.0),
            (408, {"retry-after": "7"}, 7.0),
            (503, {"x-ratelimit-reset": "9"}, None),
            (503, {}, None),
            (400, {"retry-after": "7"}, None),
            (301, {"retry-after": "7"}, None),
            (200, {"retry-after": "7"}, None),
        ],
    )
    def test_how_long_the_server_wants_us_to_wait(self, status: int, headers: dict[str, str], wait_s: float) -> None:
        decision = make_segment().decide(answer(status, headers=headers), records=1, now_ms=NOW_MS)

        assert decision.wait_s == pytest.approx(wait_s)

    @pytest.mark.parametrize(
        ("location", "detail"),
        [
            ("https://www.example.com/v1/batch?key=secret", "308 to https://www.example.com: moved"),
            ("//www.example.com/x", "308 to http://www.example.com: moved"),
            ("/v2/batch?key=secret", "308 to another path of the same host: moved"),
            ("https://[bad", "308 to an unreadable address: moved"),
            ("", "308 moved"),
        ],
    )
    def test_a_redirect_names_the_host_alone(self, location: str, detail: str) -> None:
        decision = make_segment().decide(answer(308, b"moved", {"location": location}), records=1, now_ms=NOW_MS)

        assert decision.detail == detail

    def test_shows_status_and_text(self) -> None:
        segment = make_segment()

        assert segment.decide(answer(400, b"Bad\nRequest"), records=1, now_ms=0).detail == "400 Bad Request"
        assert segment.decide(answer(503), records=1, now_ms=0).detail == "503"
        assert segment.decide(answer(400, b"x" * 9_000), records=1, now_ms=0).detail == "400 " + "x" * 500

    @given(
        st.integers(-1, 1000),
        st.dictionaries(
            st.sampled_from(["retry-after", "x-ratelimit-reset", "location", "content-type"]),
            st.text() | st.from_regex(r"[0-9. :]*") | st.from_regex(r"https?://[^/]*"),
        ),
        st.binary() | st.text().map(str.encode),
        st.text(),
        st.integers(0, 100),
    )
    def test_no_answer_breaks_it_or_shows_the_key(
        self, status: int, headers: dict[str, str], body: bytes, error_detail: str, records: int
    ) -> None:
        for secret in (KEY, BASIC):
            leaking = {name: f"{value}{secret}" for name, value in headers.items()}
            told = Answer(status, leaking, body + secret.encode() + body, "timeout", error_detail + secret)
            decision = make_segment().decide(told, records=records, now_ms=NOW_MS)

            assert decision.code in CODES
            assert secret not in decision.detail
            assert decision.detail.isprintable()
            assert decision.wait_s is None or 1 <= decision.wait_s <= 300
