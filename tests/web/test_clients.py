"""Whose address a request is taken to come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.web.clients import Clients

PROXIES = ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # what a client claims stands further left
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "2001:db9::7", "2001:db9::7"),
        ("10.0.0.1", "[2001:db9::7]", "2001:db9::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "unknown", ""),
        ("10.0.0.1", "203.0.113.7, unknown", ""),
        ("203.0.113.9", "203.0.113.7", "203.0.113.9"),  # no proxy of ours: what it says is not believed
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
    ],
)
def test_trusted_proxies_are_believed_and_no_others(peer: str, forwarded_for: str, address: str) -> None:
    assert Clients(PROXIES).address((peer, 1), forwarded_for) == address


def test_by_default_nobody_is_believed() -> None:
    assert Clients(()).address(("127.0.0.1", 1), "203.0.113.7") == "127.0.0.1"
    assert Clients(()).address(None, "203.0.113.7") == ""


addresses = st.ip_addresses().map(str) | st.text(max_size=20)


@given(claimed=st.lists(addresses, max_size=4), client=st.ip_addresses(v=4).map(str))
def test_no_claim_of_a_client_hides_the_address_that_our_proxy_saw(claimed: list[str], client: str) -> None:
    clients = Clients(["10.0.0.1"])
    if client != "10.0.0.1":
        assert clients.address(("10.0.0.1", 1), ",".join([*claimed, client])) == client
