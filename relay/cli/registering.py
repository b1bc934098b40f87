"""The step of `relay init` that is the platform's: how the URL gets into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from relay.settings.options import RelayOptions
from relay.settings.packaged import packaged_declarations
from relay.settings.tables import variants

EVENTS_PER_INTEGRATION = 5
"""Elastic Path refuses an integration that observes more (Commerce Manager, Integrations)."""


def registration(platform: str, url: str, file: Path) -> str:
    """Lines of a numbered step, for the topics that are tracked by default."""
    steps = {
        "elasticpath": _elasticpath,
        "segment": _segment,
        "shopify": _shopify,
        "bigcommerce": _bigcommerce,
        "woocommerce": _woocommerce,
    }
    lines = steps.get(platform, _declared)(url, f"{file}, [sources.{platform}]", topics(platform))
    return "\n".join(lines)


def topics(platform: str) -> Sequence[str]:
    """Each topic that a tracked event takes by default, once."""
    declared = packaged_declarations().get(platform)
    if declared is not None:
        tracking = declared.tracking
    else:
        model = variants(RelayOptions.model_fields["sources"])[platform]
        tracking = model.model_fields["tracking"].get_default(call_default_factory=True).model_dump()
    return list(dict.fromkeys(topic for chosen in tracking.values() for topic in chosen))


def _elasticpath(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    """Elastic Path needs an integration for every five topics."""
    groups = [topics[at : at + EVENTS_PER_INTEGRATION] for at in range(0, len(topics), EVENTS_PER_INTEGRATION)]
    return (
        f"  2. In Commerce Manager, make {len(groups)} integrations of the type webhook (one takes at most "
        f"{EVENTS_PER_INTEGRATION} events):",
        f"       URL         {url}",
        f"       secret key  the `secret` in {table}",
        *(f"       events {number}    {', '.join(group)}" for number, group in enumerate(groups, 1)),
    )


def _shopify(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    return (
        "  2. Subscribe the webhooks, in the app's shopify.app.toml or in the shop's admin (Settings, Notifications):",
        f"       URL     {url}",
        f"       secret  the app's client secret, or the one the admin shows, goes into {table}",
        f"       topics  {', '.join(topics)}",
    )


def _bigcommerce(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    return (
        "  2. Make a store-level API account; its token goes into [sources.bigcommerce.commerce]. With it, make",
        "     a webhook for each scope (POST /v3/hooks; docs/sources.md has the command):",
        f"       destination  {url}",
        f'       headers      {{"X-Relay-Secret": the `secret` in {table}}}',
        *(f"       {'scopes' if number == 0 else '':<12} {topic}" for number, topic in enumerate(topics)),
    )


def _segment(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    host = url.removesuffix(urlsplit(url).path)
    return (
        "  2. Point Segment's libraries at the relay; docs/sources.md shows how in each language:",
        f"       host       {host}",
        f"       write key  the `write_key` in {table}",
        "     or let a webhook destination of Segment post to the relay:",
        f"       URL            {url}",
        f"       shared secret  goes into {table} as `secret`",
    )


def _woocommerce(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    """In WooCommerce a webhook has one topic."""
    return (
        f"  2. In WooCommerce (Settings, Advanced, Webhooks), add {len(topics)} webhooks, one for each topic:",
        "       status        Active",
        f"       topics        {', '.join(topics)}",
        f"       delivery URL  {url}",
        f"       secret        the `secret` in {table}",
        "       API version   WP REST API Integration v3",
    )


def _declared(url: str, table: str, topics: Sequence[str]) -> Sequence[str]:
    return (
        "  2. Register the webhook in the platform; docs/sources.md tells what it needs:",
        f"       URL     {url}",
        f"       secret  what the platform gives or signs with goes into {table}",
        f"       topics  {', '.join(topics)}",
    )
