"""Rows that document the options, and values fit for a screen."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr

from relay.settings.describing import describe, mask_url, secrets_of, shown, values
from relay.settings.options import RelayOptions
from relay.settings.suggesting import closest, hint
from relay.settings.tables import variants
from relay.settings.values import Options
from tests.settings.conftest import Loads

ROWS = {
    row.name: row
    for row in describe()
    if row.variant == {"sources": "elasticpath", "destinations": "segment"}.get(row.name.partition(".")[0], "")
}
SHOPIFY = {row.name: row for row in describe() if row.variant == "shopify"}


def test_every_option_has_help_a_variable_and_a_type() -> None:
    tags = {"sources.<name>.platform", "destinations.<name>.kind"}
    for row in describe():
        assert row.type
        assert row.env == "RELAY_" + row.name.replace(".", "__").upper()
        assert row.help.endswith(".") or row.name in tags, row.name


def test_rows_tell_type_default_and_secrecy() -> None:
    port = ROWS["server.port"]
    assert (port.env, port.type, port.default) == (
        "RELAY_SERVER__PORT",
        "whole number, at least 0, at most 65535",
        "8080",
    )
    secret = ROWS["sources.<name>.secret"]
    assert (secret.secret, secret.type, secret.default) == (True, "text or list of texts", "[]")
    assert (secret.variant, SHOPIFY[secret.name].secret) == ("elasticpath", True)
    assert SHOPIFY["sources.<name>.tracking.order_updated"].default == '["orders/updated"]'
    assert ROWS["destinations.<name>.write_key"].default is None
    assert ROWS["outgoing.ca_file"].default == ""
    assert ROWS["sources.<name>.tracking.order_updated"].default == ('["order.updated"]')
    assert ROWS["sources.<name>.commerce.client_secret"].secret


def test_a_choice_of_models_gives_rows_for_each() -> None:
    class One(Options):
        kind: Literal["one"]
        key: SecretStr | None = None

    class Two(Options):
        kind: Literal["two", "zwei"]

    class Whole(Options):
        things: dict[str, Annotated[One | Two, Field(discriminator="kind")]] = Field(default_factory=dict)

    assert variants(Whole.model_fields["things"]) == {"one": One, "two": Two, "zwei": Two}
    assert [(row.name, row.variant, row.secret) for row in describe(Whole)] == [
        ("things.<name>.kind", "one", False),
        ("things.<name>.key", "one", True),
        ("things.<name>.kind", "two", False),
        ("things.<name>.kind", "zwei", False),
    ]


def test_the_rows_are_the_values(loads: Loads) -> None:
    loaded = loads(
        RELAY_SOURCES__ELASTICPATH='{"secret": "s", "commerce": '
        '{"base_url": "https://a.b", "client_id": "c", "client_secret": "d"}}',
        RELAY_DESTINATIONS__SEGMENT__WRITE_KEY="k",
    )
    names = [
        name.replace(".elasticpath", ".<name>").replace("s.segment", "s.<name>") for name, _ in values(loaded.options)
    ]
    assert names == list(ROWS)
    assert list(loaded.origins) == [name for name, _ in values(loaded.options)]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (SecretStr("x"), "****"),
        ([SecretStr("x"), SecretStr("y")], ["****", "****"]),
        ("postgresql://me:pw@host/db", "postgresql://****@host/db"),
        ("https://api.example.com/a@b", "https://api.example.com/a@b"),
        (0, 0),
        (None, None),
    ],
)
def test_shown(value: object, masked: object) -> None:
    assert shown(value) == masked


def test_secrets_of_a_configuration(loads: Loads) -> None:
    loaded = loads(
        RELAY_SOURCES__ELASTICPATH__SECRET="one,two",
        RELAY_DESTINATIONS__SEGMENT__WRITE_KEY="three",
        RELAY_DESTINATIONS__SEGMENT__HOST="https://user:four@host",
    )
    assert sorted(secrets_of(loaded.options)) == ["four", "one", "three", "two"]
    assert secrets_of(RelayOptions()) == []
    assert mask_url("sqlite:///relay.db") == "sqlite:///relay.db"


@pytest.mark.parametrize(
    ("word", "near"),
    [("prot", "port"), ("PORT", "port"), ("max-body-bytes", "max_body_bytes"), ("zebra", None), ("", None)],
)
def test_closest(word: str, near: str | None) -> None:
    assert closest(word, ["host", "port", "max_body_bytes"]) == near


def test_hint_lists_what_is_known_when_nothing_is_near() -> None:
    assert hint("zebra", ["port", "host"]) == "known: host, port"
    assert hint("zebra", []) == "none is known here"
