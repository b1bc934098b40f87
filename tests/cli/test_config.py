"""`relay config`: values, where they came from, and no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.settings.describing import describe
from tests.cli.running import Relay

MARKER = "m4rk3r"
TOML = f"""
[server]
port = 9000
[sources.elasticpath]
secret = ["{MARKER}-1", "{MARKER}-2"]
composer_client_secret = "{MARKER}-3"
[sources.elasticpath.commerce]
base_url = "https://user:{MARKER}-4@api.example.com"
client_id = "id"
client_secret = "{MARKER}-5"
[destinations.segment]
write_key = "{MARKER}-6"
"""


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "relay.toml").write_text(TOML)
    monkeypatch.setenv("RELAY_SERVER__HOST", "0.0.0.0")
    monkeypatch.setenv("RELAY_DESTINATIONS__EU", f'{{"kind": "segment", "write_key": "{MARKER}-7"}}')
    return folder


def test_values_and_origins(configured: Path, relay: Relay) -> None:
    ran = relay("config", "--json")
    assert ran.code == 0
    assert ran.json["file"] == "relay.toml"
    found = {row["name"]: (row["value"], row["origin"]) for row in ran.json["values"]}
    assert found["server.port"] == (9000, "relay.toml")
    assert found["server.host"] == ("0.0.0.0", "RELAY_SERVER__HOST")
    assert found["server.shutdown_s"] == (10.0, "default")
    assert found["sources.elasticpath.secret"] == (["****", "****"], "relay.toml")
    assert found["destinations.eu.write_key"] == ("****", "RELAY_DESTINATIONS__EU")
    assert found["sources.elasticpath.commerce.base_url"] == ("https://****@api.example.com", "relay.toml")
    assert found["outgoing.ca_file"] == (None, "default")


def test_a_line_for_each_value(configured: Path, relay: Relay) -> None:
    lines = relay("config").out.splitlines()
    assert lines[0] == "# relay.toml"
    (port,) = (line for line in lines if line.startswith("server.port "))
    assert port.split() == ["server.port", "9000", "relay.toml"]
    (key,) = (line for line in lines if line.startswith("destinations.segment.write_key "))
    assert key.split() == ["destinations.segment.write_key", "****", "relay.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        "config",
        "config --json",
        "config --options",
        "config --debug",
        "check --offline",
        "check --offline --json",
        "init",
    ],
)
@pytest.mark.parametrize("broken", [False, True])
def test_no_secret_is_ever_printed(configured: Path, relay: Relay, arguments: str, broken: bool) -> None:
    if broken:
        (configured / "relay.toml").write_text(f'{TOML}writekey = "{MARKER}-8"\nhost = ["{MARKER}-9"]\n')
    ran = relay(*arguments.split())
    assert ran.out or ran.err
    assert MARKER not in ran.out + ran.err


def test_all_options_are_listed_without_a_configuration(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text("broken")
    ran = relay("config", "--options")
    assert ran.code == 0
    for row in describe():
        assert row.env in ran.out
    assert len(relay("config", "--options", "--json").json) == len(describe())


def test_without_a_file(folder: Path, relay: Relay) -> None:
    assert relay("config").out.startswith("# no configuration file")
    assert relay("config", "--json").json["file"] is None


def test_problems_are_json_too(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text("[server]\nprot = 1\nhost = 2\n")
    ran = relay("config", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.error["code"] == "config_invalid"
    assert ran.error["problems"][1] == {
        "place": "relay.toml line 2",
        "option": "server.prot",
        "problem": "unknown option; did you mean `port`?",
    }
