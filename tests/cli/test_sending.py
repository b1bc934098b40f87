"""`relay sources setup` and `relay send`, against a relay that runs with every platform."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from relay.app import Relay as RunningRelay
from relay.cases.members import members_of
from relay.demo.serving import serve
from relay.model import EventId, Selection
from relay.packaged import packaged_templates
from tests.cli.running import Relay
from tests.posting import get
from tests.receiving import Receiver, answering
from tests.running import configuration, drained, running

SECRETS = {
    "elasticpath": "a-secret-for-elastic-path",
    "shopify": "a-secret-for-shopify",
    "stripe": "whsec_a-secret-for-stripe",
    "standard-webhooks": "whsec_" + base64.b64encode(b"a-secret-for-standard-webhooks").decode(),
    "commercetools": "a-secret-for-commercetools",
    "swell": "a-secret-for-swell",
    "woocommerce": "a-secret-for-&amp;woocommerce",
    "bigcommerce": "a-secret-for-bigcommerce",
    "segment": "a-secret-for-segment",
    "saleor": "a-secret-for-saleor",
    "hana": "a-secret-for-hana",
}
COMPLETED_ONLY = ("bigcommerce",)
"""A sample of these has nothing to say without the store's API, which does not know it."""
WHPK = "whpk_" + base64.b64encode(bytes(range(32))).decode()
SAMPLE = "order_completed"


def environ_of(folder: Path, **more: str) -> dict[str, str]:
    """A source for each platform, named after it, and a destination in test mode."""
    lines = []
    for platform, secret in SECRETS.items():
        lines += [f"[sources.{platform}]", f'platform = "{platform}"', f'secret = "{secret}"']
    environ = configuration(folder, {"segment": "http://127.0.0.1:9"}, DESTINATIONS__SEGMENT__MODE="test", **more)
    Path(environ["RELAY_CONFIG"]).write_text("\n".join(lines))
    return {name: value for name, value in environ.items() if not name.startswith("RELAY_SOURCES__")}


@pytest.fixture
def environ(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    found = environ_of(folder)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def curl(command: str) -> list[str]:
    """The answer's lines, the last of which is its status."""
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True)
    return ran.stdout.split()


async def ends(relay: RunningRelay, event: int) -> list[str]:
    (found,) = await relay.journal.find(Selection(event_ids=[EventId(event)]), limit=1)
    return [*found.outcomes]


async def test_each_platform_is_told_and_its_sample_is_taken(environ: Mapping[str, str], relay: Relay) -> None:
    async with running(environ) as server:
        for platform, secret in SECRETS.items():
            asked = ("sources", "setup", platform, "--url", server.url)
            told = (await asyncio.to_thread(relay, *asked, "--show-secret", "--json")).json
            assert told["url"] == f"{server.url}/webhooks/{platform}"
            for part in (told["url"], secret, *told["topics"]):
                assert part in told["steps"], platform
            assert not re.search(r"\{\w+\}", told["steps"])
            lines = await asyncio.to_thread(curl, told["curl"])
            assert lines[-1] == "200", (platform, lines)
            event = int(json.loads(lines[0])["event"])
            await drained(server)
            assert ("dead" if platform in COMPLETED_ONLY else "skipped@segment") in await ends(server, event)

            masked = await asyncio.to_thread(relay, *asked)
            assert secret not in masked.out
            assert base64.b64encode(secret.encode()).decode() not in masked.out
            assert f"{server.url}/webhooks/{platform}" in masked.out
            assert SAMPLE in masked.out


@pytest.mark.long
async def test_each_sample_is_sent_and_followed_to_its_end(environ: Mapping[str, str], relay: Relay) -> None:
    async with running(environ) as server:
        for platform in SECRETS:
            tracking = (await asyncio.to_thread(relay, "sources", "setup", platform, "--json")).json["tracking"]
            for tracked_event in sorted(tracked_events(platform) & {name for name in tracking if tracking[name]}):
                arguments = ("send", "--sample", tracked_event, "--source", platform, "--url", server.url)
                ran = await asyncio.to_thread(relay, *arguments, "--wait", "--json")
                assert (ran.json["status"], ran.json["answer"]["status"]) == (200, "accepted"), ran
                codes = {one["code"] for one in ran.json["outcomes"]}
                if platform in COMPLETED_ONLY:
                    assert (ran.code, codes) == (1, {"completion_unconfigured"})
                else:
                    assert ran.code == 0
                    assert codes & {"test_mode", "template_empty"}, ran.json
        again = await asyncio.to_thread(relay, "send", "--sample", SAMPLE, "--source", "shopify", "--url", server.url)
        assert "200 duplicate: event" in again.out
        assert "relay_quarantined" not in [
            line.partition("{")[0] for line in (await get(server, "/metrics")).text.splitlines()
        ]


def tracked_events(platform: str) -> set[str]:
    return {path.parent.name for path in packaged_templates().glob(f"sources/{platform}/cases/*/plain.json")}


async def test_a_file_goes_as_it_is(environ: Mapping[str, str], relay: Relay, folder: Path) -> None:
    case = packaged_templates() / "sources/shopify/cases/order_completed/plain.json"
    (body,) = [member.raw for member in members_of(case.read_text()) if member.name == "webhook"]
    Path("body.json").write_text(body)
    async with running(environ) as server:
        base = ("send", "body.json", "--source", "shopify", "--url", server.url)
        ran = await asyncio.to_thread(relay, *base, "--topic", "orders/paid", "--wait", "--json")
        assert (ran.code, [one["code"] for one in ran.json["outcomes"]]) == (0, ["test_mode"])
        (event,) = await server.journal.events([ran.json["event"]])
        assert (event.topic, event.body) == ("orders/paid", body.encode())

        without = await asyncio.to_thread(relay, *base)
        assert without.code == 1
        assert "400 topic_missing" in without.out
        Path("body.json").write_text("{")
        broken = await asyncio.to_thread(relay, *base, "--topic", "orders/paid", "--json")
        assert (broken.code, broken.json["answer"]["code"], broken.json["event"]) == (1, "body_not_json", None)


async def test_what_ends_dead_fails(environ: Mapping[str, str], relay: Relay, folder: Path) -> None:
    templates = folder / "templates/sources/elasticpath"
    templates.mkdir(parents=True)
    (templates / "order_completed.jsonata").write_text('{"type": "track", "event": $error("no")}')
    async with running(environ) as server:
        arguments = ("send", "--sample", SAMPLE, "--source", "elasticpath", "--url", server.url, "--wait")
        ran = await asyncio.to_thread(relay, *arguments)
        assert (ran.code, "template_failed" in ran.out) == (1, True)


@pytest.mark.parametrize("paused", [False, True])
async def test_what_holds_it_up_is_told(
    environ: Mapping[str, str], relay: Relay, monkeypatch: pytest.MonkeyPatch, *, paused: bool
) -> None:
    monkeypatch.setattr("relay.cli.send.WAIT_S", 2.0)
    arguments = ("send", "--sample", SAMPLE, "--source", "elasticpath", "--live", "--wait")
    async with serve(Receiver(answering(401))) as host:
        refusing = {**environ, "RELAY_DESTINATIONS__SEGMENT__MODE": "live", "RELAY_DESTINATIONS__SEGMENT__HOST": host}
        for name, value in refusing.items():
            monkeypatch.setenv(name, value)
        async with running(refusing) as server:
            if paused:
                await asyncio.to_thread(relay, "destinations", "pause", "segment")
            ran = await asyncio.to_thread(relay, *arguments, "--url", server.url)
    code = "paused" if paused else "key_refused"
    assert ran.code == 1
    waiting, timeout = ran.err.split("timeout\n")
    assert waiting.startswith("waiting: segment: ")
    assert waiting.endswith(f"[{code}]\n")
    assert f"[{code}]" in timeout
    assert waiting.count("waiting:") == 1


async def test_another_secret_is_refused(
    environ: Mapping[str, str], relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(environ) as server:
        file = Path(environ["RELAY_CONFIG"])
        file.write_text(file.read_text().replace("a-secret-for-shopify", "another-one"))
        ran = await asyncio.to_thread(relay, "send", "--sample", SAMPLE, "--source", "shopify", "--url", server.url)
        assert ran.code == 1
        assert "401 signature_mismatch" in ran.out


def test_steps_and_samples_of_the_user_go_first(environ: Mapping[str, str], relay: Relay, folder: Path) -> None:
    own = folder / "templates/sources/tinyshop"
    (own / "cases/order_completed").mkdir(parents=True)
    (own / "source.toml").write_text(
        'title = "Tiny"\n[[authentication]]\nscheme = "hmac"\nheader = "x-tiny"\n'
        '[event]\ntopic = "event"\n[tracking]\norder_completed = ["paid"]\n'
    )
    (own / "order_completed.jsonata").write_text('{"type": "track", "event": "Order Completed"}')
    (own / "cases/order_completed/one.json").write_text('{"webhook": {"event": "paid", "order": "é"}}')
    with Path(environ["RELAY_CONFIG"]).open("a") as file:
        file.write('\n[sources.tiny]\nplatform = "tinyshop"\nsecret = "tiny-secret"\n')
    general = relay("sources", "setup", "tiny", "--json").json
    assert "register a webhook of these topics:\n       paid" in general["steps"]
    assert '{"event":"paid","order":"é"}' in general["curl"]

    (own / "setup.md").write_text("+++\ntopics_at_once = 1\n+++\nAsk Tim to post {topics} to {url}.\n")
    assert (
        relay("sources", "setup", "tiny", "--json").json["steps"].startswith("Ask Tim to post        paid to https://")
    )
    assert "Ask Tim" in relay("sources", "setup", "tiny").out
    for head in ("topics_at_once = 0.5\n+++\n", "topics = 1\n+++\n", "=\n+++\n", "topics_at_once = 1\n", "\udcff"):
        (own / "setup.md").write_bytes(f"+++\n{head}Ask Tim.\n".encode("utf-8", "surrogateescape"))
        wrong = relay("sources", "setup", "tiny", "--json")
        assert (wrong.code, wrong.error["code"]) == (2, "config_invalid")
        assert "setup.md" in wrong.error["message"]


def test_limits_and_what_is_off(environ: Mapping[str, str], relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    told = relay("sources", "setup", "elasticpath", "--json").json
    groups = [line.strip().split(", ") for line in told["steps"].splitlines() if line.startswith("       ")]
    assert [len(group) for group in groups] == [5, 2]
    monkeypatch.setenv("RELAY_SOURCES__ELASTICPATH__TRACKING__ORDER_COMPLETED", "order.fulfilled")
    monkeypatch.setenv("RELAY_SOURCES__ELASTICPATH__TRACKING__ORDER_UPDATED", "false")
    told = relay("sources", "setup", "elasticpath", "--json").json
    assert "order.fulfilled" in told["topics"]
    assert "order.updated" not in told["topics"]
    ran = relay("send", "--source", "elasticpath", "--sample", "order_updated", "--json")
    assert "no sample of 'order_updated'" in ran.error["message"]


def test_no_secret_no_sample(environ: Mapping[str, str], relay: Relay) -> None:
    with Path(environ["RELAY_CONFIG"]).open("a") as file:
        file.write(f'\n[sources.keys]\nplatform = "standard-webhooks"\nsecret = "{WHPK}"\n')
    told = relay("sources", "setup", "keys")
    assert "No sample can be signed here" in told.out
    assert relay("sources", "setup", "keys", "--json").json["curl"] is None
    ran = relay("send", "--source", "keys", "--sample", SAMPLE, "--json")
    assert "No webhook of keys can be signed here" in ran.error["message"]


def test_a_sample_does_not_go_to_a_live_destination_by_mistake(
    environ: Mapping[str, str], relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_DESTINATIONS__SEGMENT__MODE", "live")
    arguments = ("send", "--source", "shopify", "--sample", SAMPLE, "--url", "http://127.0.0.1:9", "--json")
    assert "segment would get the sample" in relay(*arguments).error["message"]
    assert relay(*arguments, "--live").error["code"] == "connection_failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sources", "set"),
        ("sources", "setup"),
        ("sources", "setup", "nobody"),
        ("send", "--source", "nobody", "--sample", SAMPLE),
        ("send", "--source", "shopify"),
        ("send", "x.json", "--source", "shopify", "--sample", SAMPLE),
        ("send", "--source", "shopify", "--sample", SAMPLE, "--topic", "orders/paid"),
        ("send", "--source", "shopify", "--sample", "nothing_known"),
    ],
)
def test_wrong_words_are_told(environ: Mapping[str, str], relay: Relay, arguments: tuple[str, ...]) -> None:
    ran = relay(*arguments, "--json")
    assert (ran.code, ran.error["code"]) == (2, "bad_argument")


def test_a_file_that_is_not_there(environ: Mapping[str, str], relay: Relay) -> None:
    ran = relay("send", "nothing.json", "--source", "shopify", "--url", "http://127.0.0.1:9", "--json")
    assert (ran.code, ran.error["code"]) == (1, "system_refused")
