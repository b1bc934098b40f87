"""The options of a BigCommerce source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.declaration import Header
from relay.settings.values import IN_TEMPLATES, NEEDED, Options, Seconds, Secrets, TopicChoice, WebAddress

LAST_STATUS = 14


def _statuses(chosen: list[int]) -> list[int]:
    if not all(0 <= status <= LAST_STATUS for status in chosen):
        raise ValueError(f"ids of order statuses, 0 to {LAST_STATUS}")
    return chosen


Statuses = Annotated[list[int], AfterValidator(_statuses)]


class BigCommerceCommerceOptions(Options):
    base_url: WebAddress = Field(description="The store's API: https://api.bigcommerce.com/stores/<store hash>.")
    token: SecretStr = Field(description="Access token of a store-level API account.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(
        5.0, description="Most requests a second; the smaller plans allow 150 in 30 seconds."
    )


class BigCommerceTrackingOptions(Options):
    """Which scopes make which tracked event: a scope, a list of scopes, or false."""

    checkout_started: TopicChoice = Field(
        ["store/order/created"], description="Checkout Started; or `store/cart/created`."
    )
    order_completed: TopicChoice = Field(
        ["store/order/created", "store/order/statusUpdated"],
        description="Order Completed, when the status is one of completed_statuses.",
    )
    order_updated: TopicChoice = Field(["store/order/updated"], description="Order Updated.")
    order_refunded: TopicChoice = Field(
        ["store/order/refund/created", "store/order/statusUpdated"],
        description="Order Refunded, for each refund; of a change of status, when it is one of refunded_statuses.",
    )
    order_cancelled: TopicChoice = Field(
        ["store/order/statusUpdated"], description="Order Cancelled, when the status is one of cancelled_statuses."
    )
    customer_created: TopicChoice = Field(["store/customer/created"], description="Identify, for a new customer.")
    customer_updated: TopicChoice = Field(
        ["store/customer/updated"], description="Identify, for a changed customer; and/or `store/customer/deleted`."
    )


class BigCommerceOptions(Options):
    platform: Literal["bigcommerce"]
    secret: Secrets = Field(
        default_factory=list, description="Value of the custom header secret_header; several while rotating."
    )
    secret_header: Header = Field("x-relay-secret", description="The custom header with which the webhook is created.")
    client_secret: Secrets = Field(
        default_factory=list,
        description="Accept BigCommerce's own signature: the client secret of the API account that made the webhook.",
    )
    tolerance_s: Seconds = Field(300.0, description="How far a signed time may be from the relay's clock.")
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
    completed_statuses: Statuses = Field(
        [2, 3, 8, 9, 10, 11],
        description="Order statuses that mean paid or confirmed: the first of them makes Order Completed.",
        json_schema_extra=IN_TEMPLATES,
    )
    cancelled_statuses: Statuses = Field(
        [5, 6], description="Order statuses that make Order Cancelled.", json_schema_extra=IN_TEMPLATES
    )
    refunded_statuses: Statuses = Field(
        [4, 14],
        description="Order statuses that make Order Refunded, for each refund not told yet.",
        json_schema_extra=IN_TEMPLATES,
    )
    tracking: BigCommerceTrackingOptions = Field(
        default_factory=BigCommerceTrackingOptions, description="Tracked events."
    )
    commerce: BigCommerceCommerceOptions | None = Field(
        None,
        description="The store's API. Webhooks hold ids only: without it no order or customer makes a call.",
        json_schema_extra=NEEDED,
    )
