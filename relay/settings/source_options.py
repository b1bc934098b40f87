"""The options of sources: one model a platform.

A field that is marked with `IN_TEMPLATES` is what templates see of it as ``$settings``.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field, SecretStr

from relay.settings.values import Options, Seconds, Secrets, TopicChoice, WebAddress

IN_TEMPLATES: dict[str, Any] = {"in_templates": True}


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
        description=(
            "How a guest is known: anonymousId from the hashed e-mail, the e-mail as anonymousId,"
            " or the order id as userId."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    affiliation: str | None = Field(
        None, description="Shop name put into `affiliation`.", json_schema_extra=IN_TEMPLATES
    )
    shipping_skus: list[str] = Field(
        default_factory=list,
        description="SKUs of lines that are shipping, not products.",
        json_schema_extra=IN_TEMPLATES,
    )
    tracking: TrackingOptions = Field(default_factory=TrackingOptions, description="Tracked events.")
    commerce: CommerceOptions | None = Field(None, description="To complete thin webhooks and refunds.")


SourceOptions: TypeAlias = ElasticPathOptions
