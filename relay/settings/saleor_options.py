"""The options of a Saleor source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relay.settings.values import AUTHENTICATES, IN_TEMPLATES, Options, Secrets, TopicChoice, WebAddress


class SaleorTrackingOptions(Options):
    """Which events make which tracked event: an event, a list of events, or false."""

    checkout_started: TopicChoice = Field(["order_created"], description="Checkout Started.")
    order_completed: TopicChoice = Field(["order_fully_paid"], description="Order Completed; or `order_confirmed`.")
    order_updated: TopicChoice = Field(["order_updated"], description="Order Updated.")
    order_refunded: TopicChoice = Field(
        ["order_refunded", "order_fully_refunded"], description="Order Refunded, for each refund."
    )
    order_cancelled: TopicChoice = Field(["order_cancelled"], description="Order Cancelled.")
    customer_created: TopicChoice = Field(["customer_created"], description="Identify, for a new customer.")
    customer_updated: TopicChoice = Field(["customer_updated"], description="Identify, for a changed customer.")


class SaleorOptions(Options):
    platform: Literal["saleor"]
    api_url: WebAddress | None = Field(
        None,
        description="The store's API, https://your-store.saleor.cloud/graphql/; its public keys are fetched from it.",
        json_schema_extra=AUTHENTICATES,
    )
    secret: Secrets = Field(
        default_factory=list,
        description="The webhook's secretKey, which Saleor has deprecated; several while rotating.",
    )
    open: bool = Field(
        False, description="Accept webhooks without a signature. Anyone who knows the URL can then post."
    )
    guest_identity: Literal["email_hash", "email", "order_id"] = Field(
        "email_hash",
        description=(
            "How a guest is known: anonymousId from the hashed e-mail, the e-mail as anonymousId,"
            " or the order id as userId."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    order_id: Literal["number", "id"] = Field(
        "number",
        description="What `order_id` is: the order's number, or its global id.",
        json_schema_extra=IN_TEMPLATES,
    )
    affiliation: str | None = Field(
        None, description="Shop name put into `affiliation`; else the channel.", json_schema_extra=IN_TEMPLATES
    )
    tracking: SaleorTrackingOptions = Field(default_factory=SaleorTrackingOptions, description="Tracked events.")
