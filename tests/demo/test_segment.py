"""Each rule of the look-alike, in the order it applies them."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio

from relay.demo.faults import Fault
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.destinations.contract import Answer, Request
from relay.http import HttpDoor
from relay.model import Json, JsonObject
from relay.settings.options import OutgoingOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "WK_KNOWN"
START_MS = 1_773_480_421_200  # 2026-03-14T09:27:01.200Z
DAY_MS = 24 * 3_600_000


@dataclass
class Clock:
    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Bench:
    """The look-alike, served, and a client for it."""

    lookalike: SegmentLookalike
    clock: Clock
    url: str
    door: HttpDoor

    async def get(self, path: str) -> Answer:
        return await self.door.send(Request("GET", self.url + path, {}, b"", b""), timeout_s=10, max_answer_bytes=10**6)

    async def post(self, body: bytes, path: str = "/v1/batch", **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.door.send(Request("POST", self.url + path, headers, body, b""), timeout_s=10)

    async def batch(self, *calls: Json, key: str = KEY, **envelope: Json) -> Answer:
        body = {"sentAt": "2026-03-14T09:27:01.120Z", "writeKey": key, "batch": calls, **envelope}
        return await self.post(orjson.dumps(body))

    def reasons(self) -> list[str]:
        return [dropped["reason"] for dropped in self.lookalike.dropped]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door() -> AsyncIterator[HttpDoor]:
    async with HttpDoor(OutgoingOptions(allow_private=True)) as door:
        yield door


@pytest_asyncio.fixture(loop_scope="module")
async def bench(door: HttpDoor) -> AsyncIterator[Bench]:
    clock = Clock()
    lookalike = SegmentLookalike({KEY, "WK_SECOND"}, now_ms=clock)
    async with serve(lookalike) as url:
        yield Bench(lookalike, clock, url, door)


def track(message_id: str = "wr_1", **more: Json) -> JsonObject:
    return {"type": "track", "event": "Order Completed", "userId": "CUST-42", "messageId": message_id, **more}


SUCCESS = (200, b'{"success":true}')


def said(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


class TestRefusals:
    async def test_no_post_or_another_path_is_not_found(self, bench: Bench) -> None:
        assert (await bench.get("/v1/batch")).status == 404
        assert (await bench.post(b"{}", "/v2/batch")).status == 404
        assert (await bench.post(b"{}", "/")).status == 404

    async def test_a_fault_goes_before_all_else_and_wears_off(self, bench: Bench) -> None:
        bench.lookalike.fault = Fault(count=2, status=503, headers={"Retry-After": "4"}, body="busy")

        for body in (b"not JSON", b"{}"):
            answer = await bench.post(body)
            assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "4", b"busy")
        assert said(await bench.batch(track())) == SUCCESS
        assert len(bench.lookalike.stored) == 1

    async def test_a_fault_can_be_set_from_outside(self, bench: Bench) -> None:
        fault = Fault(count=1, status=429, headers={"Retry-After": "1"}, accept=True)
        assert (await bench.post(orjson.dumps(asdict(fault)), "/_fake/fail")).status == 200

        assert (await bench.batch(track())).status == 429
        assert len(bench.lookalike.stored) == 1
        assert (await bench.post(b'{"count":1,"unknown":1}', "/_fake/fail")).status == 400
        assert (await bench.post(b"[", "/_fake/fail")).status == 400

    async def test_a_fault_can_cut_delay_or_swell(self, bench: Bench) -> None:
        bench.lookalike.fault = Fault(count=1, cut=True)
        assert (await bench.batch(track())).error == "connection_failed"
        bench.lookalike.fault = Fault(count=1, status=200, delay_s=0.01, body="late")
        assert said(await bench.batch(track())) == (200, b"late")
        bench.lookalike.fault = Fault(count=1, status=200, body_bytes=70_000)
        request = Request("POST", f"{bench.url}/v1/batch", {}, b"{}", b"")
        answer = await bench.door.send(request, timeout_s=10, max_answer_bytes=10**6)
        assert len(answer.body) == 70_000
        assert bench.lookalike.stored == []

    async def test_too_many_requests_in_a_second(self, bench: Bench) -> None:
        bench.lookalike.max_requests_per_second = 2
        answers = [await bench.batch(track()) for _ in range(3)]
        bench.clock.now_ms += 1_000
        later = await bench.batch(track())

        assert [answer.status for answer in answers] == [200, 200, 429]
        assert (answers[2].headers["retry-after"], answers[2].headers["x-ratelimit-reset"]) == ("1", "1")
        assert later.status == 200

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"plain", {"Content_Encoding": "gzip"}),
            (gzip.compress(b'{"writeKey":"WK_KNOWN","batch":[]}', mtime=0)[:-1], {"Content_Encoding": "gzip"}),
            (b"not JSON", {}),
            (b"[]", {}),
            (b'{"writeKey":"WK_KNOWN","batch":[]}' + b" " * 500_000, {}),
            (
                gzip.compress(b'{"writeKey":"WK_KNOWN","batch":[]}' + b" " * 500_000, mtime=0),
                {"Content_Encoding": "gzip"},
            ),
            (b'{"batch":[]}', {}),
            (b'{"batch":[],"writeKey":"W"}', {}),
            (b'{"batch":[],"writeKey":7}', {}),
            (b'{"batch":[]}', {"Authorization": "Basic !"}),
            (b'{"batch":[]}', {"Authorization": "Basic " + b64encode(b"W:").decode()}),
            (b'{"batch":[]}', {"Authorization": "Bearer token"}),
        ],
    )
    async def test_bytes_size_and_key(self, bench: Bench, body: bytes, headers: dict[str, str]) -> None:
        assert said(await bench.post(body, **headers)) == (400, b"Bad Request")

    async def test_one_large_call_refuses_the_whole(self, bench: Bench) -> None:
        def sized(size: int) -> JsonObject:
            return track(properties={"text": "x" * (size - len(orjson.dumps(track(properties={"text": ""}))))})

        assert (await bench.batch(track(), sized(32_769))).status == 400
        assert bench.lookalike.stored == []
        assert said(await bench.batch(sized(32_768))) == SUCCESS


class TestSilence:
    async def test_the_key_may_come_in_the_header(self, bench: Bench) -> None:
        basic = b64encode(f"{KEY}:".encode()).decode()
        body = gzip.compress(orjson.dumps({"batch": [track()]}))

        assert said(await bench.post(body, Authorization=f"Basic {basic}", Content_Encoding="gzip")) == SUCCESS
        assert len(bench.lookalike.stored) == 1

    async def test_an_unknown_key_drops_all(self, bench: Bench) -> None:
        assert said(await bench.batch(track("wr_1"), track("wr_2"), key="WK_UNKNOWN")) == SUCCESS
        assert bench.reasons() == ["unknown key"] * 2
        await bench.batch(track("wr_1"))
        assert len(bench.lookalike.stored) == 1

    async def test_too_many_calls_drop_all(self, bench: Bench) -> None:
        calls: list[Json] = [
            {"type": "track", "event": "E", "userId": "u", "messageId": f"wr_{i}"} for i in range(2_501)
        ]
        assert said(await bench.batch(*calls)) == SUCCESS
        assert bench.reasons() == ["too many calls"] * 2_501
        await bench.batch(*calls[:2_500])
        assert len(bench.lookalike.stored) == 2_500

    @pytest.mark.parametrize("envelope", [{"batch": []}, {"batch": None}, {"batch": "x"}])
    async def test_an_empty_batch(self, bench: Bench, envelope: dict[str, Any]) -> None:
        assert said(await bench.batch(**envelope)) == SUCCESS
        assert bench.reasons() == ["empty_batch"]

    @pytest.mark.parametrize(
        ("call", "reason"),
        [
            ("text", "bad_request"),
            ({"userId": "u"}, "bad_request"),
            (track(type="purchase"), "bad_request"),
            (track(userId=42), "id_not_string"),
            (track(anonymousId=["a"]), "id_not_string"),
            ({**track(), "messageId": 7}, "id_not_string"),
            (track(userId=""), "no_user_anon_id"),
            (track(userId=None), "no_user_anon_id"),
            (track(type="group"), "id_required"),
            (track(event=""), "event_not_defined"),
            (track(event=None), "event_not_defined"),
            (track(event=7), "event_not_string"),
            (track(properties=[]), "properties_not_object"),
            (track(type="identify", traits="x"), "traits_not_object"),
            (track(type="page", name=7), "name_not_string"),
            (track(type="page", category=7), "category_not_string"),
        ],
    )
    async def test_a_flawed_call_is_dropped_alone(self, bench: Bench, call: Json, reason: str) -> None:
        assert said(await bench.batch(track("wr_good"), call)) == SUCCESS
        assert bench.reasons() == [reason]
        assert [stored["messageId"] for stored in bench.lookalike.stored] == ["wr_good"]

    async def test_a_message_id_counts_once_a_day_whatever_the_key(self, bench: Bench) -> None:
        await bench.batch(track())
        await bench.batch(track(event="Other"), key="WK_SECOND")
        bench.clock.now_ms += DAY_MS - 1
        await bench.batch(track())
        assert bench.reasons() == ["duplicate"] * 2
        bench.clock.now_ms += 1
        await bench.batch(track())

        assert len(bench.lookalike.stored) == 2
        contents = bench.lookalike.ledger["wr_1"]
        assert len(contents) == 4
        assert contents[0] == contents[2] == contents[3] != contents[1]

    async def test_a_call_without_message_id_gets_a_new_one_each_time(self, bench: Bench) -> None:
        call = {"type": "identify", "anonymousId": "a"}
        await bench.batch(call, call)

        assert len({stored["messageId"] for stored in bench.lookalike.stored}) == 2


class TestStored:
    @pytest.mark.parametrize(
        ("timestamp", "sent_at", "stored"),
        [
            ("2026-03-14T09:26:53.000Z", "2026-03-14T09:27:01.120Z", "2026-03-14T09:26:53.080Z"),
            ("2026-03-14T10:26:53+01:00", "2026-03-14T09:27:01.120Z", "2026-03-14T09:26:53.080Z"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2026-03-14T09:27:01.200Z"),
            ("2020-01-01T00:00:00Z", None, "2020-01-01T00:00:00.000Z"),
            (None, "2026-03-14T09:27:01.120Z", "2026-03-14T09:27:01.200Z"),
            ("yesterday", "2026-03-14T09:27:01.120Z", "2026-03-14T09:27:01.200Z"),
        ],
    )
    async def test_time_is_corrected_by_the_clock_of_the_sender(
        self, bench: Bench, timestamp: str | None, sent_at: str | None, stored: str
    ) -> None:
        await bench.batch(track(timestamp=timestamp), sentAt=sent_at)

        [call] = bench.lookalike.stored
        assert call["timestamp"] == stored
        assert call["originalTimestamp"] == timestamp
        assert call["receivedAt"] == "2026-03-14T09:27:01.200Z"

    async def test_what_the_envelope_says_for_all_is_merged_in(self, bench: Bench) -> None:
        own = track(context={"ip": "192.0.2.1", "locale": "de"})
        await bench.batch(own, track("wr_2"), context={"locale": "en"}, integrations={"All": False})

        first, second = bench.lookalike.stored
        assert first["context"] == {"ip": "192.0.2.1", "locale": "de"}
        assert second["context"] == {"locale": "en"}
        assert first["integrations"] == {"All": False}

    async def test_single_calls_have_their_own_paths(self, bench: Bench) -> None:
        body = {"writeKey": KEY, "userId": "u", "event": "E", "messageId": "wr_1"}

        assert said(await bench.post(orjson.dumps(body), "/v1/track")) == SUCCESS
        [call] = bench.lookalike.stored
        assert (call["type"], call["event"]) == ("track", "E")
        assert "writeKey" not in call


async def test_what_happened_can_be_looked_up(bench: Bench) -> None:
    await bench.batch(track("wr_2"), track("wr_1"))
    await bench.batch(track("wr_2"))

    for name in ("stored", "dropped", "ledger", "arrivals"):
        assert orjson.loads((await bench.get(f"/_fake/{name}")).body) == getattr(bench.lookalike, name)
    assert bench.lookalike.arrivals == ["wr_2", "wr_1", "wr_2"]


async def test_a_key_can_be_checked_without_sending(bench: Bench) -> None:
    assert said(await bench.get(f"/v1/projects/{KEY}/settings")) == (200, b'{"integrations":{}}')
    assert (await bench.get("/v1/projects/WK_UNKNOWN/settings")).status == 404
