"""The options of Ometria as destination."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import IN_TEMPLATES, PositiveInt, Seconds, WebAddress, url_path


class OmetriaOptions(EveryDestinationOptions):
    kind: Literal["ometria"]
    api_key: SecretStr = Field(description="Key of the account; staging and live are accounts of their own.")
    host: WebAddress = Field("https://api.ometria.com", description="API host, the same for staging and live.")
    path: Annotated[str, AfterValidator(url_path)] = Field("/v2/push", description="Path of the push call.")
    collection: str = Field(
        "customers", min_length=1, description="`@collection` of contacts.", json_schema_extra=IN_TEMPLATES
    )
    contact_id: Literal["hash", "user_id"] = Field(
        "hash",
        description="`id` of contacts: a hash of the customer's id, or that id as it is.",
        json_schema_extra=IN_TEMPLATES,
    )
    consent_trait: str | None = Field(
        None,
        description=(
            "Name of the trait, true or false, that says whether the customer opted in to marketing. Without it"
            " `marketing_optin` is left out, so that nothing is overwritten."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    traits: list[str] = Field(
        default_factory=list,
        description="Further traits that go to `properties` of contacts.",
        json_schema_extra=IN_TEMPLATES,
    )
    discount_sign: Literal["negative", "positive"] = Field(
        "negative",
        description="Sign of an order's `discount`; look at it in the staging account.",
        json_schema_extra=IN_TEMPLATES,
    )
    refunded_is_valid: bool = Field(
        True,
        description="Whether an order refunded as a whole stays `is_valid`, with its lines marked as refunded.",
        json_schema_extra=IN_TEMPLATES,
    )
    variant_types: list[str] = Field(
        default_factory=list,
        description=(
            'What the parts of a line\'s variant are, such as ["color", "size"] of `Red / M`; without it the variant'
            " is one option of the type `variant`."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    checkout_event_type: str | None = Field(
        None,
        description=(
            "`event_type` of a custom event for Checkout Started, once Ometria has set it up; without it such calls"
            " are skipped."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    errors_every_s: Seconds = Field(
        180.0, description="How often Ometria is asked for what it refused after it took it, while anything is sent."
    )
    max_batch_records: int = Field(100, gt=0, le=100, description="Most records in a request.")
    max_batch_bytes: PositiveInt = Field(1_000_000, description="Largest request.")
    max_record_bytes: int = Field(60_000, gt=0, le=60_000, description="Largest record.")
    requests_per_second: Seconds = Field(4.0, description="Most requests a second.")
    concurrency: PositiveInt = Field(2, description="Most requests at once.")
