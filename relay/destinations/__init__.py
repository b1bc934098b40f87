"""Destinations: each kind is one file and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from relay.destinations.contract import Destination
from relay.destinations.segment import Segment
from relay.settings.options import DestinationOptions

KINDS: Mapping[str, Callable[[str, DestinationOptions], Destination]] = MappingProxyType(
    {
        "segment": Segment,
    }
)


def build_destination(name: str, options: DestinationOptions) -> Destination:
    """The destination of the kind its options name. Raises RelayError for options that cannot work."""
    return KINDS[options.kind](name, options)
