"""The options of a source that gets calls of Segment's specification."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from relay.settings.values import Options, PositiveInt, Secrets, TopicChoice, one_or_many

_ORIGIN = re.compile(r"https?://(?:\*\.)?[^\s/*?#@]+")


def _origins(origins: list[str]) -> list[str]:
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError('origins such as "https://shop.example.com" or "https://*.example.com", without a path')
    return origins


class SegmentTrackingOptions(Options):
    """Which calls make which tracked event: a topic, a list of topics, or false.

    A call's topic is its type; a track call's is ``track:`` and the event's name. What ends in ``*``
    takes all that begin so and that nothing else takes or switches off.
    """

    checkout_started: TopicChoice = Field(["track:Checkout Started"], description="Checkout Started.")
    order_completed: TopicChoice = Field(["track:Order Completed"], description="Order Completed.")
    order_updated: TopicChoice = Field(["track:Order Updated"], description="Order Updated.")
    order_refunded: TopicChoice = Field(["track:Order Refunded"], description="Order Refunded.")
    order_cancelled: TopicChoice = Field(["track:Order Cancelled"], description="Order Cancelled.")
    customer_updated: TopicChoice = Field(["identify"], description="Identify.")
    track: TopicChoice = Field(
        ["track:*"], description="Any other track call; or a list of those wanted, such as `track:Product Added`."
    )
    page: TopicChoice = Field(["page"], description="Page.")
    screen: TopicChoice = Field(["screen"], description="Screen.")
    group: TopicChoice = Field(["group"], description="Group.")
    alias: TopicChoice = Field(["alias"], description="Alias.")


class SegmentSourceOptions(Options):
    platform: Literal["segment"]
    write_key: Secrets = Field(
        default_factory=list,
        description="Accept calls at the tracking API (/v1/batch …) with this write key; several while rotating.",
    )
    secret: Secrets = Field(
        default_factory=list,
        description="Accept webhooks of Segment's webhook destinations, signed with this shared secret.",
    )
    open: bool = Field(
        False, description="Accept webhooks without a signature and calls with any write key. Anyone can then post."
    )
    allowed_origins: Annotated[list[str], BeforeValidator(one_or_many), AfterValidator(_origins)] = Field(
        ["*"],
        description="Web pages that may send calls, such as `https://shop.example.com` or `https://*.example.com`.",
    )
    collect_ip: bool = Field(
        True,
        description="Put a browser's address into `context.ip`; behind a proxy see server.trusted_proxies.",
    )
    max_call_bytes: PositiveInt = Field(32_768, description="A larger call is put into quarantine.")
    max_batch_bytes: PositiveInt = Field(
        512_000, description="A larger request is answered 413; measured before compression."
    )
    ignored: TopicChoice = Field(
        default_factory=list, description="Topics that are not passed on, such as `track:Product Clicked`."
    )
    tracking: SegmentTrackingOptions = Field(default_factory=SegmentTrackingOptions, description="Tracked events.")
