"""The wall clock, read here only."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The wall clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000
