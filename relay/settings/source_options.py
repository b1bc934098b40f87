"""The options of sources: one model a platform.

A field that is marked with `IN_TEMPLATES` is what templates see of it as ``$settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, SecretStr, Tag

from relay.settings.bigcommerce_options import BigCommerceOptions
from relay.settings.declared_options import DeclaredOptions
from relay.settings.saleor_options import SaleorOptions
from relay.settings.segment_source_options import SegmentSourceOptions
from relay.settings.values import (
    GIVEN_BY_PLATFORM,
    IN_TEMPLATES,
    Options,
    Seconds,
    Secrets,
    TopicChoice,
    WebAddress,
)
from relay.settings.woocommerce_options import WooCommerceOptions


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
    product_created: TopicChoice = Field([], description="Product Created: `product.created`; off by default.")
    product_updated: TopicChoice = Field([], description="Product Updated: `product.updated`; off by default.")
    product_deleted: TopicChoice = Field([], description="Product Deleted: `product.deleted`; off by default.")


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


def _shopify_topics(topics: list[str]) -> list[str]:
    """Without those whose body no order or customer template understands."""
    for topic in topics:
        if topic in SHOPIFY_NEVER_TRACKED:
            raise ValueError(f"other topics than {topic}, {SHOPIFY_NEVER_TRACKED[topic]}")
    return topics


SHOPIFY_NEVER_TRACKED = {
    "orders/edited": "which tells of an edit and holds no order; orders/updated comes beside it",
    "customers/data_request": "which is about privacy and never tracked",
    "customers/redact": "which is about privacy and never tracked",
    "shop/redact": "which is about privacy and never tracked",
}
"""Topics that no tracked event may take, and why."""

ShopifyTopics = Annotated[TopicChoice, AfterValidator(_shopify_topics)]


class ShopifyTrackingOptions(Options):
    """Which topics make which tracked event: a topic, a list of topics, or false."""

    checkout_started: ShopifyTopics = Field(["checkouts/create"], description="Checkout Started.")
    order_completed: ShopifyTopics = Field(["orders/paid"], description="Order Completed; or `orders/create`.")
    order_updated: ShopifyTopics = Field(["orders/updated"], description="Order Updated.")
    order_refunded: ShopifyTopics = Field(["refunds/create"], description="Order Refunded.")
    order_cancelled: ShopifyTopics = Field(["orders/cancelled"], description="Order Cancelled.")
    customer_created: ShopifyTopics = Field(["customers/create"], description="Identify, for a new customer.")
    customer_updated: ShopifyTopics = Field(
        ["customers/update"], description="Identify, for a changed customer; and/or `customers/delete`."
    )
    product_created: ShopifyTopics = Field([], description="Product Created: `products/create`; off by default.")
    product_updated: ShopifyTopics = Field([], description="Product Updated: `products/update`; off by default.")
    product_deleted: ShopifyTopics = Field([], description="Product Deleted: `products/delete`; off by default.")


class ShopifyCommerceOptions(Options):
    base_url: WebAddress = Field(
        description="The shop's Admin API with its version: https://<shop>.myshopify.com/admin/api/2026-10."
    )
    token: SecretStr = Field(description="Access token of an app with the scope read_orders.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(2.0, description="Most requests a second.")


class ShopifyOptions(Options):
    platform: Literal["shopify"]
    secret: Secrets = Field(
        default_factory=list,
        description="The app's client secret, or the one that the shop's admin shows; several while rotating.",
        json_schema_extra=GIVEN_BY_PLATFORM,
    )
    open: bool = Field(
        False, description="Accept webhooks without a signature. Anyone who knows the URL can then post."
    )
    guest_identity: Literal["email_hash", "email", "cart_token", "order_id"] = Field(
        "email_hash",
        description=(
            "How a guest is known: anonymousId from the hashed e-mail, the e-mail as it is, or the hashed cart token;"
            " or the order id as userId."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    anonymous_id_attribute: str | None = Field(
        None,
        description="Name of the note attribute in which the storefront leaves the browser's anonymousId.",
        json_schema_extra=IN_TEMPLATES,
    )
    affiliation: str | None = Field(
        None, description="Shop name put into `affiliation`; else the shop's domain.", json_schema_extra=IN_TEMPLATES
    )
    test_orders: bool = Field(
        False, description="Track orders that Shopify marks as tests, too.", json_schema_extra=IN_TEMPLATES
    )
    tracking: ShopifyTrackingOptions = Field(default_factory=ShopifyTrackingOptions, description="Tracked events.")
    commerce: ShopifyCommerceOptions | None = Field(
        None, description="The shop's API, for `relay pull` and `relay reconcile`; webhooks are whole without it."
    )


WITH_CODE = ("bigcommerce", "elasticpath", "saleor", "segment", "shopify", "woocommerce")
"""Platforms that have a source of their own; any other is declared by data."""
DECLARED = "declared"


def _variant(options: Any) -> str:
    platform = options.get("platform") if isinstance(options, Mapping) else getattr(options, "platform", None)
    return platform if platform in WITH_CODE else DECLARED


SourceOptions: TypeAlias = Annotated[
    Annotated[ElasticPathOptions, Tag("elasticpath")]
    | Annotated[SegmentSourceOptions, Tag("segment")]
    | Annotated[ShopifyOptions, Tag("shopify")]
    | Annotated[BigCommerceOptions, Tag("bigcommerce")]
    | Annotated[WooCommerceOptions, Tag("woocommerce")]
    | Annotated[SaleorOptions, Tag("saleor")]
    | Annotated[DeclaredOptions, Tag(DECLARED)],
    Discriminator(_variant),
]
