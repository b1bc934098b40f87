"""The options of Segmentify as destination."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import IN_TEMPLATES, PositiveInt, Seconds, WebAddress, paths

Paths = Annotated[list[str], AfterValidator(paths)]


class SegmentifyOptions(EveryDestinationOptions):
    kind: Literal["segmentify"]
    data_center: WebAddress = Field(
        description="Data center of the account, from its panel under Settings, Integrations: https://dce1.segmentify.com."
    )
    api_key: SecretStr = Field(description="API key of the account, from the same page.")
    origin: WebAddress = Field(
        description="The shop's domain as registered with Segmentify, with its scheme: https://www.shop.example."
    )
    page_url: WebAddress | None = Field(None, description="`pageUrl` of all events; else the origin.")
    device: Literal["PC", "TABLET", "MOBILE", "ANDROID", "IOS"] = Field("PC", description="`device` of all events.")
    lang: str | None = Field(None, min_length=2, description="`lang` of all events, such as `EN`.")
    product_id: Literal["product_id", "sku"] = Field(
        "product_id",
        description="Which of the two is `productId`; the storefront must send the same in PRODUCT_VIEW.",
        json_schema_extra=IN_TEMPLATES,
    )
    user_id_paths: Paths = Field(
        ["payload.data.segmentify_user_id", "note_attributes.segmentify_user_id", "segmentify_user_id"],
        description=(
            "Where in the webhook the shop keeps the visitor's Segmentify key; the first that is there is the `userId`."
            " A step may name a pair in a list of names and values. Else `userId` is derived from the customer."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    session_id_paths: Paths = Field(
        ["payload.data.segmentify_session_id", "note_attributes.segmentify_session_id", "segmentify_session_id"],
        description="The same for the key of the visit, `sessionId`; else it is derived from the order.",
        json_schema_extra=IN_TEMPLATES,
    )
    session_ids: Literal["derived", "fetched"] = Field(
        "derived",
        description=(
            "Where `sessionId` comes from when the order has none: one an order, derived from its id; or one an event,"
            " fetched from Segmentify, with an event a request."
        ),
    )
    max_age_s: Annotated[float, Field(gt=0, le=3_650 * 86_400)] = Field(
        3_600.0,
        description=(
            "A call that was older than this when it came to the relay is skipped: Segmentify has no event time and"
            " would book it as of today."
        ),
    )
    test_mode: bool = Field(
        False,
        description="Mark events as tests (`testMode`): only test campaigns of Segmentify see them, no report does.",
    )
    max_batch_events: PositiveInt = Field(20, description="Most events in a request.")
    max_batch_bytes: PositiveInt = Field(100_000, ge=1_000, description="Largest request.")
    requests_per_second: Seconds = Field(5.0, description="Most requests a second.")
