"""Lists of past orders, platform by platform: how to ask for them, and what they tell. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from relay.sources.history.bigcommerce import BigCommerceHistory
from relay.sources.history.contract import Fact, History, Page
from relay.sources.history.elasticpath import ElasticPathHistory
from relay.sources.history.shopify import ShopifyHistory
from relay.sources.history.woocommerce import WooCommerceHistory

__all__ = ["HISTORIES", "Fact", "History", "Page"]

HISTORIES: Mapping[str, Callable[[], History]] = MappingProxyType(
    {
        "bigcommerce": BigCommerceHistory,
        "elasticpath": ElasticPathHistory,
        "shopify": ShopifyHistory,
        "woocommerce": WooCommerceHistory,
    }
)
"""By platform; others have no list that the relay can ask for."""
