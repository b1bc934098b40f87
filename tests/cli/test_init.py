"""`relay init`: the file it writes is the defaults, works as it is, and is never overwritten by accident."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import pytest

from relay.settings.describing import describe
from relay.settings.loading import load
from relay.settings.options import RelayOptions
from relay.templates.library import packaged_templates
from tests.cli.running import Relay


def test_init_then_check_works_in_an_empty_folder(folder: Path, relay: Relay) -> None:
    assert relay("init").code == 0
    checked = relay("check", "--offline")
    assert checked.code == 0, checked
    assert "failed" not in checked.out


def test_the_file_holds_a_new_secret_that_only_its_owner_reads(folder: Path, relay: Relay) -> None:
    ran = relay("init", "shop")
    file = folder / "shop" / "relay.toml"
    secret = tomllib.loads(file.read_text())["sources"]["elasticpath"]["secret"]
    assert len(secret) >= 40
    assert secret not in ran.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["relay.toml"]
    relay("init", "other")
    assert secret not in (folder / "other" / "relay.toml").read_text()


def test_the_steps_say_where_the_secret_is(folder: Path, relay: Relay) -> None:
    assert "and the secret key       <the secret in shop/relay.toml>\n" in relay("init", "shop").out
    assert "[sources.shopify]; now: a placeholder\n" in relay("init", "other", "--source", "shopify").out


def test_every_option_is_in_the_file_with_its_default(folder: Path, relay: Relay) -> None:
    relay("init")
    text = Path("relay.toml").read_text()
    uncommented = re.sub(r"^# (\[[a-z.]+\]|\w+ = (?!\"…\"))", r"\1", text, flags=re.MULTILINE)
    data = tomllib.loads(uncommented)
    chosen = {"sources": "elasticpath", "destinations": "segment"}
    rows = [row for row in describe() if row.variant == chosen.get(row.name.partition(".")[0], "")]
    named = {
        row.name: row.name.replace("sources.<name>", "sources.elasticpath").replace("<name>", "segment") for row in rows
    }
    for row in rows:
        key = named[row.name].rpartition(".")[2]
        assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), row.name
    del data["sources"]["elasticpath"]["commerce"]
    expected = RelayOptions.model_validate(
        {
            "sources": {"elasticpath": {"platform": "elasticpath", "secret": data["sources"]["elasticpath"]["secret"]}},
            "destinations": {"segment": {"kind": "segment", "mode": "test", "write_key": "your-write-key"}},
        }
    )
    assert RelayOptions.model_validate(data) == expected


def test_nothing_is_sent_before_somebody_says_so(folder: Path, relay: Relay) -> None:
    relay("init")
    assert load(None, {}).options.destinations["segment"].mode == "test"
    Path("relay.toml").write_text(Path("relay.toml").read_text().replace('mode = "test"', 'mode = "live"'))
    assert "is still the placeholder" in relay("check", "--offline").err


def test_a_write_key_of_the_environment_stays_there(
    folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_DESTINATIONS__SEGMENT__WRITE_KEY", "k3y")
    ran = relay("init")
    assert "RELAY_DESTINATIONS__SEGMENT__WRITE_KEY" in ran.out
    assert "k3y" not in ran.out + Path("relay.toml").read_text()
    assert relay("check", "--offline").code == 0


def test_the_next_steps_name_the_url_and_the_integrations(folder: Path, relay: Relay) -> None:
    out = relay("init").out
    assert "/webhooks/elasticpath" in out
    assert "at most 5 events" in out
    events = re.findall(r"^ {12}(\S+\.\S+,.+)", out, re.MULTILINE)
    assert [len(group.split(", ")) for group in events] == [5, 2]


def test_an_existing_file_is_kept(folder: Path, relay: Relay) -> None:
    relay("init")
    before = Path("relay.toml").read_text()
    ran = relay("init")
    assert ran.code == 1
    assert "file_exists" in ran.err
    assert "--force" in ran.err
    assert relay("init", "--templates").code == 0
    assert Path("relay.toml").read_text() == before
    assert relay("init", "--force").code == 0
    assert Path("relay.toml").read_text() != before


def test_templates_are_copied_and_never_overwritten(folder: Path, relay: Relay) -> None:
    packaged = packaged_templates()
    names = {path.relative_to(packaged) for path in packaged.glob("sources/elasticpath/**/*") if path.is_file()}
    ran = relay("init", "shop", "--templates", "--json")
    written = {Path(path) for path in ran.json["written"]}
    assert written == {Path("shop/relay.toml"), *(folder / "shop/templates" / name for name in names)}
    completed = folder / "shop/templates/sources/elasticpath/order_completed.jsonata"
    original = completed.read_text()
    completed.write_text("[]")
    assert relay("init", "shop", "--templates", "--json").json["written"] == []
    assert completed.read_text() == "[]"
    assert relay("init", "shop", "--templates", "--force").code == 0
    assert completed.read_text() == original
    checked = relay("check", "--offline", "--config", "shop/relay.toml")
    assert checked.code == 0
    assert f"{len(list(folder.rglob('*.jsonata')))} of them are yours" in checked.out


def test_an_unknown_platform_is_told(folder: Path, relay: Relay) -> None:
    ran = relay("init", "--source", "elasticpth")
    assert ran.code == 2
    assert "did you mean `elasticpath`?" in ran.err
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_bug(folder: Path, relay: Relay) -> None:
    Path("file").write_text("")
    ran = relay("init", "file/inner")
    assert ran.code == 1
    assert ran.err.startswith("system_refused\n  file")


def test_a_source_whose_platform_publishes_keys_waits_for_its_address(folder: Path, relay: Relay) -> None:
    ran = relay("init", "--source", "saleor", "--templates")
    assert ran.code == 0
    assert "order_fully_paid" in ran.out
    assert Path("templates/sources/saleor/subscription.graphql").exists()
    file = Path("relay.toml")
    checked = relay("check", "--offline")
    assert checked.code == 2
    assert "sources.saleor.api_url: is still the placeholder" in checked.err
    file.write_text(file.read_text().replace("https://your-store.example/graphql/", "https://s.example/graphql/"))
    assert relay("check", "--offline").code == 0


def test_a_source_whose_platform_makes_the_secret_waits_for_it(folder: Path, relay: Relay) -> None:
    ran = relay("init", "--source", "shopify")
    assert ran.code == 0
    assert "/webhooks/shopify" in ran.out
    assert "orders/paid, orders/updated, refunds/create, orders/cancelled, customers/create" in ran.out
    file = Path("relay.toml")
    checked = relay("check", "--offline")
    assert checked.code == 2
    assert "sources.shopify.secret: is still the placeholder" in checked.err
    file.write_text(file.read_text().replace("the-secret-the-platform-gives", "hush"))
    assert relay("check", "--offline").code == 0


def test_segments_libraries_are_told_the_host_and_the_key(folder: Path, relay: Relay) -> None:
    ran = relay("init", "--source", "segment")
    assert "libraries at    https://<public host of the relay>\n" in ran.out
    assert "/webhooks/segment" in ran.out
    (key,) = load(None, {}).options.sources["segment"].write_key  # type: ignore[union-attr]
    assert len(key) > 20
    assert relay("check", "--offline").code == 0


def test_a_source_that_is_known_by_its_addresses_needs_no_secret(folder: Path, relay: Relay) -> None:
    assert relay("init", "--source", "swell").code == 0
    assert "secret" not in tomllib.loads(Path("relay.toml").read_text())["sources"]["swell"]
    assert relay("check", "--offline").code == 0


def test_mappings_of_configured_kinds_are_copied_with_their_cases(folder: Path, relay: Relay) -> None:
    Path("relay.toml").write_text(
        '[sources.elasticpath]\nsecret = "s"\n[destinations.segmetrics]\napi_key = "k"\naccount_id = "a"\n'
        'integration_id = "i"\ntimezone = "UTC"\n'
    )
    written = {*relay("init", "--templates", "--json").json["written"]}

    mappings = folder / "templates/destinations/segmetrics"
    assert {str(mappings / "identify.jsonata"), str(mappings / "cases/identify/plain.json")} <= written
    assert not (folder / "templates/destinations/ometria").exists()
    ran = relay("test", "templates/destinations/segmetrics", "-v")
    assert ran.code == 0
    assert "passed  destinations/segmetrics/identify/plain\n" in ran.out
