from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from relay.codes import CODES, RelayError
from relay.http import HttpDoor
from relay.pipeline.completing import MAX_DOCUMENT_BYTES, Completer, CompletionMissing, CompletionWaits
from relay.pipeline.pacing import Pace
from relay.settings.options import OutgoingOptions
from relay.sources.contract import Credentials, Lookup
from tests.pipeline.commerce import CLIENT, HANG, Commerce, commerce

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = Lookup("order", "/v2/orders/17?include=items")
TRANSACTIONS = Lookup("transactions", "/v2/orders/17/transactions")
PROBE = "/v2/orders?page%5Blimit%5D=1"
ORDER_17 = {"data": {"id": "17"}}
START_MS = 1_700_000_000_000


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return START_MS + int(self.now_s * 1000)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Bench:
    """A completer, the API it speaks to and the clock it goes by."""

    api: Commerce
    door: HttpDoor
    clock: Clock

    def completer(self, *, per_second: float = 1e6, timeout_s: float = 10.0, **credentials: Any) -> Completer:
        known = {
            "token_path": "/oauth/access_token",
            "token_form": CLIENT,
            "probe_path": PROBE,
        }
        return Completer(
            Credentials(**(known | credentials)),
            base_url=self.api.url + "/",
            timeout_s=timeout_s,
            door=self.door,
            pace=Pace(per_second, clock=self.clock.monotonic, sleep=self.clock.sleep, burst=1),
            now_ms=self.clock.now_ms,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving() -> AsyncIterator[tuple[Commerce, HttpDoor]]:
    async with commerce() as api, HttpDoor(OutgoingOptions(allow_private=True)) as door:
        yield api, door


@pytest.fixture
def bench(serving: tuple[Commerce, HttpDoor]) -> Bench:
    api, door = serving
    api.forget()
    api.documents = {ORDER.path: ORDER_17, TRANSACTIONS.path: {"data": []}}
    return Bench(api, door, Clock())


async def waits(completer: Completer, lookups: Sequence[Lookup] = (ORDER,)) -> CompletionWaits:
    with pytest.raises(CompletionWaits) as caught:
        await completer.fetch(lookups)
    assert caught.value.code in CODES
    assert CLIENT["client_secret"] not in str(caught.value)
    assert "token-" not in str(caught.value)
    return caught.value


# --- documents ------------------------------------------------------------------------------


async def test_documents_are_fetched_by_name_under_one_token(bench: Bench) -> None:
    completer = bench.completer()

    assert await completer.fetch([ORDER, TRANSACTIONS]) == {
        "order": ORDER_17,
        "transactions": {"data": []},
    }
    assert await completer.fetch([ORDER]) == {"order": ORDER_17}
    assert await completer.fetch([]) == {}
    assert bench.api.asked == [ORDER.path, TRANSACTIONS.path, ORDER.path]
    assert bench.api.signed_in == 1


async def test_long_whole_numbers_are_kept_as_text(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = {"data": {"id": 2**53 + 1, "amount": 4200}}

    assert await bench.completer().fetch([ORDER]) == {"order": {"data": {"id": str(2**53 + 1), "amount": 4200}}}


async def test_no_content_is_none(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=204)

    assert await bench.completer().fetch([ORDER]) == {"order": None}


async def test_a_search_that_finds_none_is_as_if_the_document_were_not_there(bench: Bench) -> None:
    listed = Lookup("order", ORDER.path, listed="data")
    bench.api.documents[ORDER.path] = {"data": []}

    with pytest.raises(CompletionMissing, match="order: the platform finds none"):
        await bench.completer().fetch([listed])
    assert await bench.completer().fetch([Lookup("order", ORDER.path, True, "data")]) == {"order": None}
    assert await bench.completer().fetch([ORDER]) == {"order": {"data": []}}
    bench.api.documents[ORDER.path] = {"data": [1]}
    assert await bench.completer().fetch([listed]) == {"order": {"data": [1]}}


@pytest.mark.parametrize("status", [404, 410])
async def test_a_document_that_is_not_there_is_missing_or_none_when_optional(bench: Bench, status: int) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=status)
    optional = Lookup(ORDER.name, ORDER.path, optional=True)

    assert await bench.completer().fetch([optional, TRANSACTIONS]) == {"order": None, "transactions": {"data": []}}
    with pytest.raises(CompletionMissing, match=rf"^order: .*{status}"):
        await bench.completer().fetch([ORDER])


@pytest.mark.parametrize("status", [400, 405, 422])
async def test_a_document_that_may_not_be_asked_for_holds_up_no_other(bench: Bench, status: int) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=status)

    with pytest.raises(CompletionMissing, match=f"order: .*{status}"):
        await bench.completer().fetch([Lookup(ORDER.name, ORDER.path, optional=True)])


# --- signing in -----------------------------------------------------------------------------


@pytest.mark.parametrize(("expires_in_s", "good_s"), [(3600, 3539), (100, 49), (4, 1)])
async def test_a_token_is_renewed_shortly_before_it_expires(bench: Bench, expires_in_s: float, good_s: float) -> None:
    bench.api.expires_in_s = expires_in_s
    completer = bench.completer()
    await completer.fetch([ORDER])

    bench.clock.now_s += good_s
    await completer.fetch([ORDER])
    before = bench.api.signed_in
    bench.clock.now_s += 2
    await completer.fetch([ORDER])

    assert (before, bench.api.signed_in) == (1, 2)


async def test_many_at_once_sign_in_once(bench: Bench) -> None:
    completer = bench.completer()

    await asyncio.gather(*(completer.fetch([ORDER]) for _ in range(8)))

    assert (bench.api.signed_in, len(bench.api.asked)) == (1, 8)


async def test_a_token_that_is_refused_is_renewed_once_for_all(bench: Bench) -> None:
    completer = bench.completer()
    await completer.fetch([ORDER])
    bench.api.tokens.clear()

    found = await asyncio.gather(*(completer.fetch([ORDER]) for _ in range(8)))

    assert found == [{"order": ORDER_17}] * 8
    assert bench.api.signed_in == 2


async def test_a_platform_that_refuses_every_token_is_asked_twice_and_no_more(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=401)

    assert (await waits(bench.completer())).code == "completion_refused"
    assert (bench.api.signed_in, len(bench.api.asked)) == (2, 2)


async def test_what_the_credentials_may_not_read_is_refused_at_once(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=403)

    assert (await waits(bench.completer())).code == "completion_refused"
    assert (bench.api.signed_in, len(bench.api.asked)) == (1, 1)


async def test_wrong_credentials_are_refused(bench: Bench) -> None:
    completer = bench.completer(token_form={**CLIENT, "client_id": "of another store"})

    assert (await waits(completer)).code == "completion_refused"
    assert bench.api.asked == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(status_code=400), "completion_refused"),
        (Response(status_code=403), "completion_refused"),
        (Response(status_code=404), "completion_refused"),
        (RedirectResponse("/v2/oauth"), "completion_refused"),
        (JSONResponse({"access_token": None}), "completion_refused"),
        (JSONResponse({"access_token": "two\r\nlines"}), "completion_refused"),
        (JSONResponse(["token"]), "completion_refused"),
        (HTMLResponse("<p>Commerce Manager</p>"), "completion_waiting"),
        (Response(status_code=429), "completion_waiting"),
        (Response(status_code=503), "completion_waiting"),
    ],
)
async def test_without_a_token_nothing_is_asked(bench: Bench, answer: Response, code: str) -> None:
    bench.api.sign_in = answer

    assert (await waits(bench.completer())).code == code
    assert (bench.api.signed_in, bench.api.asked) == (1, [])


async def test_it_signs_in_anew_after_a_failure(bench: Bench) -> None:
    completer = bench.completer()
    bench.api.sign_in = Response(status_code=503)
    await waits(completer)
    bench.api.sign_in = None

    assert await completer.fetch([ORDER]) == {"order": ORDER_17}


@pytest.mark.parametrize("life", [{}, {"expires_in": "soon"}, {"expires_in": -5}, {"expires_in": 10**40}])
async def test_a_token_of_unknown_life_is_used(bench: Bench, life: dict[str, object]) -> None:
    bench.api.sign_in = JSONResponse({"access_token": "given", **life})
    bench.api.tokens.add("given")

    assert await bench.completer().fetch([ORDER]) == {"order": ORDER_17}


async def test_fixed_headers_need_no_token(bench: Bench) -> None:
    bench.api.tokens.add("fixed")

    assert await bench.completer(token_path=None, headers={"Authorization": "Bearer fixed"}).fetch([ORDER])
    refused = await waits(bench.completer(token_path=None, headers={"Authorization": "Bearer wrong"}))

    assert refused.code == "completion_refused"
    assert (bench.api.signed_in, len(bench.api.asked)) == (0, 2)


# --- trouble --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (Response(status_code=429, headers={"Retry-After": "7"}), 7.0),
        (Response(status_code=429), None),
        (Response(status_code=408), None),
        (Response(status_code=500), None),
        (Response(status_code=503, headers={"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}), 30.0),
    ],
)
async def test_trouble_at_the_platform_waits_without_a_second_try(
    bench: Bench, answer: Response, wait_s: float | None
) -> None:
    bench.api.documents[ORDER.path] = answer

    waiting = await waits(bench.completer(), [ORDER, TRANSACTIONS])

    assert (waiting.code, waiting.wait_s) == ("completion_waiting", wait_s)
    assert str(answer.status_code) in waiting.detail
    assert bench.api.asked == [ORDER.path]


async def test_a_header_of_the_platforms_own_says_how_long_to_wait(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = Response(status_code=429, headers={"X-Reset-Ms": "2500"})

    assert (await waits(bench.completer(wait_header="x-reset-ms"))).wait_s == 2.5
    assert (await waits(bench.completer())).wait_s is None


async def test_a_platform_that_does_not_answer_in_time_waits(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = HANG
    completer = bench.completer(timeout_s=0.3)

    waiting = await waits(completer)

    assert (waiting.code, waiting.wait_s) == ("completion_waiting", None)
    assert "timeout" in waiting.detail
    assert "0.3 s" in waiting.detail
    assert await completer.fetch([TRANSACTIONS]) == {"transactions": {"data": []}}


async def test_a_platform_that_is_gone_waits(bench: Bench) -> None:
    async with commerce() as api:
        gone = Bench(api, bench.door, bench.clock).completer()
    waiting = await waits(gone)

    assert waiting.code == "completion_waiting"
    assert "connection_failed" in waiting.detail


@pytest.mark.parametrize(
    "answer",
    [HTMLResponse("<p>busy</p>"), Response(b'{"data":'), Response(b'"' + b"x" * MAX_DOCUMENT_BYTES + b'"')],
    ids=["html", "cut", "huge"],
)
async def test_an_answer_that_is_not_json_waits(bench: Bench, answer: Response) -> None:
    bench.api.documents[ORDER.path] = answer

    assert (await waits(bench.completer())).code == "completion_waiting"


async def test_a_large_document_is_read(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = {"data": "x" * (MAX_DOCUMENT_BYTES - 100)}

    assert await bench.completer().fetch([ORDER]) == {"order": bench.api.documents[ORDER.path]}


async def test_a_fetch_that_is_given_up_while_signing_in_blocks_no_other(bench: Bench) -> None:
    completer = bench.completer()
    bench.api.sign_in = HANG
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await completer.fetch([ORDER])
    bench.api.sign_in = None

    assert await completer.fetch([ORDER]) == {"order": ORDER_17}


# --- nowhere else ---------------------------------------------------------------------------


async def test_a_redirect_is_not_followed(bench: Bench) -> None:
    bench.api.documents[ORDER.path] = RedirectResponse(TRANSACTIONS.path)

    refused = await waits(bench.completer())

    assert refused.code == "completion_refused"
    assert "base_url" in refused.detail
    assert bench.api.asked == [ORDER.path]


@pytest.mark.parametrize("path", ["https://elsewhere.example/", "@elsewhere.example/", ".elsewhere.example/", ""])
async def test_a_path_that_could_change_the_host_is_an_error(bench: Bench, path: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        await bench.completer().fetch([Lookup("order", path)])


async def test_a_path_of_two_slashes_stays_at_the_host(bench: Bench) -> None:
    bench.api.documents["//elsewhere.example/"] = {"data": "here"}

    assert await bench.completer().fetch([Lookup("order", "//elsewhere.example/")]) == {"order": {"data": "here"}}


async def test_requests_keep_the_pace_signing_in_too(bench: Bench) -> None:
    await bench.completer(per_second=2).fetch([ORDER, TRANSACTIONS, ORDER])

    # Four requests, half a second apart.
    assert bench.clock.now_s == pytest.approx(1.5)


# --- checking -------------------------------------------------------------------------------


async def test_a_probe_says_what_it_got(bench: Bench) -> None:
    bench.api.documents[PROBE] = {"data": [], "meta": {"results": {"total": 1234}}}

    assert await bench.completer().probe() == f"{bench.api.url} lets us in and answers /v2/orders, which holds 1234."

    bench.api.documents[PROBE] = []
    assert await bench.completer().probe() == f"{bench.api.url} lets us in and answers /v2/orders."


@pytest.mark.parametrize(
    ("sign_in", "document", "said"),
    [
        (None, Response(status_code=404), "/v2/orders: the platform answers 404"),
        (None, Response(status_code=403), "/v2/orders: the platform answers 403"),
        (Response(status_code=401), None, "signing in: the platform answers 401"),
    ],
)
async def test_a_probe_that_fails_says_where(
    bench: Bench, sign_in: Response | None, document: Response | None, said: str
) -> None:
    bench.api.sign_in = sign_in
    bench.api.documents[PROBE] = document

    with pytest.raises(RelayError) as caught:
        await bench.completer().probe()

    assert caught.value.code == "connection_check"
    assert caught.value.message == f"{bench.api.url}: {said}."
