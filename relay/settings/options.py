"""Every option: type, default, help; secrets are `SecretStr`. Declared here and nowhere else.

The docs page, `relay config` and the environment names are derived from these models.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Topics = list[str]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _one_or_many(value: object) -> object:
    """A single text stands for a list of one; ``false`` for none."""
    if value is False or value is None:
        return []
    return [value] if isinstance(value, str | SecretStr) else value


def _web_address(address: str) -> str:
    """Scheme and host, perhaps with a port and a path; without the scheme, no request could be sent."""
    expected = "an address such as https://api.example.com"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # a malformed port or IPv6 address
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if parts.query or parts.fragment or any(c.isspace() for c in address):
        raise ValueError(f"{expected}, without a query")
    return address


def _path(path: str) -> str:
    if not path.startswith("/") or any(c.isspace() for c in path):
        raise ValueError("a path that begins with /")
    return path


def _journal_url(url: str) -> str:
    """Only SQLite for now; a file name must follow."""
    if not url.startswith("sqlite:///") or url.rstrip("/") == "sqlite:":
        raise ValueError("sqlite:///FILE")
    return url


Secrets = Annotated[list[SecretStr], BeforeValidator(_one_or_many)]
TopicChoice = Annotated[Topics, BeforeValidator(_one_or_many)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class ServerOptions(Options):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: PositiveInt = Field(6 * 1024 * 1024, description="A larger webhook is answered 413.")
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
    timeout_ms: PositiveInt = Field(250, description="Longest time for one rendering.")
    max_depth: PositiveInt = Field(200, description="Deepest recursion in a template.")
    max_sequence: PositiveInt = Field(10_000, description="Longest sequence a template may build.")
    max_output_bytes: PositiveInt = Field(1_000_000, description="Largest result of one rendering.")
    max_memory_mib: PositiveInt = Field(512, ge=128, description="Most memory of the process that renders.")


class JournalOptions(Options):
    url: Annotated[str, AfterValidator(_journal_url)] = Field(
        "sqlite:///relay.db",
        description="`sqlite:///FILE` (relative to the configuration file; four slashes for an absolute path).",
    )
    partitions: int = Field(
        8, ge=1, le=64, description="Lines that work beside each other; fixed when the journal is made."
    )


class RetentionOptions(Options):
    events_days: PositiveInt = Field(30, description="Finished events are dropped after this.")
    dead_days: PositiveInt = Field(90, description="Events with a dead letter are dropped after this.")
    quarantine_days: PositiveInt = Field(30, description="Quarantined requests are dropped after this.")


class CommerceOptions(Options):
    base_url: WebAddress = Field(description="The platform's API, for example https://euwest.api.elasticpath.com.")
    client_id: str = Field(description="OAuth client id.")
    client_secret: SecretStr = Field(description="OAuth client secret.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(10.0, description="Most requests a second.")


class TrackingOptions(Options):
    """Which topics make which tracked event: a topic, a list of topics, or false."""

    checkout_started: TopicChoice = Field(["order.created"], description="Checkout Started; or `order.authorized`.")
    order_completed: TopicChoice = Field(["order.paid"], description="Order Completed; or `order.fulfilled`.")
    order_updated: TopicChoice = Field(["order.updated"], description="Order Updated.")
    order_refunded: TopicChoice = Field(["order.refunded"], description="Order Refunded.")
    order_cancelled: TopicChoice = Field(["order.cancelled"], description="Order Cancelled.")
    customer_created: TopicChoice = Field(["customer.created"], description="Identify, for a new customer.")
    customer_updated: TopicChoice = Field(
        ["customer.updated"], description="Identify, for a changed customer; and/or `customer.deleted`."
    )


class ElasticPathOptions(Options):
    platform: Literal["elasticpath"]
    secret: Secrets = Field(default_factory=list, description="The webhook's secret key; several while rotating.")
    composer_client_secret: Secrets = Field(
        default_factory=list,
        description="Accept webhooks of Composer, which carry base64(SHA-256(client secret)) in the body.",
    )
    open: bool = Field(False, description="Accept webhooks without any secret. Anyone who knows the URL can then post.")
    guest_identity: Literal["email_hash", "email", "order_id"] = Field(
        "email_hash",
        description="How a guest is known: anonymousId from the hashed e-mail, the e-mail as anonymousId, or the order id as userId.",
    )
    affiliation: str | None = Field(None, description="Shop name put into `affiliation`.")
    shipping_skus: list[str] = Field(default_factory=list, description="SKUs of lines that are shipping, not products.")
    tracking: TrackingOptions = Field(default_factory=TrackingOptions, description="Tracked events.")
    commerce: CommerceOptions | None = Field(None, description="To complete thin webhooks and refunds.")


SourceOptions = ElasticPathOptions


class SegmentOptions(Options):
    kind: Literal["segment"]
    host: WebAddress = Field(
        "https://api.segment.io",
        description="API host; for the EU region https://events.eu1.segmentapis.com; or a RudderStack data plane.",
    )
    path: Annotated[str, AfterValidator(_path)] = Field("/v1/batch", description="Path of the batch call.")
    write_key: SecretStr = Field(description="Write key of the Segment source.")
    mode: Literal["live", "test"] = Field(
        "live", description="`test`: everything but the sending; what would be sent is shown and kept."
    )
    start: Literal["now", "beginning"] = Field(
        "now", description="Where a new destination starts: at new calls, or with all the history kept."
    )
    gzip: bool = Field(True, description="Compress requests.")
    timeout_s: Seconds = Field(15.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(100.0, description="Most requests a second.")
    concurrency: PositiveInt = Field(4, description="Most requests at once.")
    max_call_bytes: int = Field(32_000, gt=0, le=32_768, description="Largest call.")
    max_batch_bytes: int = Field(475_000, gt=0, le=500_000, description="Largest request before compression.")
    max_batch_calls: int = Field(100, gt=0, le=2_500, description="Most calls in a request.")


DestinationOptions = SegmentOptions


class RelayOptions(Options):
    """The whole configuration."""

    server: ServerOptions = Field(default_factory=ServerOptions)
    log: LogOptions = Field(default_factory=LogOptions)
    outgoing: OutgoingOptions = Field(default_factory=OutgoingOptions)
    templates: TemplateOptions = Field(default_factory=TemplateOptions)
    journal: JournalOptions = Field(default_factory=JournalOptions)
    retention: RetentionOptions = Field(default_factory=RetentionOptions)
    sources: dict[str, SourceOptions] = Field(
        default_factory=dict, description="By name, which is the last part of the webhook URL."
    )
    destinations: dict[str, DestinationOptions] = Field(default_factory=dict, description="By name.")
