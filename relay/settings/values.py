"""The kinds of values options have, and how they are checked."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

IN_TEMPLATES: dict[str, Any] = {"in_templates": True}
"""Marks an option that templates see as ``$settings``."""
GIVEN_BY_PLATFORM: dict[str, Any] = {"given_by_platform": True}
"""Marks a secret that the platform makes, so that `relay init` cannot."""
NEEDED: dict[str, Any] = {"needed": True}
"""Marks a table that may be left out, and without which the platform's webhooks make no calls."""
AUTHENTICATES: dict[str, Any] = {"authenticates": True}
"""Marks an option that is no secret and by which webhooks are found genuine all the same."""

PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Topics = list[str]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def one_or_many(value: object) -> object:
    """A single text stands for a list of one; ``false`` for none."""
    if value is False or value is None:
        return []
    return [value] if isinstance(value, str | SecretStr) else value


def _web_address(address: str) -> str:
    """Scheme and host, perhaps with a port and a path; without the scheme, no request could be sent."""
    expected = "an address such as https://api.example.com"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # a malformed port or IPv6 address
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if parts.query or parts.fragment or any(c.isspace() for c in address):
        raise ValueError(f"{expected}, without a query")
    return address


def _network(text: str) -> str:
    """An IP network, or a single address."""
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("a network such as 203.0.113.0/24, or an address") from None
    return text


def url_path(text: str) -> str:
    """Of a URL."""
    if not text.startswith("/") or any(c.isspace() for c in text):
        raise ValueError("a path that begins with /")
    return text


def paths(texts: list[str]) -> list[str]:
    """Steps with dots between, as the helper `$valueAt` takes them."""
    if not all(text and all(text.split(".")) for text in texts):
        raise ValueError("paths such as payload.data.my_field")
    return texts


def journal_url(url: str) -> str:
    """A file name must follow ``sqlite:///``; for PostgreSQL, what libpq takes (its manual, 32.1.1.2)."""
    scheme, _, rest = url.partition("://")
    if (scheme == "sqlite" and rest.strip("/") and rest.startswith("/")) or (
        scheme in ("postgresql", "postgres") and not any(c.isspace() for c in url)
    ):
        return url
    raise ValueError("sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")


Secrets = Annotated[list[SecretStr], BeforeValidator(one_or_many)]
TopicChoice = Annotated[Topics, BeforeValidator(one_or_many)]
Network = Annotated[str, AfterValidator(_network)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
