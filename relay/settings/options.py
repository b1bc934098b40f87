"""Every option: type, default, help; secrets are `SecretStr`. Declared here and in the files beside, nowhere else.

The docs page, `relay config` and the environment names are derived from these models.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from relay.settings.declared_options import DeclaredOptions
from relay.settings.everflow_options import EverflowOptions
from relay.settings.http_options import HttpOptions
from relay.settings.ometria_options import OmetriaOptions
from relay.settings.segment_options import SegmentOptions
from relay.settings.segmentify_options import SegmentifyOptions
from relay.settings.segmetrics_options import SegMetricsOptions
from relay.settings.source_options import CommerceOptions, ElasticPathOptions, SourceOptions, TrackingOptions
from relay.settings.values import Network, Options, PositiveInt, Seconds, journal_url

__all__ = [
    "CommerceOptions",
    "DeclaredOptions",
    "DestinationOptions",
    "ElasticPathOptions",
    "EverflowOptions",
    "HttpOptions",
    "OmetriaOptions",
    "RelayOptions",
    "SegMetricsOptions",
    "SegmentOptions",
    "SegmentifyOptions",
    "SourceOptions",
    "TrackingOptions",
]


DestinationOptions: TypeAlias = Annotated[
    EverflowOptions | HttpOptions | OmetriaOptions | SegmentOptions | SegmentifyOptions | SegMetricsOptions,
    Field(discriminator="kind"),
]
"""One model a kind."""


class ServerOptions(Options):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    trusted_proxies: list[Network] = Field(
        default_factory=list,
        description="Networks of proxies that are believed what `X-Forwarded-For` says; without any, nobody is.",
    )
    max_body_bytes: PositiveInt = Field(6 * 1024 * 1024, description="A larger webhook is answered 413.")
    processes: int = Field(
        1, ge=1, le=2, description="2: webhooks are taken in one process, and rendered and delivered in another."
    )
    shutdown_s: Seconds = Field(10.0, description="How long SIGTERM waits for work in hand.")


class LogOptions(Options):
    format: Literal["auto", "human", "json"] = Field("auto", description="`auto` is human on a terminal, else JSON.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")


class OutgoingOptions(Options):
    allow_private: bool = Field(
        False, description="Allow destinations and commerce APIs on private or loopback addresses."
    )
    ca_file: str | None = Field(None, description="File of further certificate authorities (PEM).")
    max_answer_bytes: PositiveInt = Field(65_536, description="An answer is read up to here.")


class TemplateOptions(Options):
    folder: str = Field(
        "templates",
        description="Your templates, laid over the packaged ones file by file; relative to the configuration file; need not exist.",
    )
    strict: bool = Field(
        False,
        description="Refuse a call that departs from Segment's specification or your tracking plan; else it is sent with a warning.",
    )
    timeout_ms: PositiveInt = Field(250, description="Longest time for one rendering.")
    max_depth: PositiveInt = Field(200, description="Deepest recursion in a template.")
    max_sequence: PositiveInt = Field(10_000, description="Longest sequence a template may build.")
    max_output_bytes: PositiveInt = Field(1_000_000, description="Largest result of one rendering.")
    max_memory_mib: PositiveInt = Field(512, ge=128, description="Most memory of the process that renders.")


class JournalOptions(Options):
    url: Annotated[str, AfterValidator(journal_url)] = Field(
        "sqlite:///relay.db",
        description="`sqlite:///FILE` (relative to the configuration file; four slashes for an absolute path), or `postgresql://…` for several nodes.",
    )
    partitions: int = Field(
        8, ge=1, le=64, description="Lines that work beside each other; fixed when the journal is made."
    )
    connections: int = Field(
        8, ge=2, le=64, description="Most connections to PostgreSQL for the work; a node opens five more."
    )


class RetentionOptions(Options):
    events_days: PositiveInt = Field(30, description="Finished events are dropped after this.")
    bodies_days: PositiveInt | None = Field(
        None,
        description="Bodies and rendered calls of finished events are dropped after this already; they cannot be replayed then.",
    )
    dead_days: PositiveInt = Field(90, description="Events with a dead letter are dropped after this.")
    quarantine_days: PositiveInt = Field(30, description="Quarantined requests are dropped after this.")


class HistoryOptions(Options):
    replay_per_second: Seconds = Field(200.0, description="Most events a second that `relay replay` adds.")
    backfill_per_second: Seconds = Field(
        500.0, description="Most events a second that `relay backfill` and `relay pull` add."
    )


class RelayOptions(Options):
    """The whole configuration."""

    server: ServerOptions = Field(default_factory=ServerOptions)
    log: LogOptions = Field(default_factory=LogOptions)
    outgoing: OutgoingOptions = Field(default_factory=OutgoingOptions)
    templates: TemplateOptions = Field(default_factory=TemplateOptions)
    journal: JournalOptions = Field(default_factory=JournalOptions)
    retention: RetentionOptions = Field(default_factory=RetentionOptions)
    history: HistoryOptions = Field(default_factory=HistoryOptions)
    sources: dict[str, SourceOptions] = Field(
        default_factory=dict, description="By name, which is the last part of the webhook URL."
    )
    destinations: dict[str, DestinationOptions] = Field(default_factory=dict, description="By name.")
