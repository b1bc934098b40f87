"""Webhooks that are known by where they come from, as Swell's are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Quarantined, QuarantineId, Webhook
from relay.sources.contract import Refused
from relay.sources.declared.source import DeclaredSource
from tests.sources.declared_making import NOW_MS, packaged

BODY = b'{"id":"e-1","type":"order.paid","model":"orders","data":{"id":"17"}}'
PUBLISHED = ["52.52.111.237", "54.219.85.17", "54.241.235.166", "216.218.185.31", "74.80.234.1", "::ffff:74.80.234.1"]


def refusal(source: DeclaredSource, client: str, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(Refused) as caught:
        source.receive(Webhook(headers or {}, BODY, client), now_ms=NOW_MS)
    return caught.value.code


@pytest.mark.parametrize("client", PUBLISHED)
def test_the_addresses_that_swell_publishes_need_no_secret(client: str) -> None:
    received = packaged("swell").receive(Webhook({}, BODY, client), now_ms=NOW_MS)
    assert (received.topic, received.entity) == ("order.paid", "order:17")


@pytest.mark.parametrize(
    "client", ["216.218.185.32", "203.0.113.7", "::1", "2001:db8::1", "", "unknown", "1.2.3", "\ud800"]
)
def test_any_other_is_refused(client: str) -> None:
    assert refusal(packaged("swell"), client) == "sender_refused"


def test_a_source_may_name_networks_of_its_own() -> None:
    source = packaged("swell", networks=["203.0.113.0/24", "2001:db8::/32"])
    assert source.receive(Webhook({}, BODY, "203.0.113.7"), now_ms=NOW_MS).topic == "order.paid"
    assert source.receive(Webhook({}, BODY, "2001:db8::7"), now_ms=NOW_MS).topic == "order.paid"
    assert refusal(source, "52.52.111.237") == "sender_refused"


def test_with_a_secret_as_well_either_is_enough_and_the_wrong_secret_is_told() -> None:
    source = packaged("swell", secret="right")
    came = Webhook({"authorization": "Bearer right"}, BODY, "203.0.113.7")
    assert source.receive(came, now_ms=NOW_MS).topic == "order.paid"
    assert refusal(source, "203.0.113.7", {"authorization": "Bearer wrong"}) == "signature_mismatch"
    assert refusal(source, "203.0.113.7") == "sender_refused"


def test_a_refused_address_is_kept_and_checked_again_when_the_networks_are_mended() -> None:
    kept = packaged("swell").strip(Webhook({"content-type": "application/json"}, BODY, "203.0.113.7"))
    item = Quarantined(
        QuarantineId(1), "swell", json.dumps(dict(kept.headers)), kept.body, "sender_refused", "", NOW_MS
    )

    with pytest.raises(Refused, match="sender_refused"):
        packaged("swell").recheck(item, lambda _: False)
    mended = packaged("swell", networks=["203.0.113.0/24"])
    assert mended.recheck(item, lambda _: False).topic == "order.paid"


@given(st.text(max_size=30), st.dictionaries(st.sampled_from([":client", "authorization"]), st.text(max_size=30)))
def test_what_a_stranger_says_of_himself_counts_for_nothing(client: str, headers: dict[str, str]) -> None:
    source = packaged("swell")
    came = Webhook({**headers, ":client": "52.52.111.237"}, BODY, client if client not in PUBLISHED else "")
    assert refusal(source, came.client, dict(came.headers)) in ("sender_refused", "signature_mismatch")
    assert source.strip(came).headers[":client"] == came.client
