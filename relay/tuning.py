"""How a process that works under load is set up."""

from __future__ import annotations

import gc
import sys

GARBAGE_THRESHOLD = 20_000
SWITCH_INTERVAL_S = 0.0005


def tune() -> None:
    """Of the interpreter's settings, the two that count."""
    # What is loaded by now stays; looking through it again and again costs a tenth of the throughput.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    # The journal's threads need the interpreter often and for short; at Python's 5 ms they would wait for it.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
