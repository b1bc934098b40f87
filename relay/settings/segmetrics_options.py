"""The options of SegMetrics as destination."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import IN_TEMPLATES, PositiveInt, Seconds, WebAddress, paths


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone of the IANA database, such as America/Los_Angeles") from None
    return name


Paths = Annotated[list[str], AfterValidator(paths)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SegMetricsOptions(EveryDestinationOptions):
    kind: Literal["segmetrics"]
    account_id: Identifier = Field(description="Account ID, from Settings, Integrations, API.")
    integration_id: Identifier = Field(description="Integration ID, from the same page.")
    api_key: SecretStr = Field(description="API key, from the same page.")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        description="The shop's time zone, such as America/Los_Angeles: SegMetrics takes times of the shop.",
        json_schema_extra=IN_TEMPLATES,
    )
    currency: str | None = Field(
        None,
        pattern=r"^[A-Z]{3}$",
        description=(
            "The account's currency; calls in another are skipped, unless there is a rate for it."
            " Unset: all amounts go as they are, for SegMetrics knows no currency."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    rates: dict[str, Rate] = Field(
        default_factory=dict,
        description="Currency → what one unit of it is worth in the account's, for example `{ USD = 0.92 }`.",
        json_schema_extra=IN_TEMPLATES,
    )
    minor_units: Literal["x100", "iso"] = Field(
        "x100",
        description="What an amount is counted in: hundredths in all currencies, or the currency's own minor units.",
        json_schema_extra=IN_TEMPLATES,
    )
    checkout_contacts: bool = Field(
        False, description="Make a contact at Checkout Started already.", json_schema_extra=IN_TEMPLATES
    )
    refund_without_total: Literal["skip", "whole"] = Field(
        "skip",
        description="What a refund means that does not tell how much: nothing, or that the whole order was refunded.",
        json_schema_extra=IN_TEMPLATES,
    )
    cancelled_orders: Literal["refund", "delete"] = Field(
        "refund",
        description="A cancelled order is marked as refunded with nothing paid; or deleted, which cannot be undone.",
        json_schema_extra=IN_TEMPLATES,
    )
    deleted_customers: Literal["keep", "delete"] = Field(
        "keep", description="Whether a customer deleted in the shop is deleted there.", json_schema_extra=IN_TEMPLATES
    )
    custom_fields: list[str] = Field(
        default_factory=list,
        description="Traits that go into the contact's `custom_fields`.",
        json_schema_extra=IN_TEMPLATES,
    )
    order_time_paths: Paths = Field(
        ["payload.data.meta.timestamps.created_at", "created_at", "date_created_gmt", "date_created"],
        description="Where in the webhook of an order stands when it was placed, for orders of which no call is kept.",
        json_schema_extra=IN_TEMPLATES,
    )
    host: WebAddress = Field("https://import.segmetrics.io", description="API host.")
    max_record_bytes: PositiveInt = Field(1_000_000, description="Largest contact or invoice.")
    timeout_s: Seconds = Field(20.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(5.0, description="Most requests a second.")
    concurrency: PositiveInt = Field(1, description="Most requests at once.")
