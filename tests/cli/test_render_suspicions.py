"""A path that is likely misspelt gives just nothing: `relay render`, `relay test` and `relay check` tell of it."""

from __future__ import annotations

from pathlib import Path

from relay.demo.samples import samples
from tests.cli.running import Relay

TOML = '[sources.elasticpath]\nsecret = "a-webhook-secret"\n'
TEMPLATE = (
    '{"type": "track", "event": "E", "userId": payload.data.id, "properties": {"number": payload.data.order_numbre}}'
)


def test_a_misspelt_path_is_told(folder: Path, relay: Relay) -> None:
    paid = next(sample.body for sample in samples() if sample.title == "order.paid")
    (folder / "relay.toml").write_text(TOML)
    (folder / "paid.json").write_bytes(paid)
    overlay = folder / "templates/sources/elasticpath"
    overlay.mkdir(parents=True)
    (overlay / "order_completed.jsonata").write_text(TEMPLATE)

    ran = relay("render", "paid.json", "--source", "elasticpath", "--json")

    assert ran.code == 0
    (warning,) = ran.json["warnings"]
    assert "order_numbre" in warning
    assert "order_number" in warning.replace("order_numbre", "")


def test_cases_and_check_tell_it_too_and_once(folder: Path, relay: Relay) -> None:
    (folder / "relay.toml").write_text(TOML)
    relay("init", "--templates")
    template = folder / "templates/sources/elasticpath/order_completed.jsonata"
    cases = folder / "templates/sources/elasticpath/cases/order_completed"
    assert len([*cases.iterdir()]) > 1
    assert relay("test", "--json").json["suspicions"] == []
    assert "suspicious" not in relay("check", "--offline").out

    template.write_text(TEMPLATE)
    ran = relay("test", "--json")
    (found,) = ran.json["suspicions"]
    assert (found["code"], "order_numbre" in found["what"]) == ("template_suspicious", True)
    assert relay("test").out.count("order_numbre") == 1
    checked = relay("check", "--offline", "--json")
    (warning,) = [one for one in checked.json["findings"] if one["name"] == "templates" and one["status"] == "warning"]
    assert (checked.code, "order_numbre" in warning["text"]) == (0, True)
