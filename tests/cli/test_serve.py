"""`relay serve` as a process: how it starts or says why not, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from relay.demo.serving import serve
from relay.journal.sqlite import SqliteJournal
from relay.model import Selection
from tests.cli.running import Relay
from tests.logbook import NEVER
from tests.long.orders import order_webhook
from tests.long.processes import RelayProcess, free_port
from tests.posting import plain_client, until
from tests.receiving import Calls, Receiver
from tests.running import HEADERS, configuration

DEADLINE_S = 20.0


class Held(Receiver):
    """Takes requests and does not answer before it is let go."""

    def __init__(self) -> None:
        super().__init__(self._hold)
        self.let_go = asyncio.Event()

    async def _hold(self, calls: Calls) -> None:
        await self.let_go.wait()


def environment(folder: Path, host: str, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return kept | configuration(folder, {"segment": host}, SERVER__PORT=str(port), LOG__FORMAT="json", **more)


@asynccontextmanager
async def working(folder: Path, receiver: Held, **more: str) -> AsyncIterator[RelayProcess]:
    """A relay process that waits for the receiver's answer to the first webhook."""
    port = free_port()
    async with serve(receiver) as host:
        process = RelayProcess(folder, environment(folder, host, port, **more), port)
        try:
            await process.start()
            async with plain_client() as client:
                answer = await client.post(
                    f"{process.url}/webhooks/elasticpath", content=order_webhook("a", 0), headers=HEADERS
                )
                assert answer.status_code == 200
            await until(lambda: receiver.requests)
            yield process
        finally:
            receiver.let_go.set()
            await process.kill()


async def ended_within(process: RelayProcess, seconds: float) -> int:
    async with asyncio.timeout(seconds):
        return await process.ended()


async def said(folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run `relay serve`, which is to end by itself: its exit code and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "serve", cwd=folder, env=environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, err.decode()


def lines(process: RelayProcess) -> list[dict[str, object]]:
    """Its log, in which nothing is that must not be."""
    assert not [word for word in NEVER if word in process.log]
    return [orjson.loads(line) for line in process.log.splitlines()]


async def outcomes(folder: Path) -> list[str]:
    journal = await SqliteJournal.open(folder / "relay.db")
    (event,) = await journal.find(Selection(), limit=10)
    await journal.close()
    return [*event.outcomes]


async def test_a_port_or_a_journal_in_use_is_told_and_sigterm_finishes_what_is_in_hand(tmp_path: Path) -> None:
    receiver = Held()
    (tmp_path / "other").mkdir()
    async with working(tmp_path, receiver) as process:
        port = int(process.url.rpartition(":")[2])
        (port_code, port_said), (journal_code, journal_said) = await asyncio.gather(
            said(tmp_path, environment(tmp_path / "other", "http://127.0.0.1:9", port)),
            said(tmp_path, environment(tmp_path, "http://127.0.0.1:9", free_port())),
        )
        assert (port_code, journal_code) == (1, 1)
        assert f"port_in_use\n  Cannot listen on 127.0.0.1:{port}: Address already in use." in port_said
        assert "journal_in_use" in journal_said
        assert str(tmp_path / "relay.db") in journal_said
        assert "Traceback" not in port_said + journal_said

        process.send(signal.SIGTERM)
        await until(lambda: [line for line in lines(process) if line["event"] == "stopping"])
        receiver.let_go.set()
        assert await ended_within(process, DEADLINE_S) == 0
        assert lines(process)[-1]["event"] == "stopped"
        assert lines(process)[-1]["cut_off"] == 0
    assert await outcomes(tmp_path) == ["delivered@segment"]
    assert len(receiver.arrivals) == 1


async def test_sigterm_ends_within_the_deadline_though_a_destination_hangs(tmp_path: Path) -> None:
    receiver = Held()
    async with working(tmp_path, receiver, SERVER__SHUTDOWN_S="0.5") as process:
        started_s = time.monotonic()
        process.send(signal.SIGTERM)
        assert await ended_within(process, DEADLINE_S) == 0
        assert 0.5 <= time.monotonic() - started_s < 3
        assert lines(process)[-1]["event"] == "stopped"
        assert "Traceback" not in process.log
    assert await outcomes(tmp_path) == []


@pytest.mark.parametrize(("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_second_signal_ends_at_once(tmp_path: Path, second: signal.Signals, code: int) -> None:
    receiver = Held()
    async with working(tmp_path, receiver, SERVER__SHUTDOWN_S="60") as process:
        process.send(signal.SIGINT)
        await until(lambda: [line for line in lines(process) if line["event"] == "stopping"])
        process.send(second)
        assert await ended_within(process, 5) == code
        assert "Traceback" not in process.log


# --- what keeps it from starting -------------------------------------------------------------

SOURCE = '[sources.elasticpath]\nplatform = "elasticpath"\nsecret = "s"\n'
DESTINATION = '[destinations.segment]\nkind = "segment"\n'


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("[server\n", "config_syntax", "line 1"),
        ("[server]\nprot = 1\n", "config_invalid", "port"),
        ("[server]\nport = 'x'\n", "config_invalid", "server.port"),
        ('[journal]\nurl = "mysql://here"\n', "config_invalid", "journal.url"),
        (DESTINATION, "config_missing", "write_key"),
        ('[sources.shop]\nplatform = "elastic"\n', "config_invalid", "elasticpath"),
    ],
)
def test_a_wrong_configuration_is_told(folder: Path, relay: Relay, text: str, code: str, word: str) -> None:
    (folder / "relay.toml").write_text(text)
    ran = relay("serve")

    assert ran.code == 2
    assert ran.err.startswith(code)
    assert word in ran.err
    assert "Traceback" not in ran.err
    assert not (folder / "relay.db").exists()


def test_a_configuration_that_is_not_there_is_told(folder: Path, relay: Relay) -> None:
    ran = relay("serve", "--config", "nowhere.toml")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "config_not_found")


async def test_what_shows_only_when_the_relay_is_built_is_told_too(tmp_path: Path) -> None:
    host = "http://127.0.0.1:9"
    template = tmp_path / "broken/sources/elasticpath/order_completed.jsonata"
    template.parent.mkdir(parents=True)
    template.write_text("{")
    cases = {
        "template_invalid": (1, environment(tmp_path, host, free_port(), TEMPLATES__FOLDER=f"{tmp_path}/broken")),
        "config_invalid": (2, environment(tmp_path, host, free_port(), SERVER__HOST="nowhere.invalid")),
        "journal_unavailable": (1, environment(tmp_path, host, free_port(), JOURNAL__URL="sqlite:///nowhere/relay.db")),
    }
    results = await asyncio.gather(*(said(tmp_path, environ) for _, environ in cases.values()))
    for (code, (exit_code, _)), (returned, told) in zip(cases.items(), results, strict=True):
        assert (returned, told.splitlines()[0]) == (exit_code, code), told
        assert "Traceback" not in told
