"""The options that destinations of all kinds have; each kind has a file of its own beside this.

A field that is marked with `IN_TEMPLATES` is what mappings see of it as ``$settings``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relay.settings.values import Options, PositiveInt, Seconds


class EveryDestinationOptions(Options):
    """What destinations of all kinds have."""

    mode: Literal["live", "test"] = Field(
        "live", description="`test`: everything but the sending; what would be sent is shown and kept."
    )
    start: Literal["now", "beginning"] = Field(
        "now", description="Where a new destination starts: at new calls, or with all the history kept."
    )
    sources: list[str] | None = Field(None, description="Only calls of these sources; others are skipped.")
    tracked_events: list[str] | None = Field(
        None, description="Only calls of these tracked events; others are skipped."
    )
    when: str | None = Field(
        None,
        description=(
            "Only calls of which this JSONata expression is true, for example `properties.total > 0`;"
            " it sees what a mapping sees."
        ),
    )
    timeout_s: Seconds = Field(15.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(100.0, description="Most requests a second.")
    concurrency: PositiveInt = Field(4, description="Most requests at once.")
