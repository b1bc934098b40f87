"""SIGHUP reads the configuration again, while webhooks go on coming in."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from relay.demo.serving import serve
from tests.logbook import NEVER
from tests.long.processes import RelayProcess, free_port
from tests.posting import plain_client, until, webhook
from tests.receiving import Receiver
from tests.running import HEADERS, SECRET, WRITE_KEY

DEADLINE_S = 30.0
TOML = """
[server]
port = {port}
processes = {processes}
shutdown_s = 5
[log]
format = "json"
[outgoing]
allow_private = true
{authority}
[sources.elasticpath]
secret = "{secret}"
[destinations.segment]
host = "{host}"
write_key = "{write_key}"
"""


class Guarded(Receiver):
    """Tells of a wrong key by 401, as RudderStack does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        basic = b64encode(f"{WRITE_KEY}:".encode())
        if scope["type"] == "http" and basic not in dict(scope["headers"]).get(b"authorization", b""):
            await Response(status_code=401)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Shop:
    """Posts one webhook after the other on connections that it keeps, and tries none again."""

    def __init__(self, url: str) -> None:
        self.posted: list[str] = []
        self._url = f"{url}/webhooks/elasticpath"
        self._client = plain_client(timeout=DEADLINE_S)
        self._going = True

    async def run(self, name: str) -> None:
        async with self._client as client:
            while self._going:
                order = f"{name}-{len(self.posted)}"
                answer = await client.post(self._url, content=webhook("order.paid", order), headers=HEADERS)
                assert answer.status_code == 200, answer.text
                self.posted.append(order)
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        self._going = False


class Running:
    """A relay process on a relay.toml that is edited meanwhile."""

    def __init__(self, folder: Path, host: str, processes: int) -> None:
        self._toml = folder / "relay.toml"
        self._values = {"port": free_port(), "processes": processes, "secret": SECRET, "host": host}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        self.process = RelayProcess(folder, environ, int(str(self._values["port"])))

    def write(self, more: str = "", **values: str) -> None:
        self._toml.write_text(
            TOML.format(**self._values, **({"write_key": WRITE_KEY, "authority": ""} | values)) + more
        )

    def reload(self) -> None:
        self.process.send(signal.SIGHUP)

    def said(self, event: str) -> list[dict[str, Any]]:
        log = self.process.log
        assert not [word for word in NEVER if word in log]
        lines = [orjson.loads(line) for line in log[: log.rfind("\n") + 1].splitlines()]
        return [line for line in lines if line["event"] == event]

    def refused_times(self, times: int) -> bool:
        return len(self.said("reload_refused")) == times

    async def standing(self) -> dict[str, Any]:
        async with plain_client(timeout=DEADLINE_S) as client:
            told: dict[str, Any] = (await client.get(f"{self.process.url}/readyz")).json()
            return told


@asynccontextmanager
async def running(folder: Path, receiver: Receiver, processes: int = 1, **values: str) -> AsyncIterator[Running]:
    async with serve(receiver) as host:
        relay = Running(folder, host, processes)
        relay.write(**values)
        try:
            await relay.process.start()
            yield relay
        finally:
            await relay.process.kill()


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_mended_key_is_put_in_use_and_no_webhook_notices(tmp_path: Path, processes: int) -> None:
    receiver = Guarded()
    async with running(tmp_path, receiver, processes, write_key="a-wrong-key") as relay:
        shops = [Shop(relay.process.url) for _ in range(4)]
        async with asyncio.TaskGroup() as group, asyncio.timeout(DEADLINE_S):
            for number, shop in enumerate(shops):
                group.create_task(shop.run(str(number)))
            await until(lambda: relay.said("waiting"))
            while (await relay.standing())["lines"]["deliver:segment"].get("code") != "key_refused":
                await asyncio.sleep(0.02)  # of another process it is heard ten times a second
            assert receiver.orders == []
            relay.write()
            relay.reload()
            await until(lambda: relay.said("reloaded"))
            before = sum(len(shop.posted) for shop in shops)
            await until(lambda: sum(len(shop.posted) for shop in shops) > before + 8)
            for shop in shops:
                shop.stop()
        posted = [order for shop in shops for order in shop.posted]
        await until(lambda: len(receiver.orders) >= len(posted))
        assert (await relay.standing())["configuration"] == {"state": "ok"}
        assert await relay.process.stop() == 0
    assert sorted(receiver.orders) == sorted(posted)


async def test_a_bad_configuration_leaves_the_old_one_in_use_and_says_why(tmp_path: Path) -> None:
    receiver = Receiver()
    template = tmp_path / "broken/sources/elasticpath/order_completed.jsonata"
    template.parent.mkdir(parents=True)
    template.write_text("{")
    bad = {
        "config_syntax": "[",
        "config_invalid": "\n[retention]\nevents_dais = 3\n",
        "needs_restart": '\n[journal]\nurl = "sqlite:///other.db"\n',
        "template_invalid": '\n[templates]\nfolder = "broken"\n',
    }
    async with running(tmp_path, receiver) as relay:
        for number, (code, more) in enumerate(bad.items(), start=1):
            relay.write(more)
            relay.reload()
            await until(partial(relay.refused_times, number))
            assert relay.said("reload_refused")[-1]["code"] == code
            told = (await relay.standing())["configuration"]
            assert (told["state"], told["code"]) == ("last good", code)
            assert told["problem"]
            assert told["remedy"]
        async with plain_client(timeout=DEADLINE_S) as client:
            url = f"{relay.process.url}/webhooks/elasticpath"
            answer = await client.post(url, content=webhook("order.paid", "a"), headers=HEADERS)
        assert answer.status_code == 200
        await until(lambda: receiver.orders == ["a"])
        relay.write()
        relay.reload()
        await until(lambda: relay.said("reloaded"))
        assert (await relay.standing())["configuration"] == {"state": "ok"}
        assert await relay.process.stop() == 0
    assert not (tmp_path / "other.db").exists()


async def test_what_cannot_be_built_after_all_gives_way_to_what_ran(tmp_path: Path) -> None:
    receiver = Receiver()
    async with running(tmp_path, receiver) as relay:
        relay.write("\n[retention]\nevents_days = 3\n", authority='ca_file = "nowhere.pem"')
        relay.reload()
        await until(lambda: relay.said("reload_refused"))
        assert (await relay.standing())["configuration"]["state"] == "last good"
        async with plain_client(timeout=DEADLINE_S) as client:
            url = f"{relay.process.url}/webhooks/elasticpath"
            await client.post(url, content=webhook("order.paid", "a"), headers=HEADERS)
        await until(lambda: receiver.orders == ["a"])
        assert len(relay.said("ready")) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_the_closed_terminal_ends_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    relay = Running(tmp_path, "http://127.0.0.1:9", 1)
    relay.write()

    def lead_the_session() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with (tmp_path / "relay.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", "serve"],
            cwd=tmp_path,
            stdin=theirs,
            stderr=log,
            start_new_session=True,
            preexec_fn=lead_the_session,
        )
    try:
        os.close(theirs)
        while not relay.said("ready"):
            assert process.poll() is None
        os.close(ours)
        assert process.wait(DEADLINE_S) == 0
        assert relay.said("stopped")
    finally:
        process.kill()
        process.wait()
