"""Where values come from: defaults, the file, the environment; and which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.codes import RelayError
from relay.settings.loading import Loaded, load
from relay.settings.options import ElasticPathOptions, RelayOptions, SegmentOptions
from tests.settings.conftest import Loads

WHOLE = """
[server]
port = 9000
[sources.elasticpath]
secret = ["current", "previous"]
[sources.elasticpath.tracking]
order_completed = "order.fulfilled"
order_refunded = false
customer_updated = ["customer.updated", "customer.deleted"]
[destinations.segment]
write_key = "key"
"""


def test_nothing_configured_gives_the_defaults(loads: Loads) -> None:
    loaded = loads()
    assert loaded.path is None
    assert loaded.options.server == RelayOptions().server
    assert set(loaded.origins.values()) == {"default"}


def test_a_write_key_is_enough(loads: Loads) -> None:
    loaded = loads(RELAY_DESTINATIONS__SEGMENT__WRITE_KEY="key")
    segment = loaded.options.destinations["segment"]
    assert segment.kind == "segment"
    assert segment.write_key.get_secret_value() == "key"
    assert loaded.origins["destinations.segment.write_key"] == "RELAY_DESTINATIONS__SEGMENT__WRITE_KEY"
    assert loaded.origins["destinations.segment.kind"] == "default"


def elasticpath_of(loaded: Loaded) -> ElasticPathOptions:
    source = loaded.options.sources["elasticpath"]
    assert isinstance(source, ElasticPathOptions)
    return source


def test_a_file(loads: Loads) -> None:
    loaded = loads(WHOLE)
    source = elasticpath_of(loaded)
    assert [secret.get_secret_value() for secret in source.secret] == ["current", "previous"]
    assert source.tracking.order_completed == ["order.fulfilled"]
    assert source.tracking.order_refunded == []
    assert source.tracking.customer_updated == ["customer.updated", "customer.deleted"]
    assert source.tracking.order_updated == ["order.updated"]
    assert loaded.origins["server.port"] == "relay.toml"
    assert loaded.origins["server.host"] == "default"
    assert loaded.origins["sources.elasticpath.secret"] == "relay.toml"
    assert loaded.origins["sources.elasticpath.tracking.order_refunded"] == "relay.toml"
    assert loaded.origins["sources.elasticpath.tracking.order_updated"] == "default"


def test_the_environment_beats_the_file_value_by_value(loads: Loads) -> None:
    loaded = loads(
        WHOLE,
        RELAY_SERVER__PORT="0",
        RELAY_SOURCES__ELASTICPATH__TRACKING__ORDER_UPDATED="false",
        RELAY_SOURCES__ELASTICPATH__TRACKING__CUSTOMER_CREATED="a.b, c.d",
        RELAY_DESTINATIONS__SEGMENT='{"mode": "test", "gzip": false}',
        RELAY_DESTINATIONS__SEGMENT__GZIP="yes",
    )
    tracking = elasticpath_of(loaded).tracking
    assert loaded.options.server.port == 0
    assert tracking.order_updated == []
    assert tracking.customer_created == ["a.b", "c.d"]
    assert tracking.order_completed == ["order.fulfilled"]
    assert loaded.options.destinations["segment"].mode == "test"
    segment = loaded.options.destinations["segment"]
    assert isinstance(segment, SegmentOptions)
    assert segment.gzip is True
    assert segment.write_key.get_secret_value() == "key"
    assert loaded.origins["server.port"] == "RELAY_SERVER__PORT"
    assert loaded.origins["destinations.segment.mode"] == "RELAY_DESTINATIONS__SEGMENT"
    assert loaded.origins["destinations.segment.gzip"] == "RELAY_DESTINATIONS__SEGMENT__GZIP"
    assert loaded.origins["destinations.segment.write_key"] == "relay.toml"


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("one", ["one"]),
        ("one,two", ["one", "two"]),
        ('["one", "two,three"]', ["one", "two,three"]),
        ("12345", ["12345"]),
        ("false", ["false"]),
        ("null", ["null"]),
    ],
)
def test_secrets_of_the_environment_are_text(loads: Loads, value: str, secrets: list[str]) -> None:
    loaded = loads(RELAY_SOURCES__ELASTICPATH__SECRET=value)
    assert [secret.get_secret_value() for secret in loaded.options.sources["elasticpath"].secret] == secrets


def test_zero_empty_and_unset_are_three_things(loads: Loads) -> None:
    assert loads(RELAY_SERVER__PORT="0").options.server.port == 0
    assert loads().options.server.port == 8080
    with pytest.raises(RelayError, match=r"server\.port: is empty"):
        loads(RELAY_SERVER__PORT="")


def test_a_variable_reaches_a_name_with_a_dash(loads: Loads) -> None:
    toml = '[sources.my-shop]\nplatform = "elasticpath"\n'
    loaded = loads(toml, RELAY_SOURCES__MY_SHOP__SECRET="one")
    assert list(loaded.options.sources) == ["my-shop"]
    assert loaded.origins["sources.my-shop.secret"] == "RELAY_SOURCES__MY_SHOP__SECRET"


def test_variables_that_are_no_options_are_left_alone(loads: Loads) -> None:
    cluster = {
        "RELAY_SERVICE_HOST": "10.0.0.1",
        "RELAY_SERVICE_PORT": "8080",
        "RELAY_SERVICE_PORT_HTTP": "8080",
        "RELAY_PORT": "tcp://10.0.0.1:8080",
        "RELAY_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "RELAY_PORT_8080_TCP_PROTO": "tcp",
        "RELAY_POSTGRES_SERVICE_HOST": "10.0.0.2",
        "RELAY_POSTGRES_PORT": "tcp://10.0.0.2:5432",
    }
    own = {"RELAY_DEBUG": "1", "RELAY_TEST_ANYTHING": "x", "RELAY_SHARED": "x", "relay_server__port": "1", "HOME": "/"}
    assert loads(**cluster, **own).options == loads().options


@pytest.mark.parametrize("by", ["argument", "variable", "working directory"])
def test_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path if by == "working directory" else tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    file = folder / "relay.toml"
    file.write_text('[templates]\nfolder = "mine"\n[outgoing]\nca_file = "ca.pem"\n')
    loaded = load(file if by == "argument" else None, {"RELAY_CONFIG": str(file)} if by == "variable" else {})
    assert loaded.base == folder
    assert loaded.options.templates.folder == str(folder / "mine")
    assert loaded.options.outgoing.ca_file == str(folder / "ca.pem")
    assert loaded.options.journal.url == f"sqlite:///{folder}/relay.db"
    assert loaded.origins["templates.folder"] == "relay.toml"


def test_absolute_paths_stay(loads: Loads) -> None:
    loaded = loads('[templates]\nfolder = "/t"\n[journal]\nurl = "sqlite:////data/relay.db"\n')
    assert loaded.options.templates.folder == "/t"
    assert loaded.options.journal.url == "sqlite:////data/relay.db"


def test_the_argument_beats_the_variable(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[server]\nport = 1")
    (tmp_path / "b.toml").write_text("[server]\nport = 2")
    loaded = load(tmp_path / "a.toml", {"RELAY_CONFIG": str(tmp_path / "b.toml")})
    assert loaded.options.server.port == 1
    assert loaded.origins["server.port"] == "a.toml"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(loads: Loads) -> None:
    assert loads(b"\xef\xbb\xbf[server]\r\nport = 1\r\n").options.server.port == 1


@pytest.mark.parametrize(
    ("path", "environ", "told"),
    [
        (Path("none.toml"), {}, "There is no file none.toml"),
        (Path(), {}, "cannot be read: Is a directory"),
        (Path("a\0b"), {}, "cannot be read"),
        (None, {"RELAY_CONFIG": "none.toml"}, "There is no file none.toml"),
        (None, {"RELAY_CONFIG": ""}, "RELAY_CONFIG is set but empty"),
    ],
)
def test_a_file_that_is_asked_for_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path | None, environ: dict[str, str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RelayError, match=told) as raised:
        load(path, environ)
    assert raised.value.code == "config_not_found"


@pytest.mark.parametrize(
    ("chosen", "decided"),
    [
        (["", ""], ["keep", "derive"]),
        (["test", ""], ["derive", "keep"]),  # what is not sent needs no id
        (["test", "test"], ["keep", "derive"]),
        (["derive", ""], ["derive", "keep"]),
        (["", "keep"], ["derive", "keep"]),
        (["keep", "keep"], ["keep", "keep"]),
        (["derive", "derive"], ["derive", "derive"]),
    ],
)
def test_callers_message_ids_are_kept_at_one_destination(loads: Loads, chosen: list[str], decided: list[str]) -> None:
    """Segment takes an id once, so a second destination that kept it would get nothing."""
    lines = {"": "", "test": 'mode = "test"', **{word: f'caller_message_ids = "{word}"' for word in ("keep", "derive")}}
    tables = [f'[destinations.d{n}]\nkind = "segment"\nwrite_key = "k"\n{lines[one]}' for n, one in enumerate(chosen)]
    destinations = loads("\n".join(tables)).options.destinations.values()
    assert [one.caller_message_ids for one in destinations if isinstance(one, SegmentOptions)] == decided
