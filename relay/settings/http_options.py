"""The options of `http` destinations: receivers that are declared wholly in the configuration."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, SecretStr, model_validator

from relay.settings.destination_options import EveryDestinationOptions
from relay.settings.values import PositiveInt, WebAddress

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = ("content-encoding", "content-length", "host", "transfer-encoding")


def _folder(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError("the name of a folder, of a-z, 0-9, - and _")
    return name


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        text = value.get_secret_value()
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError(f"names of headers, but for {', '.join(_OWN_HEADERS)}")
        if not text.isascii() or not text.isprintable():
            raise ValueError("printable ASCII as the values of headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("each header once, in whatever capitals")
    return headers


class HttpOptions(EveryDestinationOptions):
    kind: Literal["http"]
    url: WebAddress = Field(description="Where to; a query goes into `query`.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="Of the request.")
    query: dict[str, SecretStr] = Field(default_factory=dict, description="Added to the URL.")
    headers: Annotated[dict[str, SecretStr], AfterValidator(_headers)] = Field(
        default_factory=dict, description="Sent with every request, for example a header that holds a key."
    )
    bearer_token: SecretStr | None = Field(None, description="Sent as `Authorization: Bearer …`.")
    basic: SecretStr | None = Field(None, description="`user:password`, sent as HTTP Basic.")
    mappings: Annotated[str, AfterValidator(_folder)] | None = Field(
        None, description="Folder of its mappings, `templates/destinations/<mappings>`; else `http`."
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="Whatever its mappings want to know; they see it in `$settings`."
    )
    gzip: bool = Field(False, description="Compress requests.")
    envelope: str | None = Field(
        None,
        description=(
            'JSONata over the array of records that makes the body, such as `{"events": $}`;'
            " it sees `$sentAt`, and `settings` as `$settings`."
        ),
    )
    success: str | None = Field(
        None,
        description=(
            "JSONata over `{status, headers, body}` of an answer: true, false, or `delivered`, `retry`, `split`,"
            " `reject`, `misconfigured`. Unset: by status."
        ),
    )
    max_record_bytes: PositiveInt = Field(1_000_000, description="Largest record.")
    max_batch_bytes: PositiveInt = Field(1_100_000, description="Largest request before compression.")
    max_batch_records: PositiveInt = Field(
        1, description="Most records in a request: with 1 its body is the record, with more an array of them."
    )

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        ways = [self.bearer_token, self.basic, *(v for n, v in self.headers.items() if n.lower() == "authorization")]
        if sum(way is not None for way in ways) > 1:
            raise ValueError("one of bearer_token, basic and a header Authorization")
        return self
