from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import struct
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import RelayError
from relay.destinations.contract import Answer, Request
from relay.http import HttpDoor, is_public
from relay.settings.options import OutgoingOptions

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON_S = 0.2
LONG_S = 10.0


def open_door(**options: Any) -> HttpDoor:
    return HttpDoor(OutgoingOptions(**{"allow_private": True, **options}))


def post(url: str, body: bytes = b"{}") -> Request:
    return Request("POST", url, {"Content-Type": "application/json"}, body, body)


async def send(url: str, *, timeout_s: float = LONG_S, max_answer_bytes: int | None = None, **options: Any) -> Answer:
    async with open_door(**options) as door:
        return await door.send(post(url), timeout_s=timeout_s, max_answer_bytes=max_answer_bytes)


@asynccontextmanager
async def listen(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of raw bytes; gives its host and port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client has gone, or the test is over.
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls, backlog=512)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def answering(*parts: bytes, then_hold: bool = False) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
        await writer.drain()
        if then_hold:
            await reader.read()

    return handler


async def answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await read_request(reader)
        writer.write(OK)


class TestAnswers:
    async def test_status_headers_and_body(self) -> None:
        raw = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: \xe9\r\nContent-Length: 4\r\n\r\nslow"
        async with listen(answering(raw)) as host:
            answer = await send(f"http://{host}/v1/batch")

        assert answer == Answer(
            429,
            {"retry-after": "7", "x-a": "1, é", "content-length": "4"},
            b"slow",
            error="",
            error_detail="",
            method="POST",
        )

    async def test_sends_the_request_as_it_is(self) -> None:
        seen: list[bytes] = []

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await read_request(reader))
            writer.write(OK)
            await writer.drain()

        async with listen(handler) as host, open_door() as door:
            headers = {"User-Agent": "relay/1", "X-Retry-Count": "2"}
            await door.send(Request("POST", f"http://{host}/a?b=c", headers, b"\x00\xff", b""), timeout_s=LONG_S)

        head, _, body = seen[0].partition(b"\r\n\r\n")
        assert body == b"\x00\xff"
        assert head.split(b"\r\n")[0] == b"POST /a?b=c HTTP/1.1"
        assert {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]} == {
            b"host",
            b"user-agent",
            b"x-retry-count",
            b"accept-encoding",
            b"content-length",
        }

    async def test_a_redirect_is_an_answer(self) -> None:
        followed = asyncio.Event()

        async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            followed.set()

        async with listen(trap) as elsewhere:
            moved = f"HTTP/1.1 301 Moved\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
            async with listen(answering(moved)) as host:
                answer = await send(f"http://{host}/")

        assert (answer.status, answer.headers["location"]) == (301, f"http://{elsewhere}/")
        assert not followed.is_set()

    async def test_informational_answers_are_passed_over(self) -> None:
        async with listen(answering(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK)) as host:
            assert (await send(f"http://{host}/")).status == 200

    async def test_proxies_of_the_environment_are_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        async with listen(answer_each) as host:
            assert (await send(f"http://{host}/")).status == 200


class TestBodies:
    async def test_a_huge_answer_is_not_read(self) -> None:
        size, written = 200_000_000, 0

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            while written < size:
                writer.write(b"x" * 65_536)
                await writer.drain()
                written += 65_536

        async with listen(handler) as host:
            answer = await send(f"http://{host}/", max_answer_bytes=1_000)

        assert (answer.status, answer.body) == (200, b"x" * 1_000)
        assert written < 20_000_000

    async def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut(self) -> None:
        bomb = gzip.compress(bytes(100_000_000), compresslevel=9)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        async with listen(answering(head, bomb)) as host, open_door() as door:
            tracemalloc.start()
            answer = await door.send(post(f"http://{host}/"), timeout_s=LONG_S)
            _, peak_bytes = tracemalloc.get_traced_memory()
            tracemalloc.stop()

        assert answer.body == bytes(65_536)
        assert peak_bytes < 5_000_000

    @pytest.mark.parametrize("name", ["gzip", "x-gzip", " GZIP"])
    async def test_gzip_is_unpacked(self, name: str) -> None:
        packed = gzip.compress(b"text" * 1_000)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
        async with listen(answering(head, packed)) as host:
            assert (await send(f"http://{host}/")).body == b"text" * 1_000

    async def test_a_body_that_is_no_gzip_leaves_the_status(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\ntext"
        async with listen(answering(raw)) as host:
            answer = await send(f"http://{host}/")

        assert (answer.status, answer.body) == (200, b"")


class TestNoAnswer:
    @pytest.mark.parametrize(
        "parts",
        [
            (),
            (b"HTTP/1.1 200 OK\r\nX-Slow: ",),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nslow",),
        ],
        ids=["nothing", "half a header", "half a body"],
    )
    async def test_one_that_never_comes_is_a_timeout(self, parts: tuple[bytes, ...]) -> None:
        async with listen(answering(*parts, then_hold=True)) as host:
            answer = await send(f"http://{host}/", timeout_s=SOON_S)

        assert (answer.status, answer.error) == (0, "timeout")

    async def test_one_that_trickles_is_a_timeout(self) -> None:
        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(SOON_S / 20)

        async with listen(drip) as host:
            answer = await send(f"http://{host}/", timeout_s=SOON_S)

        assert (answer.status, answer.error) == (0, "timeout")

    async def test_one_that_reads_nothing_is_a_timeout(self) -> None:
        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        async with listen(deaf) as host, open_door() as door:
            answer = await door.send(post(f"http://{host}/", bytes(50_000_000)), timeout_s=SOON_S)

        assert (answer.status, answer.error) == (0, "timeout")

    @pytest.mark.parametrize(
        "parts",
        [
            (),
            (b"HTTP/1.1 200 OK\r\nX-Half: ",),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
            (b"SSH-2.0-OpenSSH_9.6\r\n",),
            (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 300_000,),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",),
        ],
        ids=["nothing", "half a header", "half a body", "bad chunk", "not HTTP", "endless header", "upgrade"],
    )
    async def test_a_connection_that_ends_early_or_speaks_no_http(self, parts: tuple[bytes, ...]) -> None:
        async with listen(answering(*parts)) as host:
            answer = await send(f"http://{host}/")

        assert (answer.status, answer.error, answer.reached) == (0, "connection_failed", True)
        assert answer.error_detail == "the connection ended early, or the answer is not HTTP"

    async def test_a_reset(self) -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            at_once = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

        async with listen(reset) as host:
            answer = await send(f"http://{host}/")

        assert (answer.status, answer.error) == (0, "connection_failed")

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            answer = await send(f"http://127.0.0.1:{taken.getsockname()[1]}/")

        assert answer == Answer(0, {}, b"", "connection_failed", "Connection refused", reached=False)

    @pytest.mark.parametrize("host", ["nothing.invalid", "a..b", "x" * 64 + ".invalid"])
    async def test_a_host_without_address(self, host: str) -> None:
        answer = await send(f"http://{host}/?key=secret")

        assert answer == Answer(0, {}, b"", "host_unknown", f"{host} has no address", reached=False)

    async def test_a_request_that_http_cannot_carry(self) -> None:
        async with listen(answer_each) as host, open_door() as door:
            for request in (
                post("ftp://127.0.0.1/"),
                post("//127.0.0.1/"),
                post("http://127.0.0.1:99999/"),
                post("http://[bad/"),
                post("http://127.0.0.1/ü"),
                Request("POST", f"http://{host}/", {"X": "a\r\nY: b"}, b"", b""),
                Request("POST", f"http://{host}/", {"X": "ü"}, b"", b""),
            ):
                answer = await door.send(request, timeout_s=LONG_S)
                assert answer == Answer(
                    0, {}, b"", "connection_failed", "the URL or a header cannot be sent", reached=False
                )

    async def test_whoever_cancels_is_not_answered(self) -> None:
        async with listen(answering(then_hold=True)) as host, open_door() as door:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON_S):
                    await door.send(post(f"http://{host}/"), timeout_s=LONG_S)

    def test_no_bytes_break_it(self) -> None:
        with asyncio.Runner() as runner:
            door = open_door()

            async def exchange(*parts: bytes) -> Answer:
                async with listen(answering(*parts)) as host:
                    return await door.send(post(f"http://{host}/"), timeout_s=LONG_S)

            @given(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]), st.binary(max_size=200))
            def check(start: bytes, junk: bytes) -> None:
                answer = runner.run(exchange(start, junk))
                assert answer.status or answer.error == "connection_failed"

            check()


class TestConnections:
    async def test_are_kept_for_the_next_request(self) -> None:
        connections = 0

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await answer_each(reader, writer)

        async with listen(handler) as host, open_door() as door:
            for _ in range(3):
                assert (await door.send(post(f"http://{host}/"), timeout_s=LONG_S)).status == 200

        assert connections == 1

    async def test_one_that_the_server_closed_meanwhile_is_not_used(self) -> None:
        closed = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answering(OK)(reader, writer)
            writer.close()
            await writer.wait_closed()
            closed.set()

        async with listen(handler) as host, open_door() as door:
            for _ in range(3):
                assert (await door.send(post(f"http://{host}/"), timeout_s=LONG_S)).status == 200
                await closed.wait()
                closed.clear()

    async def test_none_is_lost_when_time_runs_out_whatever_it_was_doing(self) -> None:
        connections: set[asyncio.StreamWriter] = set()
        changed = asyncio.Condition()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(writer)
            try:
                await answer_each(reader, writer)
            finally:
                connections.discard(writer)
                async with changed:
                    changed.notify_all()

        async with listen(handler) as host, open_door() as door:
            url, start_s = f"http://{host}/", time.perf_counter()
            assert (await door.send(post(url), timeout_s=LONG_S)).status == 200
            step_s = (time.perf_counter() - start_s) / 200
            answers = [await door.send(post(url), timeout_s=step * step_s) for step in range(400)]
            async with asyncio.timeout(LONG_S), changed:
                await changed.wait_for(lambda: len(connections) <= 1)
            assert (await door.send(post(url), timeout_s=LONG_S)).status == 200

        assert "timeout" in {answer.error for answer in answers} <= {"", "timeout"}

    async def test_hung_ones_hold_up_nobody(self) -> None:
        waiting = asyncio.Semaphore(0)

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            waiting.release()
            await reader.read()

        async with (
            asyncio.timeout(LONG_S),
            listen(hang) as dead,
            listen(answer_each) as alive,
            open_door() as door,
            asyncio.TaskGroup() as group,
        ):
            hung = [group.create_task(door.send(post(f"http://{dead}/"), timeout_s=60)) for _ in range(110)]
            for _ in hung:
                await waiting.acquire()
            assert (await door.send(post(f"http://{alive}/"), timeout_s=60)).status == 200
            assert not any(task.done() for task in hung)
            for task in hung:
                task.cancel()

    @pytest.mark.parametrize("addresses", [["127.0.0.9", "127.0.0.1"], ["127.0.0.9", "127.0.0.1", "127.0.0.8"]])
    async def test_the_next_address_is_tried(self, monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
        async with listen(answer_each) as host:
            resolve_to(monkeypatch, addresses)
            assert (await send(f"http://shop.test:{host.partition(':')[2]}/")).status == 200


def resolve_to(monkeypatch: pytest.MonkeyPatch, *lookups: list[str]) -> list[str]:
    """Answer name look-ups in turn; gives the list of names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in lookups[len(asked) - 1]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


LOOPBACK = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
)
PRIVATE = ("169.254.169.254", "100.64.0.1", "10.0.0.1", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]")


class TestAddressGuard:
    async def test_no_form_of_loopback_is_reached(self) -> None:
        reached = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reached.set()

        async with listen(handler) as loopback, open_door(allow_private=False) as door:
            port = loopback.partition(":")[2]
            for host in LOOPBACK:
                answer = await door.send(post(f"http://{host}:{port}/?key=secret"), timeout_s=LONG_S)
                detail = f"{host.strip('[]')} is not on a public address"
                assert answer == Answer(0, {}, b"", "address_refused", detail, reached=False)

        assert not reached.is_set()

    async def test_no_private_address_is_tried(self) -> None:
        async with open_door(allow_private=False) as door:
            answers = {host: await door.send(post(f"http://{host}/"), timeout_s=1.0) for host in PRIVATE}

        assert {host: answer.error for host, answer in answers.items()} == dict.fromkeys(PRIVATE, "address_refused")

    async def test_of_several_addresses_private_ones_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolve_to(monkeypatch, ["127.0.0.1", "10.0.0.1", "169.254.169.254"])

        assert (await send("http://shop.test/", allow_private=False)).error == "address_refused"

    async def test_a_name_is_asked_for_once_so_what_was_checked_is_what_is_reached(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with listen(answer_each) as host:
            port = host.partition(":")[2]
            asked = resolve_to(monkeypatch, ["127.0.0.1"], ["127.0.0.9"], ["127.0.0.9"])
            answer = await send(f"http://rebinding.test:{port}/")

        assert answer.status == 200
        assert asked == ["rebinding.test"]

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::1%lo",
            "fec0::1",
            "ff02::1",
        ],
    )
    def test_these_are_not_public(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "2606:4700:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    )
    def test_these_are(self, address: str) -> None:
        assert is_public(address)


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class TestTls:
    async def test_a_certificate_of_no_known_authority_is_refused(self, certificate: Path) -> None:
        async with listen(answer_each, tls=server_tls(certificate)) as host:
            answer = await send(f"https://localhost:{host.partition(':')[2]}/")

        assert answer == Answer(
            0, {}, b"", "tls_failed", "the certificate is not valid: self-signed certificate", reached=False
        )

    async def test_an_own_authority_is_known_by_its_file(self, certificate: Path) -> None:
        async with listen(answer_each, tls=server_tls(certificate)) as host:
            answer = await send(f"https://localhost:{host.partition(':')[2]}/", ca_file=str(certificate))

        assert answer.status == 200

    async def test_a_certificate_of_another_name_is_refused(self, certificate: Path) -> None:
        async with listen(answer_each, tls=server_tls(certificate)) as host:
            answer = await send(f"https://{host}/", ca_file=str(certificate))

        assert (answer.status, answer.error) == (0, "tls_failed")

    async def test_a_server_without_tls_may_mend_itself(self) -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        async with listen(plain) as host:
            answer = await send(f"https://{host}/")

        assert answer == Answer(0, {}, b"", "connection_failed", "TLS failed: WRONG_VERSION_NUMBER", reached=False)

    async def test_a_handshake_cut_short_may_mend_itself(self) -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)

        async with listen(cut) as host:
            assert (await send(f"https://{host}/")).error == "connection_failed"

    @pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
    def test_a_file_without_authorities_is_told(self, tmp_path: Path, content: bytes | None) -> None:
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(RelayError, match=r"outgoing\.ca_file .*ca\.pem") as caught:
            open_door(ca_file=str(file))

        assert caught.value.code == "config_invalid"


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listen(answer_each) as host, open_door() as door:
        for url in (f"http://{host}/?key=secret", "http://nothing.invalid/?key=secret"):
            headers = {"Authorization": "Basic secret"}
            await door.send(Request("POST", url, headers, b"secret", b""), timeout_s=LONG_S)

    assert "secret" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("http")]


def test_works_on_uvloop(certificate: Path) -> None:
    async def exchanges() -> list[tuple[int, str]]:
        tls = server_tls(certificate)
        async with (
            listen(answer_each) as plain,
            listen(answer_each, tls=tls) as secure,
            listen(answering(then_hold=True)) as hung,
            listen(answering()) as cut,
            open_door(ca_file=str(certificate)) as door,
            open_door(allow_private=False) as guarded,
        ):
            answers = [
                await door.send(post(f"http://{plain}/"), timeout_s=LONG_S),
                await door.send(post(f"http://{plain}/"), timeout_s=LONG_S),
                await door.send(post(f"https://localhost:{secure.partition(':')[2]}/"), timeout_s=LONG_S),
                await door.send(post(f"https://{secure}/"), timeout_s=LONG_S),
                await door.send(post(f"http://{hung}/"), timeout_s=SOON_S),
                await door.send(post(f"http://{cut}/"), timeout_s=LONG_S),
                await door.send(post("http://127.0.0.1:1/"), timeout_s=LONG_S),
                await door.send(post("http://nothing.invalid/"), timeout_s=LONG_S),
                await door.send(post("http://a..b/"), timeout_s=LONG_S),
                await guarded.send(post(f"http://{plain}/"), timeout_s=LONG_S),
                await guarded.send(post("http://2130706433/"), timeout_s=LONG_S),
            ]
            return [(answer.status, answer.error) for answer in answers]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(exchanges()) == [
            (200, ""),
            (200, ""),
            (200, ""),
            (0, "tls_failed"),
            (0, "timeout"),
            (0, "connection_failed"),
            (0, "connection_failed"),
            (0, "host_unknown"),
            (0, "host_unknown"),
            (0, "address_refused"),
            (0, "address_refused"),
        ]
