"""Where webhooks come from: one file a platform, all listed here, and those that are declared by data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from relay.settings.options import DeclaredOptions, SourceOptions
from relay.sources.bigcommerce import BigCommerce
from relay.sources.contract import Evaluator, Source
from relay.sources.declared.source import DeclaredSource
from relay.sources.elasticpath import ElasticPath
from relay.sources.saleor import Saleor
from relay.sources.segment.source import Segment
from relay.sources.shopify import Shopify
from relay.sources.woocommerce import WooCommerce

PLATFORMS: Mapping[str, Callable[[Any], Source]] = {
    "bigcommerce": BigCommerce,
    "elasticpath": ElasticPath,
    "saleor": Saleor,
    "segment": Segment,
    "shopify": Shopify,
    "woocommerce": WooCommerce,
}


def build_source(name: str, options: SourceOptions, evaluator: Evaluator) -> Source:
    """The source that is configured under ``[sources.<name>]``; a declared one reads by ``evaluator``."""
    if isinstance(options, DeclaredOptions):
        return DeclaredSource(options, evaluator)
    return PLATFORMS[options.platform](options)
