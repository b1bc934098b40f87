"""Destinations: each kind is one file and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from relay.destinations.contract import Destination, Evaluator, Mapped
from relay.destinations.everflow import Everflow
from relay.destinations.http import Http
from relay.destinations.ometria import Ometria
from relay.destinations.segment import Segment
from relay.destinations.segmentify import Segmentify
from relay.destinations.segmetrics import SegMetrics
from relay.settings.options import DestinationOptions, HttpOptions

_KINDS = (Everflow, Http, Ometria, Segment, Segmentify, SegMetrics)

KINDS: Mapping[str, Callable[..., Destination]] = MappingProxyType({kind.kind: kind for kind in _KINDS})
MAPPED: Mapping[str, Mapped] = MappingProxyType({kind.kind: kind.mapped for kind in _KINDS})
"""Whether calls for destinations of a kind go through a mapping."""

HISTORY: Mapping[str, str] = MappingProxyType({})
"""What a person should know, by kind, before calls of long ago are sent there."""


def build_destination(name: str, options: DestinationOptions, evaluator: Evaluator) -> Destination:
    """The destination of the kind its options name; a declared one works by ``evaluator``.

    Raises RelayError for options that cannot work.
    """
    if isinstance(options, HttpOptions):
        return Http(name, options, evaluator)
    return KINDS[options.kind](name, options)
