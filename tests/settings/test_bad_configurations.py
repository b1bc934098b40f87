"""What a person is told about a configuration that is wrong."""

# ruff: noqa: E501  (the tables read better with one case a line)
from __future__ import annotations

import pytest

from relay.codes import RelayError
from relay.settings.inspecting import PLACEHOLDER
from relay.settings.problems import ConfigurationError
from tests.settings.conftest import Loads

SOURCE = '[sources.elasticpath]\nsecret = "s3cr3t"\n'
SEGMENT = '[destinations.segment]\nwrite_key = "key"\n'

INVALID = [
    # unknown names
    ("[server]\nprot = 1", "relay.toml line 2: server.prot: unknown option; did you mean `port`?"),
    ("[serve]\nport = 1", "relay.toml line 1: serve: unknown option; did you mean `server`?"),
    ("[log]\nzzzzzz = 1", "relay.toml line 2: log.zzzzzz: unknown option; known: format, level"),
    (SOURCE + 'secrets = "x"', "relay.toml line 3: sources.elasticpath.secrets: unknown option; did you mean `secret`?"),
    (SOURCE + 'tracking.order_complete = "x"', "tracking.order_complete: unknown option; did you mean `order_completed`?"),
    ('[sources.a]\nplatform = "elasticpth"', "relay.toml line 2: sources.a.platform: unknown platform 'elasticpth'; did you mean `elasticpath`?"),
    ('[sources.a]\nplatform = 1', "sources.a.platform: unknown platform; known: bigcommerce, commercetools, elasticpath, hana, saleor, segment, shopify, standard-webhooks, stripe, swell, woocommerce"),
    ('[sources.a]\nplatform = "shopfy"', "relay.toml line 2: sources.a.platform: unknown platform 'shopfy'; did you mean `shopify`?"),
    ('[sources.segment]\nwrite_key = "k"\nallowed_origins = "shop.example.com"', "sources.segment.allowed_origins: expected origins such as"),
    ('[sources.segment]\nwrite_key = "k"\nallowed_origins = ["https://shop.example.com/"]', "sources.segment.allowed_origins: expected origins such as"),
    ('[sources.segment]\nwrite_key = ["s3cr3t", "b"]\n[sources.b]\nplatform = "segment"\nwrite_key = "s3cr3t"', "relay.toml line 5: sources.b.write_key: is also that of sources.segment; give each its own"),
    ('[sources.saleor]\napi_url = "your-store.saleor.cloud"', "sources.saleor.api_url: expected an address such as"),
    ('[sources.shopify]\nsecret = "s3cr3t"\nshipping_skus = []', "relay.toml line 3: sources.shopify.shipping_skus: unknown option"),
    ('[sources.shopify]\nsecret = "s3cr3t"\nguest_identity = "cart"', "sources.shopify.guest_identity: expected `email_hash` or `email` or `cart_token` or `order_id`; found 'cart'"),
    ('[sources.shopify]\nsecret = "s3cr3t"\ntracking.order_updated = "orders/edited"', "sources.shopify.tracking.order_updated: expected other topics than orders/edited"),
    ('[sources.shopify]\nsecret = "s3cr3t"\ntracking.customer_updated = ["customers/redact"]', "sources.shopify.tracking.customer_updated: expected other topics than customers/redact"),
    ('[destinations.a]\nkind = "sgment"', "destinations.a.kind: unknown kind 'sgment'; did you mean `segment`?"),
    ("[sources.Shop]\nplatform = 'elasticpath'", "sources.Shop: a name is of a-z"),
    ("[sources.'a b']\nplatform = 'elasticpath'", "sources.a b: a name is of a-z"),
    ("[sources.a__b]\nplatform = 'elasticpath'", "sources.a__b: a name is of a-z"),
    ("[sources.'']\nplatform = 'elasticpath'", "sources.'': a name is of a-z"),
    # wrong types and bounds
    ("[server]\nport = 'http'", "server.port: expected whole number, at least 0, at most 65535; found 'http'"),
    ("[server]\nport = 70000", "server.port: expected whole number, at least 0, at most 65535; found 70000"),
    ("[server]\nport = 1.5", "server.port: expected whole number, at least 0, at most 65535; found 1.5"),
    ("[server]\nport = true", "server.port: expected whole number, at least 0, at most 65535; found true"),
    ("[server]\nport = [1]", "found a list"),
    ("[server]\nport.a = 1", "relay.toml line 2: server.port: expected whole number, at least 0, at most 65535; found a table"),
    (f"[server]\nmax_body_bytes = 0x{'f' * 9999}", "server.max_body_bytes: expected whole number, over 0, under 2147483648; found a very large number"),
    ("[server]\nhost = 1", "server.host: expected text; found 1"),
    ("[server]\nshutdown_s = nan", "server.shutdown_s: expected number, over 0, at most 86400; found nan"),
    ("[outgoing]\nallow_private = 'perhaps'", "outgoing.allow_private: expected true or false; found 'perhaps'"),
    ("[outgoing]\nallow_private = 1979-05-27", "outgoing.allow_private: expected true or false; found"),
    ("[log]\nlevel = 'warn'", "log.level: expected `debug` or `info` or `warning` or `error`; found 'warn'; did you mean `warning`?"),
    ("server = 1", "relay.toml line 1: server: expected table; found a number"),
    ("sources = ['x']", "sources: expected table; found a list"),
    ("[sources]\nelasticpath = 1", "sources.elasticpath: expected table; found a number"),
    (SOURCE + "tracking.order_updated = true", "tracking.order_updated: expected text, list of texts or false; found true"),
    (SOURCE + "tracking.order_updated = ['a', 1]", "relay.toml line 3: sources.elasticpath.tracking.order_updated[1]: expected text; found 1"),
    (SOURCE + "shipping_skus = 'a'", "shipping_skus: expected list of texts; found 'a'"),
    ("[journal]\nurl = 'mysql://user:s3cr3t@host'", "journal.url: expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE; found 'mysql://****@host'"),
    ("[journal]\nurl = 'sqlite:///'", "journal.url: expected sqlite:///FILE"),
    (SEGMENT + 'host = "api.segment.io"', "host: expected an address such as https://api.example.com; found 'api.segment.io'"),
    (SEGMENT + 'host = "https://"', "host: expected an address"),
    (SEGMENT + 'host = "https://a:99999"', "host: expected an address"),
    (SEGMENT + 'host = "https://a/?b=1"', "host: expected an address such as https://api.example.com, without a query"),
    (SEGMENT + 'path = "v1"', "path: expected a path that begins with /; found 'v1'"),
    # empty values
    ("[server]\nhost = ''", "server.host: is empty; leave it out for the default"),
    ("[templates]\nfolder = ' '", "templates.folder: is empty"),
    ("[sources.elasticpath]\nsecret = ''", "sources.elasticpath.secret: is empty"),
    ("[sources.elasticpath]\nsecret = ['a', '']", "relay.toml line 2: sources.elasticpath.secret[1]: is empty"),
    ("[destinations.segment]\nwrite_key = ''", "destinations.segment.write_key: is empty; put in a value"),
    ("[destinations.segment]\nwrite_key = 'abc\\n'".replace("'", '"'), "destinations.segment.write_key: begins or ends with white space"),
    (SOURCE + "tracking.order_updated = ''", "tracking.order_updated: is empty; leave it out for the default, or set it to false"),
    # what must not be sent
    (f'[destinations.segment]\nwrite_key = "{PLACEHOLDER}"', 'destinations.segment.write_key: is still the placeholder; put in the real key, or set mode = "test"'),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "told"), INVALID)
def test_invalid(loads: Loads, toml: str, told: str) -> None:
    with pytest.raises(RelayError) as raised:
        loads(toml)
    assert raised.value.code == "config_invalid"
    assert told in raised.value.message
    assert "s3cr3t" not in raised.value.message


MISSING = [
    ("[sources.a]", "relay.toml line 1: sources.a.platform: is not set; known: bigcommerce, commercetools, elasticpath, hana, saleor, segment, shopify, standard-webhooks, stripe, swell, woocommerce"),
    ("[sources.elastic-path]", "sources.elastic-path.platform: is not set; did you mean `elasticpath`?"),
    ("[destinations.segment]", "destinations.segment.write_key: is not set: Write key of the Segment source. It may also come from RELAY_DESTINATIONS__SEGMENT__WRITE_KEY."),
    ("[sources.elasticpath]", "sources.elasticpath.secret: is not set: the secret that the platform sends or signs with, or composer_client_secret, or open = true to accept webhooks of anyone"),
    ("[sources.elasticpath]\nsecret = []", "sources.elasticpath.secret: is not set"),
    ("[sources.segment]", "sources.segment.write_key: is not set: the secret that the platform sends or signs with, or secret, or open = true"),
    ("[sources.saleor]", "sources.saleor.api_url: is not set: the platform's address, for its keys, or secret, or open = true"),
    ("[sources.shopify]", "sources.shopify.secret: is not set: the secret that the platform sends or signs with, or open = true"),
    ("[sources.elasticpath]\nsecret = false", "sources.elasticpath.secret: is not set"),
    ("[sources.elasticpath]\nopen = false", "sources.elasticpath.secret: is not set"),
    (SOURCE + "[sources.elasticpath.commerce]\nbase_url = 'https://a.b'\nclient_id = 'c'", "relay.toml line 3: sources.elasticpath.commerce.client_secret: is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "told"), MISSING)
def test_missing(loads: Loads, toml: str, told: str) -> None:
    with pytest.raises(RelayError) as raised:
        loads(toml)
    assert raised.value.code == "config_missing"
    assert told in raised.value.message


@pytest.mark.parametrize("toml", ["open = true", "open = 'yes'", "composer_client_secret = 'x'"])
def test_a_source_may_be_open_or_of_composer(loads: Loads, toml: str) -> None:
    assert loads(f"[sources.elasticpath]\n{toml}").options.sources["elasticpath"].secret == []


VARIABLES = [
    ("RELAY_SERVER__PROT", "1", "RELAY_SERVER__PROT: server.prot: unknown option; did you mean `port`?"),
    ("RELAY_SERVER_PORT", "1", "RELAY_SERVER_PORT: unknown variable; did you mean `RELAY_SERVER__PORT`?"),
    ("RELAY_PORT", "9000", "RELAY_PORT: unknown variable; did you mean `RELAY_SERVER__PORT`?"),
    ("RELAY_WRITE_KEY", "s3cr3t", "did you mean `RELAY_DESTINATIONS__SEGMENT__WRITE_KEY`?"),
    ("RELAY_ZZZZZZZZZZZZZZZZ", "s3cr3t", "unknown variable; `relay config --options` lists all"),
    ("RELAY_SERVER__PORT", "http", "RELAY_SERVER__PORT: server.port: expected whole number, at least 0, at most 65535; found 'http'"),
    ("RELAY_SERVER__PORT__X", "1", "found a table"),
    ("RELAY_SERVER__", "1", "server.'': unknown option"),
    ("RELAY_SERVER", "port=s3cr3t", "RELAY_SERVER: cannot be read: a table is written as JSON"),
    ("RELAY_SERVER", "[1]", "expected table; found a list"),
    ("RELAY_SOURCES__ELASTICPATH__SECRET", '["s3cr3t', "RELAY_SOURCES__ELASTICPATH__SECRET: cannot be read"),
    ("RELAY_SOURCES__ELASTICPATH__SECRET", "", "RELAY_SOURCES__ELASTICPATH__SECRET: sources.elasticpath.secret: is empty"),
    ("RELAY_SOURCES__ELASTICPATH__SECRET", '[{"a": "s3cr3t"}]', "sources.elasticpath.secret[0]: expected text; found a table"),
    ("RELAY_SOURCES__ELASTICPATH", "s3cr3t", "sources.elasticpath: expected table; found text"),
    ("RELAY_SOURCES__ELASTICPTH__SECRET", "s3cr3t", "sources.elasticpth.platform: is not set; did you mean `elasticpath`?"),
    ("RELAY_LOG__LEVEL", "", "RELAY_LOG__LEVEL: log.level: is empty; leave it out"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "told"), VARIABLES)
def test_variables(loads: Loads, name: str, value: str, told: str) -> None:
    with pytest.raises(RelayError) as raised:
        loads(**{name: value})
    assert told in raised.value.message
    assert "s3cr3t" not in raised.value.message


def test_a_variable_inside_a_single_value_of_the_file_is_told(loads: Loads) -> None:
    with pytest.raises(RelayError, match=r"RELAY_SERVER__PORT: server\.port: is set inside"):
        loads("server = 1", RELAY_SERVER__PORT="1")
    with pytest.raises(RelayError, match=r"RELAY_SERVER__PORT: server\.port: is a table"):
        loads("[server.port]\nx = 1", RELAY_SERVER__PORT="1")


SYNTAX = [
    (b"[server\nport = 1", "relay.toml line 1, column 8: "),
    (b"[server]\nport = ", "relay.toml line 2, column 8: Invalid value."),
    (b"[server]\nport = 1\nport = 2", "relay.toml line 3, column 9: Cannot overwrite a value."),
    (b'a = """s3cr3t', "relay.toml ends too early: "),
    (b"# ok\n[server]\nhost = '\xff'", "relay.toml line 3: the file is not UTF-8 text."),
    (b"a = " + b"[" * 5000, "relay.toml: brackets are nested too deep."),
    (b"a = " + b"9" * 9999, "relay.toml: a value cannot be read."),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "told"), SYNTAX)
def test_syntax(loads: Loads, toml: bytes, told: str) -> None:
    with pytest.raises(RelayError) as raised:
        loads(toml)
    assert raised.value.code == "config_syntax"
    assert raised.value.message.startswith(told)
    assert "s3cr3t" not in raised.value.message


def test_all_problems_are_told_at_once(loads: Loads) -> None:
    toml = """
[server]
prot = 1
host = 2

[sources.elasticpath]
secrt = "s3cr3t"

[destinations.segment]
wrte_key = "s3cr3t"
gzip = "perhaps"
"""
    with pytest.raises(ConfigurationError) as raised:
        loads(toml, RELAY_WRITEKEY="s3cr3t", RELAY_LOG__LEVEL="loud")
    assert [problem.as_json() for problem in raised.value.problems] == [
        {"place": "RELAY_WRITEKEY", "option": "", "problem": "unknown variable; did you mean `RELAY_DESTINATIONS__SEGMENT__WRITE_KEY`?"},
        {"place": "relay.toml line 4", "option": "server.host", "problem": "expected text; found 2"},
        {"place": "relay.toml line 3", "option": "server.prot", "problem": "unknown option; did you mean `port`?"},
        {"place": "RELAY_LOG__LEVEL", "option": "log.level", "problem": "expected `debug` or `info` or `warning` or `error`; found 'loud'"},
        {"place": "relay.toml line 7", "option": "sources.elasticpath.secrt", "problem": "unknown option; did you mean `secret`?"},
        {"place": "relay.toml line 11", "option": "destinations.segment.gzip", "problem": "expected true or false; found 'perhaps'"},
        {"place": "relay.toml line 10", "option": "destinations.segment.wrte_key", "problem": "unknown option; did you mean `write_key`?"},
    ]  # fmt: skip
    assert raised.value.code == "config_invalid"
    assert raised.value.message.startswith("7 problems:\n- RELAY_WRITEKEY: ")


def test_lines_are_those_of_the_statement(loads: Loads) -> None:
    toml = """# comment
[sources.elasticpath]   # [server]
secret = '''
[server]
port = "in a text"
'''
shipping_skus = [
  "a",  # port = 1
]
tracking = { order_updated = 1, order_paid = "x" }
[server]
prot = 1
"""
    with pytest.raises(RelayError) as raised:
        loads(toml)
    assert "line 12: server.prot" in raised.value.message
    assert "line 10: sources.elasticpath.tracking.order_updated" in raised.value.message
    assert "line 3: sources.elasticpath.secret" in raised.value.message
