"""`relay render` tells of a path that is likely misspelt, although it only gives nothing."""

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
