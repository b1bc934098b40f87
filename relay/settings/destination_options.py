"""The options of destinations: one model a kind.

A field that is marked with `IN_TEMPLATES` is what mappings see of it as ``$settings``.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.values import Options, PositiveInt, Seconds, WebAddress, url_path


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


class SegmentOptions(EveryDestinationOptions):
    kind: Literal["segment"]
    host: WebAddress = Field(
        "https://api.segment.io",
        description="API host; for the EU region https://events.eu1.segmentapis.com; or a RudderStack data plane.",
    )
    path: Annotated[str, AfterValidator(url_path)] = Field("/v1/batch", description="Path of the batch call.")
    write_key: SecretStr = Field(description="Write key of the Segment source.")
    gzip: bool = Field(True, description="Compress requests.")
    max_call_bytes: int = Field(32_000, gt=0, le=32_768, description="Largest call.")
    max_batch_bytes: int = Field(475_000, gt=0, le=500_000, description="Largest request before compression.")
    max_batch_calls: int = Field(100, gt=0, le=2_500, description="Most calls in a request.")


DestinationOptions: TypeAlias = SegmentOptions
