"""`relay check`: what it finds before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.cli import check
from relay.cli.checks import Finding, run_checks
from relay.codes import RelayError
from relay.settings.loading import Loaded, load
from tests.cli.running import Relay

GOOD = '[sources.elasticpath]\nsecret = "one"\n[destinations.segment]\nwrite_key = "two"\n'


def findings(relay: Relay) -> set[tuple[str, str]]:
    return {(found["name"], found["status"]) for found in relay("check", "--offline", "--json").json["findings"]}


def test_all_is_well(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text(GOOD)
    ran = relay("check", "--offline")
    assert ran.code == 0
    assert "relay.toml: sources elasticpath; destinations segment." in ran.out
    assert findings(relay) == {("configuration", "ok"), ("templates", "ok"), ("journal", "ok")}


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ("", "sources"),
        ("", "destinations"),
        ("[sources.elasticpath]\nopen = true", "sources.elasticpath"),
        (GOOD + 'mode = "test"', "destinations.segment"),
        ('[destinations.segment]\nmode = "test"\nwrite_key = "your-write-key"', "destinations.segment"),
    ],
)
def test_what_is_hardly_meant_is_a_warning(folder: Path, relay: Relay, toml: str, name: str) -> None:
    Path("relay.toml").write_text(toml)
    assert (name, "warning") in findings(relay)
    assert relay("check", "--offline").code == 0


def test_a_missing_authority_file_fails(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text(GOOD + '[outgoing]\nca_file = "none.pem"\n')
    ran = relay("check", "--offline", "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert ("outgoing.ca_file", "failed") in findings(relay)


def test_a_broken_template_fails_with_its_place(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text(GOOD)
    overlay = folder / "templates/sources/elasticpath"
    overlay.mkdir(parents=True)
    (overlay / "order_completed.jsonata").write_text('{"a":\n  ]}')
    (overlay / "order_complete.txt").write_text("no template")
    ran = relay("check", "--offline")
    assert ran.code == 1
    assert "order_completed.jsonata:2:3" in ran.out


def test_a_broken_configuration_is_an_error_of_usage(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text("[server]\nprot = 1")
    ran = relay("check", "--offline")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err == (
        "config_invalid\n"
        "  relay.toml line 2: server.prot: unknown option; did you mean `port`?\n"
        "  Mend what the message names; `relay config --options` lists all.\n"
    )


async def test_checks_keep_their_order_and_a_relay_error_is_a_finding(folder: Path) -> None:
    async def journal(loaded: Loaded) -> Sequence[Finding]:
        raise RelayError("journal_newer", "relay.db is of version 9.")

    async def connections(loaded: Loaded) -> Sequence[Finding]:
        return [Finding("destinations.a", "ok", "Answers."), Finding("destinations.b", "ok", "Answers.")]

    found = await run_checks([journal, connections], load(None, {}))
    assert [(finding.name, finding.status) for finding in found] == [
        ("journal", "failed"),
        ("destinations.a", "ok"),
        ("destinations.b", "ok"),
    ]
    assert found[0].text == "relay.db is of version 9. [journal_newer] Run that version or a later one."


def test_further_checks_are_one_line_in_the_list(folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    async def journal(loaded: Loaded) -> Sequence[Finding]:
        return [Finding("journal", "failed", "Broken.\nIn two lines.")]

    monkeypatch.setattr(check, "CHECKS", (journal,))
    ran = relay("check", "--offline")
    assert ran.code == 1
    assert ran.out == "failed   journal  Broken.\n                  In two lines.\n"


DECLARED = """title = "Acme"
[[authentication]]
scheme = "basic"
[[unwrap]]
at = "Message"
[[unwrap]]
at = "de tail"
[event]
topic = "$lookupp($, 'a')"
delivery_key = ["id", "a.b["]
[event.entity]
order = "order id"
[commerce]
headers = { Authorization = "{token}" }
[[lookups]]
name = "order"
topics = "paid"
path = "/orders/{order.id}/{order..}"
into = "order"
unless = "order."
"""
UNSOUND = (
    "source.toml line 9: event.topic: \"$lookupp($, 'a')\": column 1: there is no function $lookupp. Did you mean",
    "source.toml line 10: event.delivery_key: 'a.b[': column 4: this [ is never closed.",
    "source.toml line 12: event.entity.order: 'order id': column 7",
    "source.toml line 7: unwrap.1.at: 'de tail': column 4",
    "source.toml line 18: lookups.0.path: 'order..': column 6",
    "source.toml line 20: lookups.0.unless: 'order.': ",
)


@pytest.mark.parametrize("configured", [True, False])
def test_expressions_of_a_declared_platform_are_checked(folder: Path, relay: Relay, configured: bool) -> None:
    platform = folder / "templates/sources/acme"
    platform.mkdir(parents=True)
    (platform / "source.toml").write_text(DECLARED)
    Path("relay.toml").write_text(GOOD + ('[sources.acme]\nsecret = "a:b"\n' if configured else ""))
    ran = relay("check", "--offline", "--json")
    assert ran.code == 1
    (finding,) = [finding for finding in ran.json["findings"] if finding["status"] == "failed"]
    assert finding["name"] == ("sources.acme" if configured else "acme")
    lines = finding["text"].split("\n")
    assert len(lines) == len(UNSOUND)
    for line, expected in zip(lines, UNSOUND, strict=True):
        assert expected in line


def test_secrets_of_another_form_fail_before_anything_starts(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text('[sources.standard-webhooks]\nsecret = "whsec_no base64!"\n')
    ran = relay("check", "--offline")
    assert ran.code == 1
    assert "A secret of the source is not base64; copy it anew." in ran.out
    assert "no base64!" not in ran.out


def test_a_declaration_with_mistakes_is_told_with_its_lines(folder: Path, relay: Relay) -> None:
    platform = folder / "templates/sources/acme"
    platform.mkdir(parents=True)
    (platform / "source.toml").write_text(
        DECLARED.replace('"basic"', '"basics"').replace("[event]", "[event]\ntime = 1")
    )
    Path("relay.toml").write_text('[sources.acme]\nsecret = "a:b"\n')
    ran = relay("check", "--offline")
    assert ran.code == 2
    assert "source.toml line 2: authentication[0]: unknown scheme 'basics'; did you mean `basic`?" in ran.err
    assert "source.toml line 9: event.time: expected text or a list of texts; found 1" in ran.err


@pytest.mark.parametrize(
    ("platform", "options", "told"),
    [
        ("commercetools", 'token = "t"', "commerce.client_id: is not set: commercetools needs it. OAuth client id"),
        (
            "commercetools",
            'client_id = "i"\nclient_secret = "s"',
            "commerce.token_url: is not set: commercetools needs it.",
        ),
        ("stripe", 'client_id = "i"', "commerce.token: is not set: stripe needs it. The API's key or token"),
    ],
)
def test_what_a_platform_needs_to_sign_in_is_asked_for(
    folder: Path, relay: Relay, platform: str, options: str, told: str
) -> None:
    commerce = f'[sources.{platform}.commerce]\nbase_url = "https://api.example.com"\n{options}\n'
    Path("relay.toml").write_text(f'[sources.{platform}]\nsecret = "a"\n{commerce}')
    ran = relay("check", "--offline")
    assert ran.code == 2
    assert told in ran.err
