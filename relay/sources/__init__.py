"""Where webhooks come from: one file a platform, all listed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from relay.settings.options import SourceOptions
from relay.sources.contract import Source
from relay.sources.elasticpath import ElasticPath
from relay.sources.shopify import Shopify

PLATFORMS: Mapping[str, Callable[[Any], Source]] = {
    "elasticpath": ElasticPath,
    "shopify": Shopify,
}


def build_source(name: str, options: SourceOptions) -> Source:
    """The source that is configured under ``[sources.<name>]``."""
    return PLATFORMS[options.platform](options)
