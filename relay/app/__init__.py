"""Builds the relay from its configuration and runs it. The only room that makes concrete things."""

from __future__ import annotations

from relay.app.building import build
from relay.app.clock import now_ms
from relay.app.probing import fetch_keys, probe_commerce, probe_destination, probe_destinations, send_test_record
from relay.app.running import Relay, Role, Signals
from relay.app.serving import serve, taking
from relay.app.stages import build_completer
from relay.opening import existing_journal, open_journal, verifier

__all__ = [
    "Relay",
    "Role",
    "Signals",
    "build",
    "build_completer",
    "existing_journal",
    "fetch_keys",
    "now_ms",
    "open_journal",
    "probe_commerce",
    "probe_destination",
    "probe_destinations",
    "send_test_record",
    "serve",
    "taking",
    "verifier",
]
