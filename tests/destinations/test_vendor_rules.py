"""What is each vendor's own: answers that a status alone does not explain, ids, limits, what is skipped."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from relay.app.stages import burst_of
from relay.codes import RelayError
from relay.demo.ometria import OmetriaLookalike
from relay.demo.segmentify import SegmentifyLookalike, flaws
from relay.demo.serving import serve
from relay.destinations.contract import Answer, AsksFirst, Decision, RefusesLater, Unfit
from relay.http import HttpDoor
from relay.model import JsonObject
from relay.pipeline.mapping import Ended
from relay.pipeline.pacing import Pace
from relay.settings.ometria_options import OmetriaOptions
from relay.settings.options import OutgoingOptions
from tests.destinations.kinds import OPTIONS, SECRET
from tests.destinations.mapping import NOW_MS, call_of, destination_of, made
from tests.destinations.sample import IDENTIFY, ORDER_COMPLETED, guest, track


def options(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **OPTIONS[kind], **more}


def decided(
    kind: str, status: int, body: object = b"", *, records: int = 2, headers: dict[str, str] | None = None, **more: Any
) -> Decision:
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    return destination_of(**options(kind, **more)).decide(
        Answer(status, headers or {}, text), records=records, now_ms=NOW_MS
    )


def verdict(decision: Decision) -> tuple[str, str]:
    return str(decision.verdict), decision.code


def only(found: list[JsonObject] | Ended | Unfit) -> JsonObject:
    assert isinstance(found, list)
    (record,) = found
    return record


class TestSegmentify:
    @pytest.mark.parametrize(
        ("body", "several", "alone"),
        [
            ({"campaigns": [[]], "responses": [[]], "timestamp": 1}, ("delivered", "accepted"), None),
            ({"campaigns": [[]], "statusCode": "SUCCESS"}, ("delivered", "accepted"), None),
            ({"statusCode": None}, ("delivered", "accepted"), None),
            ({"timestamp": "", "responses": [], "statusCode": "NO_API_KEY"}, ("misconfigured", "key_refused"), None),
            ({"statusCode": "NO_ACCOUNT"}, ("misconfigured", "key_refused"), None),
            ({"statusCode": "UNVERIFIED_ACCOUNT"}, ("misconfigured", "account_refused"), None),
            ({"statusCode": "FAILED_ACCOUNT"}, ("misconfigured", "account_refused"), None),
            ({"statusCode": "NO_DOMAIN_APIKEY_MATCH"}, ("misconfigured", "origin_refused"), None),
            ({"statusCode": "NO_EVENT"}, ("split", "batch_refused"), ("reject", "call_refused")),
            ({"statusCode": "NO_USERID"}, ("split", "batch_refused"), ("reject", "call_refused")),
            ({"statusCode": "NO_SESSIONID"}, ("split", "batch_refused"), ("reject", "call_refused")),
            ({"statusCode": "BAD_INPUT"}, ("split", "batch_refused"), ("reject", "call_refused")),
            ({"statusCode": "WHATEVER"}, ("reject", "call_refused"), None),
            (b"<html>busy</html>", ("retry", "answer_unreadable"), None),
            (b"[]", ("retry", "answer_unreadable"), None),
            (b"", ("retry", "answer_unreadable"), None),
        ],
    )
    def test_what_a_200_means(self, body: object, several: tuple[str, str], alone: tuple[str, str] | None) -> None:
        assert verdict(decided("segmentify", 200, body)) == several
        assert verdict(decided("segmentify", 200, body, records=1)) == (alone or several)

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (204, ("retry", "answer_unreadable")),
            (400, ("reject", "call_refused")),
            (404, ("misconfigured", "path_unknown")),
            (413, ("split", "batch_refused")),
            (429, ("retry", "rate_limited")),
            (501, ("retry", "server_error")),
            (503, ("retry", "server_error")),
        ],
    )
    def test_other_statuses(self, status: int, expected: tuple[str, str]) -> None:
        assert verdict(decided("segmentify", status)) == expected

    def test_an_answer_cut_in_the_middle_of_campaigns_is_a_success(self) -> None:
        campaigns = orjson.dumps({"campaigns": [["x" * 2_000]]})[:1_500]
        assert verdict(decided("segmentify", 200, campaigns)) == ("delivered", "accepted")
        failure = b'{"statusCode": "NO_ACCOUNT", ' + campaigns[1:]
        assert verdict(decided("segmentify", 200, failure)) == ("misconfigured", "key_refused")

    def test_ids_are_the_same_for_all_that_is_told_of_a_customer(self) -> None:
        sale = only(made(call_of(ORDER_COMPLETED), **options("segmentify")))
        known = only(made(call_of(IDENTIFY), **options("segmentify")))
        unknown = only(made(call_of(guest(ORDER_COMPLETED)), **options("segmentify")))

        assert sale["userId"] == known["userId"] == "srv_" + hashlib.sha256(b"CUST-42").hexdigest()
        assert unknown["userId"] == "srv_" + hashlib.sha256(b"ada@example.com").hexdigest()
        assert sale["sessionId"] == unknown["sessionId"] == "srv_ORD-1001"
        assert known["sessionId"] == "srv_" + "0f" * 16

    def test_how_old_a_call_was_when_it_came_decides(self) -> None:
        fresh = call_of(ORDER_COMPLETED)
        old = call_of(ORDER_COMPLETED, received_at_ms=NOW_MS + 3_700_000)
        there = destination_of(**options("segmentify"))
        event: JsonObject = {"name": "CUSTOM_EVENT", "type": "x"}

        # A day in the queue makes nothing old.
        assert not isinstance(there.records(fresh, [event], now_ms=NOW_MS + 86_400_000), Unfit)
        skipped = there.records(old, [event], now_ms=NOW_MS)
        assert isinstance(skipped, Unfit)
        assert (skipped.code, skipped.skipped) == ("too_old", True)

    def test_test_mode_and_language(self) -> None:
        event = only(made(call_of(ORDER_COMPLETED), **options("segmentify", test_mode=True, lang="FR", device="IOS")))
        assert (event["testMode"], event["lang"], event["device"]) == ("true", "FR", "IOS")
        assert "testMode" not in only(made(call_of(ORDER_COMPLETED), **options("segmentify")))

    @pytest.mark.parametrize(
        "event",
        [
            '{"name": "PAGE_VIEW", "category": "Home Page"}',
            '{"name": "PRODUCT_VIEW", "productId": "1", "title": "t", "url": "u", "image": "i",'
            ' "category": "c", "price": 1}',
            '{"name": "BASKET_OPERATIONS", "step": "remove", "productId": "1"}',
            '{"name": "CHECKOUT", "step": "basket", "totalPrice": 1, "productList": [{"productId": "1"}]}',
            '{"name": "CHECKOUT", "step": "payment", "totalPrice": 1, "productList": [{"productId": "1"}]}',
            '{"name": "USER_OPERATIONS", "step": "signin", "username": "u"}',
            '{"name": "USER_OPERATIONS", "step": "signout", "username": "u"}',
            '{"name": "CUSTOM_EVENT", "type": "t"}',
            '{"name": "INTERACTION"}',
            '{"name": "USER_FORM"}',
            '{"name": "BANNER_VIEW"}',
            '{"name": "BANNER_OPERATIONS"}',
        ],
    )
    def test_every_event_type_can_be_mapped(self, tmp_path: Path, event: str) -> None:
        mapping = tmp_path / "destinations/segmentify/something_seen.jsonata"
        mapping.parent.mkdir(parents=True)
        mapping.write_text(event)
        sent = only(made(call_of(track("Something Seen")), overlay=tmp_path, **options("segmentify")))

        assert flaws(sent) == []
        assert sent.items() >= orjson.loads(event).items()
        assert {"userId", "sessionId", "device", "pageUrl"} <= sent.keys()

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (200, ["k-1"], None),
            (200, [], ("retry", "answer_unreadable")),
            (200, {"key": "k"}, ("retry", "answer_unreadable")),
            (200, b"<", ("retry", "answer_unreadable")),
            (400, b"", ("retry", "call_refused")),
            (404, b"", ("misconfigured", "path_unknown")),
            (429, b"", ("retry", "rate_limited")),
            (503, b"", ("retry", "server_error")),
            (0, b"", ("retry", "timeout")),
        ],
    )
    def test_a_session_that_is_fetched(self, status: int, body: object, expected: tuple[str, str] | None) -> None:
        there = destination_of(**options("segmentify", session_ids="fetched"))
        assert isinstance(there, AsksFirst)
        records = there.records(call_of(ORDER_COMPLETED), [{"name": "CUSTOM_EVENT", "type": "x"}], now_ms=NOW_MS)
        assert not isinstance(records, Unfit)
        assert there.limits.max_records == 1
        question = there.question(records)
        assert question is not None
        assert question.url == "https://dce1.segmentify.com/get/key?count=1"
        text = body if isinstance(body, bytes) else orjson.dumps(body)
        found = there.completed(records, Answer(status, {}, text, "timeout" if not status else ""), now_ms=NOW_MS)
        if isinstance(found, Decision):
            assert verdict(found) == expected
        else:
            assert expected is None
            assert orjson.loads(found[0].body)["sessionId"] == "k-1"
            assert there.question(found) is None

    def test_without_a_name_nothing_is_sent(self) -> None:
        there = destination_of(**options("segmentify"))
        refused = there.records(call_of(ORDER_COMPLETED), [{"type": "x"}], now_ms=NOW_MS)
        assert refused == Unfit("record_incomplete", "the event has no name")


class TestEverflow:
    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (200, b"", ("delivered", "accepted")),
            (200, b"OK", ("delivered", "accepted")),
            (200, {"conversion_id": "c", "transaction_id": "t"}, ("delivered", "accepted")),
            (200, {"error": "Invalid transaction ID"}, ("reject", "call_refused")),
            (204, b"", ("reject", "call_refused")),
            (400, b"Invalid network", ("reject", "call_refused")),
            (400, {"code": 12, "error": "Invalid transaction ID"}, ("reject", "call_refused")),
            (400, {"code": 1, "error": "Throttled"}, ("retry", "rate_limited")),
            (400, {"code": 21, "error": "Invalid verification token"}, ("misconfigured", "account_refused")),
            (403, b"", ("misconfigured", "key_refused")),
            (404, b"", ("misconfigured", "path_unknown")),
            (429, b"", ("retry", "rate_limited")),
            (500, b"", ("retry", "server_error")),
        ],
    )
    def test_what_an_answer_means(self, status: int, body: object, expected: tuple[str, str]) -> None:
        assert verdict(decided("everflow", status, body, records=1)) == expected

    def test_no_content(self) -> None:
        after_silence = decided("everflow", 204, records=1).if_doubtful
        assert after_silence is not None
        assert verdict(after_silence) == ("delivered", "probably_taken")
        assert verdict(decided("everflow", 204, records=1, no_content="accept")) == ("delivered", "accepted")

    def test_the_documented_url(self) -> None:
        there = destination_of(kind="everflow", tracking_domain="https://www.trkexample.com/", nid=5)
        parameters = {
            "transaction_id": "0123456789abcdef0123456789abcdef",
            "adv_event_id": 24,
            "amount": 103.2,
            "currency": "EUR",
            "order_id": "ORD-1001",
            "coupon_code": "SPRING10",
            "email": "ada@example.com",
            "adv1": "web",
            "timestamp": 1773480413,
        }
        call = call_of(ORDER_COMPLETED)
        sent = there.records(call, [parameters], now_ms=NOW_MS)
        back = there.records(call, [{"@path": "reversal", "order_id": "ORD-1001"}], now_ms=NOW_MS)
        assert not isinstance(sent, Unfit)
        assert not isinstance(back, Unfit)
        assert there.request(sent, now_ms=NOW_MS, failures=0).url == (
            "https://www.trkexample.com/?nid=5&transaction_id=0123456789abcdef0123456789abcdef&adv_event_id=24"
            "&amount=103.20&currency=EUR&order_id=ORD-1001&coupon_code=SPRING10&email=ada%40example.com&adv1=web"
            "&timestamp=1773480413"
        )
        url = there.request(back, now_ms=NOW_MS, failures=0).url
        assert url == "https://www.trkexample.com/reversal?nid=5&order_id=ORD-1001"

    @pytest.mark.parametrize(
        ("amount", "written"), [(81, "81"), (0.1 + 0.2, "0.30000000000000004"), (1e-7, "0.0000001"), (5.997, "5.997")]
    )
    def test_amounts(self, amount: float, written: str) -> None:
        found = only(made_of("everflow", {"transaction_id": "a", "amount": amount}))
        assert found["amount"] == written

    def test_a_click_of_many_is_cut_as_the_vendors_own_script_does(self) -> None:
        clicks = "|".join("0123456789abcdef" * 2 for _ in range(12))
        found = only(made_of("everflow", {"transaction_id": clicks}))
        assert found["transaction_id"] == clicks[:33] + clicks[-297:]

    def test_what_is_not_sent(self) -> None:
        there = destination_of(**options("everflow"))
        call = call_of(ORDER_COMPLETED)

        def unfit(item: JsonObject, now_ms: int = NOW_MS) -> tuple[str, bool]:
            found = there.records(call, [item], now_ms=now_ms)
            assert isinstance(found, Unfit)
            return found.code, found.skipped

        assert unfit({"@skip": "no_click"}) == ("not_applicable", True)
        assert unfit({"transaction_id": "a"}, NOW_MS + 31 * 86_400_000) == ("too_old", True)
        assert unfit({"amount": 1}) == ("record_incomplete", False)
        assert unfit({"@path": "reversal", "transaction_id": "a"}) == ("record_incomplete", False)
        assert unfit({"transaction_id": "a", "adv1": "é" * 3_000}) == ("guard_size", False)


class TestOmetria:
    @pytest.mark.parametrize(
        ("status", "body", "several", "alone"),
        [
            (200, {"status": "OK", "request_id": "r", "accepted": 2, "rejected": 0}, ("delivered", "accepted"), None),
            (202, b"", ("delivered", "accepted"), None),
            (204, b"", ("delivered", "accepted"), None),
            (
                200,
                {"status": "OK", "accepted": 1, "rejected": 1},
                ("split", "batch_refused"),
                ("reject", "call_refused"),
            ),
            (200, {"status": "ERROR"}, ("split", "batch_refused"), ("reject", "call_refused")),
            (400, {"status": "ERROR"}, ("split", "batch_refused"), ("reject", "call_refused")),
            (413, b"", ("split", "batch_refused"), ("reject", "call_refused")),
            (403, {"status": "ERROR"}, ("misconfigured", "key_refused"), None),
            (404, b"", ("misconfigured", "path_unknown"), None),
            (429, b"", ("retry", "rate_limited"), None),
            (500, b"", ("retry", "server_error"), None),
        ],
    )
    def test_what_an_answer_means(
        self, status: int, body: object, several: tuple[str, str], alone: tuple[str, str] | None
    ) -> None:
        assert verdict(decided("ometria", status, body)) == several
        assert verdict(decided("ometria", status, body, records=1)) == (alone or several)

    def test_a_full_queue_gets_time(self) -> None:
        assert decided("ometria", 429).slowly
        assert not decided("ometria", 500).slowly
        nearly = {"x-queuesize-remaining": "999"}
        assert decided("ometria", 200, {"status": "OK"}, headers=nearly).wait_s == 30
        assert decided("ometria", 200, {"status": "OK"}, headers={"x-queuesize-remaining": "1000"}).wait_s is None

    def test_a_request_holds_one_type(self) -> None:
        there = destination_of(**options("ometria"))
        items = [{"@type": kind, "id": "1"} for kind in ("order", "contact")]
        records = there.records(call_of(ORDER_COMPLETED), items, now_ms=NOW_MS)
        assert not isinstance(records, Unfit)
        assert [(record.group, record.name) for record in records] == [("order", "order/1"), ("contact", "contact/1")]

    @pytest.mark.parametrize(
        "item", [{"id": "1"}, {"@type": "order"}, {"@type": "order", "id": 1}, {"@type": "", "id": "1"}]
    )
    def test_what_has_no_type_or_id_is_not_sent(self, item: JsonObject) -> None:
        found = destination_of(**options("ometria")).records(call_of(ORDER_COMPLETED), [item], now_ms=NOW_MS)
        assert found == Unfit("record_incomplete", "the record has no @type or no id")

    def test_a_record_over_60_kilobytes_is_not_sent(self) -> None:
        item = {"@type": "order", "id": "1", "note": "x" * 60_000}
        found = destination_of(**options("ometria")).records(call_of(ORDER_COMPLETED), [item], now_ms=NOW_MS)
        assert isinstance(found, Unfit)
        assert found.code == "guard_size"

    @pytest.mark.parametrize(
        ("said", "record", "receipt", "at_ms", "detail"),
        [
            (
                {
                    "error_message": "not a valid value",
                    "error_path": "root > lastname",
                    "record_type": "contact",
                    "record_id": "c_1",
                    "request_id": "r-1",
                    "timestamp": "2026-03-14T09:27:01.120Z",
                },
                "contact/c_1",
                "r-1",
                NOW_MS,
                "root > lastname: not a valid value",
            ),
            ({"error_message": "no", "error_path": "root"}, "", "", None, "root: no"),
            ({"timestamp": "yesterday", "error_message": 7}, "", "", None, "7"),
        ],
    )
    def test_errors(self, said: JsonObject, record: str, receipt: str, at_ms: int | None, detail: str) -> None:
        there = destination_of(**options("ometria"))
        assert isinstance(there, RefusesLater)
        for body in ([said], {"errors": [said, 7]}):
            (refusal,) = there.read_poll(Answer(200, {}, orjson.dumps(body)))
            assert (refusal.record, refusal.receipt, refusal.at_ms, refusal.detail) == (record, receipt, at_ms, detail)

    @pytest.mark.parametrize(("status", "body"), [(500, b"[]"), (200, b"<"), (200, b"7"), (200, b"{}"), (0, b"")])
    def test_errors_that_cannot_be_read_are_none(self, status: int, body: bytes) -> None:
        there = destination_of(**options("ometria"))
        assert isinstance(there, RefusesLater)
        assert list(there.read_poll(Answer(status, {}, body))) == []


def made_of(kind: str, item: JsonObject) -> list[JsonObject]:
    found = destination_of(**options(kind)).records(call_of(ORDER_COMPLETED), [item], now_ms=NOW_MS)
    assert not isinstance(found, Unfit)
    return [orjson.loads(record.body) for record in found]


@pytest.mark.parametrize(
    ("kind", "wrong", "code"),
    [
        ("segmentify", {"api_key": " "}, "config_missing"),
        ("everflow", {"verification_token": " "}, "config_missing"),
        ("ometria", {"api_key": " "}, "config_missing"),
        ("ometria", {"api_key": "schlüssel"}, "config_invalid"),
        ("ometria", {"max_batch_bytes": 500}, "config_invalid"),
    ],
)
def test_options_that_cannot_work(kind: str, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(RelayError) as raised:
        destination_of(**options(kind, **wrong))
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (("segmentify", {"origin": "https://shop.example"}), None),
        (("ometria", {}), ("ometria", {"api_key": "another"})),
    ],
)
async def test_probes_tell_what_can_be_known(
    right: tuple[str, dict[str, Any]], wrong: tuple[str, dict[str, Any]] | None
) -> None:
    lookalikes = {
        "segmentify": ("data_center", SegmentifyLookalike([(SECRET, "shop.example")])),
        "ometria": ("host", OmetriaLookalike([SECRET])),
    }
    async with HttpDoor(OutgoingOptions(allow_private=True)) as door:
        for chosen, expected in ((right, "delivered"), (wrong, "misconfigured")):
            if chosen is None:
                continue
            kind, more = chosen
            address, lookalike = lookalikes[kind]
            async with serve(lookalike) as url:
                there = destination_of(**options(kind, **{**more, address: url}))
                probe = there.probe()
                assert probe is not None
                assert there.read_probe(await door.send(probe, timeout_s=10)).verdict == expected
            gone = there.read_probe(await door.send(probe, timeout_s=10))
            assert gone.verdict == "retry"


async def test_slow_vendors_get_no_more_than_they_allow() -> None:
    """At 4 a second nobody is asked more often than that in any second, from the first on."""
    now_s, times_s = 0.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    burst = burst_of(OmetriaOptions(kind="ometria", api_key=SecretStr("k")).requests_per_second)
    pace = Pace(4.0, clock=lambda: now_s, sleep=sleep, burst=burst)
    for _ in range(40):
        await pace.turn()
        times_s.append(now_s)
    assert all(later - earlier >= 1.0 for earlier, later in zip(times_s, times_s[4:], strict=False))
    assert burst_of(100.0) == 5
