"""The options of Everflow as destination."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import IN_TEMPLATES, Seconds, WebAddress, paths


class EverflowOptions(EveryDestinationOptions):
    kind: Literal["everflow"]
    tracking_domain: WebAddress = Field(
        description="The account's Global Postback URL without its query: https://www.trkexample.com."
    )
    nid: int = Field(gt=0, description="Network id of the account, the `nid` of that URL.")
    verification_token: SecretStr | None = Field(None, description="If the advertiser or offer has one.")
    events: dict[str, Annotated[int, Field(ge=0)]] = Field(
        {"Order Completed": 0},
        description="Advertiser event id by name of the call's event; 0 is the base conversion. Others are skipped.",
        json_schema_extra=IN_TEMPLATES,
    )
    click_id_paths: Annotated[list[str], AfterValidator(paths)] = Field(
        [
            "payload.data.everflow_transaction_id",
            "note_attributes.everflow_transaction_id",
            "everflow_transaction_id",
        ],
        description=(
            "Where in the webhook the shop keeps the click's transaction id, for calls whose `context.referrer` has"
            " none. A step may name a pair in a list of names and values. Without one a call is skipped."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    amount_from: Literal["total", "revenue", "subtotal"] = Field(
        "total", description="Which sum is the `amount` that payouts are reckoned by.", json_schema_extra=IN_TEMPLATES
    )
    send_email: bool = Field(
        False,
        description="Send the buyer's e-mail address. It travels in the URL, and URLs end up in logs.",
        json_schema_extra=IN_TEMPLATES,
    )
    send_order: bool = Field(
        False,
        description="Send the lines as `order`; that the postback reads them is not documented.",
        json_schema_extra=IN_TEMPLATES,
    )
    partial_refund: Literal["skip", "reverse"] = Field(
        "skip",
        description="Everflow reverses whole conversions only: what is done when a part was refunded.",
        json_schema_extra=IN_TEMPLATES,
    )
    no_content: Literal["reject", "accept"] = Field(
        "reject", description="What an answer 204 means: that the conversion is rejected, or that it is taken."
    )
    max_age_s: Annotated[float, Field(gt=0, le=400 * 86_400)] = Field(
        30 * 86_400.0, description="Older calls are skipped: they are beyond what Everflow looks back to."
    )
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(20.0, description="Most requests a second.")
