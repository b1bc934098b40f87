"""The options of `segment` destinations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import Seconds, WebAddress, url_path


class SegmentOptions(EveryDestinationOptions):
    kind: Literal["segment"]
    host: WebAddress = Field(
        "https://api.segment.io",
        description="API host; for the EU region https://events.eu1.segmentapis.com; or a RudderStack data plane.",
    )
    path: Annotated[str, AfterValidator(url_path)] = Field("/v1/batch", description="Path of the batch call.")
    write_key: SecretStr = Field(description="Write key of the Segment source.")
    caller_message_ids: Literal["auto", "keep", "derive"] = Field(
        "auto",
        description=(
            "Of calls that came by the tracking API `keep` sends the caller's `messageId`, `derive` one of this"
            " destination's own; `auto` keeps it at the first live destination only, since Segment takes an id once."
        ),
    )
    requests_per_second: Seconds = Field(
        400.0, description="Most requests a second; Segment allows 1,000 to a workspace, of all its senders together."
    )
    gzip: bool = Field(True, description="Compress requests.")
    max_call_bytes: int = Field(32_000, gt=0, le=32_768, description="Largest call.")
    max_batch_bytes: int = Field(475_000, gt=0, le=500_000, description="Largest request before compression.")
    max_batch_calls: int = Field(100, gt=0, le=2_500, description="Most calls in a request.")
