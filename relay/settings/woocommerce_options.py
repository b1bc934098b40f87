"""The options of a source on WooCommerce."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.values import IN_TEMPLATES, Options, Seconds, Secrets, TopicChoice, WebAddress


def _day(text: str) -> str:
    try:
        # Other forms that are read, 20260314, would not compare with the times of orders.
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass  # said below
    raise ValueError("a day such as 2026-03-14")


Day = Annotated[str, AfterValidator(_day)]
SettlingSeconds = Annotated[int, Field(ge=0, le=86_400)]


class WooCommerceCommerceOptions(Options):
    base_url: WebAddress = Field(description="The shop's address, for example https://shop.example.com; with HTTPS.")
    consumer_key: str = Field(description="Consumer key of the REST API, `ck_…`, that may read.")
    consumer_secret: SecretStr = Field(description="Its consumer secret, `cs_…`.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(5.0, description="Most requests a second.")


class WooCommerceTrackingOptions(Options):
    """Which topics make which tracked event: a topic, a list of topics, or false. The order decides which it is."""

    checkout_started: TopicChoice = Field(["order.created", "order.updated"], description="Checkout Started.")
    order_completed: TopicChoice = Field(["order.created", "order.updated"], description="Order Completed.")
    order_updated: TopicChoice = Field(["order.updated"], description="Order Updated.")
    order_refunded: TopicChoice = Field(["order.updated"], description="Order Refunded.")
    order_cancelled: TopicChoice = Field(["order.updated"], description="Order Cancelled.")
    customer_created: TopicChoice = Field(["customer.created"], description="Identify, for a new customer.")
    customer_updated: TopicChoice = Field(
        ["customer.updated"], description="Identify, for a changed customer; and/or `customer.deleted`."
    )


class WooCommerceOptions(Options):
    platform: Literal["woocommerce"]
    secret: Secrets = Field(
        default_factory=list,
        description="The secret of the webhooks, as typed into WooCommerce; several while rotating.",
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
    anonymous_id_meta: str | None = Field(
        None,
        description="Key of the order's meta data in which the storefront leaves the browser's anonymousId.",
        json_schema_extra=IN_TEMPLATES,
    )
    affiliation: str | None = Field(
        None, description="Shop name put into `affiliation`; else the shop's address.", json_schema_extra=IN_TEMPLATES
    )
    paid_statuses: list[str] = Field(
        ["processing", "completed"],
        description="An order with one of these statuses is Order Completed.",
        json_schema_extra=IN_TEMPLATES,
    )
    paid_by_date: bool = Field(
        True,
        description="So is one with a date of payment, unless it is pending or failed.",
        json_schema_extra=IN_TEMPLATES,
    )
    completed_since: Day | None = Field(
        None,
        description="Orders completed before this day (UTC), such as 2026-03-14, make no Order Completed.",
        json_schema_extra=IN_TEMPLATES,
    )
    settling_s: SettlingSeconds = Field(
        60,
        description="A change this soon after the order was placed or completed belongs to that: no Order Updated.",
        json_schema_extra=IN_TEMPLATES,
    )
    tracking: WooCommerceTrackingOptions = Field(
        default_factory=WooCommerceTrackingOptions, description="Tracked events."
    )
    commerce: WooCommerceCommerceOptions | None = Field(
        None, description="To know what was refunded and when, and for `relay pull` and `relay reconcile`."
    )
