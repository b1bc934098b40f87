"""Whatever the file and the environment hold, loading gives options or a RelayError that shows no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.codes import RelayError
from relay.settings import reading
from relay.settings.describing import describe, shown, values
from relay.settings.loading import Loaded, load
from relay.settings.options import RelayOptions

MARKER = "m4rk3r"
WORDS = sorted(
    {part for row in describe() for part in row.name.split(".")}
    | {
        "elasticpath",
        "shopify",
        "stripe",
        "declared",
        "http",
        "segment",
        "segmentify",
        "segmetrics",
        "my-shop",
        "<name>",
        "",
        "a.b",
        "__",
        "x\n",
        "true",
        "0",
    }
)
texts = st.sampled_from([*WORDS, "live", "test", "https://a.b", "sqlite:///x", "false", "order.paid"]) | st.text(
    max_size=5
)
scalars = st.booleans() | st.integers() | st.floats() | texts | st.just(MARKER)
trees = st.recursive(
    scalars | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
SECTIONS = list(RelayOptions.model_fields)
tables = st.dictionaries(st.sampled_from(SECTIONS) | st.sampled_from(WORDS), trees, max_size=4)
entries = st.dictionaries(
    st.sampled_from(["elasticpath", "shopify", "stripe", "http", "segment", "my-shop"]),
    st.dictionaries(st.sampled_from(WORDS), trees, max_size=5),
    max_size=3,
)
variables = st.dictionaries(
    st.lists(st.sampled_from([*SECTIONS, *WORDS]), min_size=1, max_size=4).map(
        lambda p: "RELAY_" + "__".join(p).upper()
    ),
    texts | st.just(MARKER) | trees.map(lambda tree: json.dumps(tree, default=str)),
    max_size=4,
)


def toml(value: Any) -> str:
    """TOML text of a value; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        # JSON's \ud800 and a bare DEL are not TOML.
        return json.dumps(value.encode(errors="replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else str(value)


def document(data: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in data.items())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "relay.toml"


@settings(max_examples=200)
@given(data=tables, sources=entries, environ=variables)
def test_options_or_a_relay_error(
    file: Path, data: dict[str, Any], sources: dict[str, Any], environ: dict[str, str]
) -> None:
    file.write_text(document({**data, "sources": sources, "destinations": sources}), encoding="utf-8")
    try:
        loaded = load(file, environ)
    except RelayError as error:
        assert error.code in ("config_invalid", "config_missing", "config_not_found")  # noqa: PT017
        assert error.message  # noqa: PT017
    else:
        assert isinstance(loaded, Loaded)


PLACES = [row.name.replace("<name>", row.variant.replace("declared", "stripe")).split(".") for row in describe()]
FREE = (
    ("stripe", "settings"),
    ("stripe", "tracking"),
    ("everflow", "events"),
    ("http", "headers"),
    ("http", "query"),
    ("http", "settings"),
    ("segmetrics", "rates"),
)
"""Tables that take any name."""
DESTINATIONS: dict[str, dict[str, Any]] = {
    "everflow": {"tracking_domain": "https://a.b", "nid": 1},
    "http": {"url": "https://a.b"},
    "ometria": {"api_key": "k"},
    "segment": {"write_key": "k"},
    "segmetrics": {"account_id": "a", "integration_id": "i", "api_key": "k", "timezone": "UTC"},
    "segmentify": {"api_key": "k", "data_center": "https://a.b", "origin": "https://a.b"},
}
"""Of each kind one that is complete."""


@settings(max_examples=200)
@given(place=st.sampled_from(PLACES), value=trees, by_variable=st.booleans())
def test_one_value_is_taken_or_told_by_its_name(file: Path, place: list[str], value: Any, by_variable: bool) -> None:
    commerce = {"base_url": "https://a.b", "client_id": "c", "client_secret": "d"}
    sources: dict[str, Any] = {"elasticpath": {"secret": "s", "commerce": commerce}}
    keys = {"base_url": "https://a.b", "consumer_key": "k", "consumer_secret": "s"}
    sources["woocommerce"] = {"secret": "s", "commerce": keys}
    sources["segment"] = {"write_key": "s"}
    sources["saleor"] = {"secret": "s"}
    for platform in ("stripe", "bigcommerce", "shopify"):
        sources[platform] = {"secret": "s", "commerce": {"base_url": "https://a.b", "token": "t"}}
    data: dict[str, Any] = {"sources": sources, "destinations": {name: {**of} for name, of in DESTINATIONS.items()}}
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    environ = {"RELAY_" + "__".join(place).upper(): text} if by_variable else {}
    table = data
    for key in place[:-1]:
        table = table.setdefault(key, {})
    if not by_variable:
        table[place[-1]] = value
    file.write_text(document(data), encoding="utf-8")
    try:
        loaded = load(file, environ)
    except RelayError as error:
        assert place[-1] in error.message.casefold() or error.code == "config_syntax"  # noqa: PT017
    else:
        shown_by_name = {name: shown(item) for name, item in values(loaded.options)}
        assert json.dumps(shown_by_name)
        if (place[1], place[-1]) in FREE:
            return
        if text != "{}":  # an empty table has no values that come from anywhere
            assert loaded.origins[".".join(place)] == (next(iter(environ)) if by_variable else file.name)


@given(st.binary(max_size=60) | st.text(alphabet="[]{}\"=.,#\n a1'\\", max_size=60).map(str.encode))
def test_any_bytes_give_a_file_or_a_relay_error(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    try:
        reading.lines(reading.read(file).text)
    except RelayError as error:
        assert error.code == "config_syntax"  # noqa: PT017


SECRET_PLACES = [
    ("destinations", "segment", "write_key"),
    ("destinations", "segment", "writekey"),
    ("destinations", "segment"),
    ("destinations", "a", "write_key"),
    ("destinations", "http", "bearer_token"),
    ("destinations", "http", "headers"),
    ("destinations", "http", "query"),
    ("sources", "elasticpath", "secret"),
    ("sources", "elasticpath", "secrets"),
    ("sources", "shopify", "secret"),
    ("sources", "stripe", "secret"),
    ("sources", "segment", "secret"),
    ("sources", "segment", "write_key"),
    ("sources", "stripe", "commerce", "token"),
    ("sources", "standard-webhooks", "commerce"),
    ("sources", "elasticpath", "commerce", "client_secret"),
    ("sources", "elasticpath", "commerce"),
    ("sources", "elasticpath", "tracking"),
    ("write_key",),
    ("server",),
]


@given(
    path=st.sampled_from(SECRET_PLACES),
    wrap=st.sampled_from([lambda x: x, lambda x: [x], lambda x: [[x], 1], lambda x: {"a": x}, lambda x: f" {x}\n"]),
    by_variable=st.booleans(),
)
def test_a_secret_is_never_in_an_error(file: Path, path: tuple[str, ...], wrap: Any, by_variable: bool) -> None:
    value = wrap(MARKER)
    environ = {"RELAY_SERVER__HOST": ""}  # so that it always fails
    tree: Any = value
    for key in reversed(path):
        tree = {key: tree}
    if by_variable:
        text = value if isinstance(value, str) else json.dumps(value)
        environ["RELAY_" + "__".join(path).upper()] = text
    file.write_text("" if by_variable else document(tree), encoding="utf-8")
    with pytest.raises(RelayError) as raised:
        load(file, environ)
    assert MARKER not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
