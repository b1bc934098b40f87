"""The options of a source whose platform is declared (`relay.settings.declaration`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, JsonValue, PrivateAttr, SecretStr

from relay.settings.declaration import Declaration
from relay.settings.packaged import CONTEXT, packaged_declarations
from relay.settings.values import (
    GIVEN_BY_PLATFORM,
    IN_TEMPLATES,
    Network,
    Options,
    Seconds,
    Secrets,
    TopicChoice,
    WebAddress,
)


def _from_text(value: object) -> object:
    """Of an environment variable, which cannot say false nor list."""
    if isinstance(value, str):
        return False if value.strip() == "false" else [topic.strip() for topic in value.split(",")]
    return value


Topics: TypeAlias = Annotated[TopicChoice, BeforeValidator(_from_text)]


class DeclaredCommerceOptions(Options):
    base_url: WebAddress = Field(description="The platform's API, for example https://api.stripe.com.")
    token: SecretStr | None = Field(None, description="The API's key or token, where the platform gives one.")
    client_id: str | None = Field(None, description="OAuth client id, where the platform signs in so.")
    client_secret: SecretStr | None = Field(None, description="OAuth client secret.")
    token_url: WebAddress | None = Field(None, description="Where OAuth gives tokens: the whole address.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one answer.")
    requests_per_second: Seconds = Field(10.0, description="Most requests a second.")


class DeclaredOptions(Options):
    platform: str = Field(description="Name of the folder with the platform's `source.toml`.")
    secret: Secrets = Field(
        default_factory=list,
        description="Secrets in the form that the platform gives them or signs with; several while rotating.",
        json_schema_extra=GIVEN_BY_PLATFORM,
    )
    networks: list[Network] = Field(
        default_factory=list,
        description="Networks that webhooks may come from, where the platform is known by its addresses; else its own.",
    )
    open: bool = Field(False, description="Accept webhooks without any secret. Anyone who knows the URL can then post.")
    guest_identity: Literal["email_hash", "email", "order_id"] = Field(
        "email_hash",
        description=(
            "How a guest is known: anonymousId from the hashed e-mail, the e-mail as anonymousId,"
            " or the order id as userId."
        ),
        json_schema_extra=IN_TEMPLATES,
    )
    affiliation: str | None = Field(
        None, description="Shop name put into `affiliation`.", json_schema_extra=IN_TEMPLATES
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="Whatever your templates want to know; they see it in `$settings`."
    )
    tracking: dict[str, Topics] = Field(
        default_factory=dict,
        description="Tracked event → a topic, a list of topics, or false; else as the platform declares.",
    )
    commerce: DeclaredCommerceOptions | None = Field(None, description="To fetch what the platform's webhooks lack.")

    _declaration: Declaration | None = PrivateAttr(None)

    def model_post_init(self, context: Any) -> None:
        """``context`` may hold the declarations of the user's folder; those that are packaged are known."""
        declarations = (context or {}).get(CONTEXT) or packaged_declarations()
        self._declaration = declarations.get(self.platform)

    @property
    def declaration(self) -> Declaration:
        assert self._declaration is not None, f"{self.platform} is not declared"
        return self._declaration

    def missing_commerce(self) -> list[str]:
        """Options of the commerce connection that the platform needs to sign in, and that are not set."""
        if self.commerce is None or self.declaration.commerce is None:
            return []
        oauth = self.declaration.commerce.sign_in == "client_credentials"
        needed = ("client_id", "client_secret", "token_url") if oauth else ("token",)
        return [name for name in needed if getattr(self.commerce, name) is None]

    def topics(self) -> dict[str, list[str]]:
        """Topics by tracked event, as declared and then as configured."""
        return {**self.declaration.tracking, **self.tracking}
