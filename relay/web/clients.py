"""Who sent a request: the address of the connection, or what trusted proxies say."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class Clients:
    """Believes ``X-Forwarded-For`` as far as it was written by proxies in ``trusted`` networks."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ip_network(network) for network in trusted]

    def address(self, peer: tuple[str, int] | None, forwarded_for: str) -> str:
        """The client's address; empty when it cannot be known.

        Each proxy adds at the right whom it heard from, so the first from there that is no trusted proxy sent it.
        """
        nearest = peer[0] if peer else ""
        if not self._trusted:
            return nearest
        for text in (nearest, *reversed(forwarded_for.split(","))):
            address = _address(text.strip())
            if address is None:
                return ""  # a proxy that is trusted wrote what is no address
            nearest = str(address)
            if not any(address in network for network in self._trusted):
                break
        return nearest


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if "." in text and ":" in text and "::" not in text:
        text = text.partition(":")[0]  # some proxies write the port as well
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
