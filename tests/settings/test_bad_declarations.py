"""A source.toml with mistakes: each is told with its line, its key, what was found and what is expected."""

# ruff: noqa: E501  (the table reads better with one case a line)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.settings.declaration import Declaration
from relay.settings.declaration_problems import problems_of, schemes
from relay.settings.declarations import DeclarationInvalid, parse
from relay.settings.problems import Told, dotted

BASIC = 'title = "A"\n[[authentication]]\nscheme = "basic"\n[event]\ntopic = "type"\n'
HMAC = 'title = "A"\n[[authentication]]\nscheme = "hmac"\nheader = "x"\n{}\n[event]\ntopic = "type"\n'
SECOND = 'title = "A"\n[[authentication]]\nscheme = "basic"\n[[authentication]]\nscheme = "header"\n{}\n[event]\ntopic = "t"\n'
ADDRESSES = 'title = "A"\n[[authentication]]\nscheme = "addresses"\n{}\n[event]\ntopic = "type"\n'
API = '[commerce]\nheaders = { A = "{token}" }\n'
LOOKUP = API + '[[lookups]]\nname = "a"\ntopics = "t"\npath = "/x"\ninto = "a"\n'
PYDANTIC = ("input should", "should be a valid", "validation", "value error", "pydantic", "ctx", "instance of")

INVALID = [
    ("", "title: is not set: The platform's name."),
    ("", "authentication: is not set: How a webhook proves itself; one must fit."),
    ("", "event: is not set: What is read from a webhook."),
    (BASIC.replace('"A"', "1"), "line 1: title: expected text; found 1"),
    (BASIC.replace('"A"', '""'), "line 1: title: expected text that is not empty; found ''"),
    # ways to authenticate
    (BASIC.replace('"basic"', '"basics"'), "line 2: authentication[0]: unknown scheme 'basics'; did you mean `basic`?"),
    (BASIC.replace('"basic"', "1"), "line 2: authentication[0]: unknown scheme '1'; known: addresses, basic"),
    (BASIC.replace("scheme", "skeme"), "authentication[0]: `scheme` is not set; known: addresses, basic, header, hmac, standard-webhooks"),
    (BASIC.replace("[[authentication]]", "[authentication]"), "line 2: authentication: expected tables, each begun with [[authentication]]; found a table"),
    ('title = "A"\nauthentication = []\n[event]\ntopic = "t"', "line 2: authentication: expected at least one"),
    ('title = "A"\nauthentication = [1]\n[event]\ntopic = "t"', "line 2: authentication[0]: expected a table; found a number"),
    (BASIC.replace('"basic"', '"basic"\nheader = "x"'), "line 4: authentication[0].header: unknown option; known: scheme"),
    (HMAC.format('headr = "x"'), "line 5: authentication[0].headr: unknown option; did you mean `header`?"),
    (HMAC.format('algorithm = "md5"'), "line 5: authentication[0].algorithm: expected `sha1` or `sha256` or `sha512`; found 'md5'"),
    (HMAC.format('algorithm = "sha-256"'), "did you mean `sha256`?"),
    (HMAC.format("tolerance_s = 0"), "line 5: authentication[0].tolerance_s: expected number, over 0, at most 86400; found 0"),
    (HMAC.format('tolerance_s = "5"'), "tolerance_s: expected number, over 0, at most 86400; found '5'"),
    (HMAC.format("tolerance_s = true"), "tolerance_s: expected number, over 0, at most 86400; found true"),
    (HMAC.format("tolerance_s = inf"), "tolerance_s: expected number, over 0, at most 86400; found inf"),
    (HMAC.format('signed = "{id}"'), "line 5: authentication[0].signed: expected a text with {body} once, and perhaps {timestamp} and {id}; found '{id}'"),
    (HMAC.format('signed = "{timestamp}{body}"'), "authentication[0]: expected {timestamp} in `signed` together with `timestamp_header` or `fields.timestamp`"),
    (HMAC.format('id_header = "x"'), "authentication[0]: expected {id} in `signed` together with `id_header`"),
    (HMAC.format("fields = 1"), "line 5: authentication[0].fields: expected a table; found a number"),
    (HMAC.format("fields = {}"), "line 5: authentication[0].fields.signature: is not set: Before a signature"),
    (HMAC.format('fields = { signature = "a", timestmp = "t" }'), "authentication[0].fields.timestmp: unknown option; did you mean `timestamp`?"),
    (HMAC.format('secret_encoding = "b64"'), "secret_encoding: expected `text` or `base64` or `hex`; found 'b64'; did you mean `base64`?"),
    (SECOND.format(""), "line 4: authentication[1].header: is not set: Header that holds the secret."),
    (SECOND.format('header = "a b"'), "line 6: authentication[1].header: expected the name of a header; found 'a b'"),
    (SECOND.format('header = "a"\nprefix = 1'), "line 7: authentication[1].prefix: expected text; found 1"),
    (ADDRESSES.format('networks = ["1.2.3.4/8"]'), "line 4: authentication[0].networks[0]: expected a network such as 203.0.113.0/24, or an address"),
    (ADDRESSES.format("networks = []"), "line 4: authentication[0].networks: expected at least one"),
    (ADDRESSES.format('networks = "10.0.0.1"'), "line 4: authentication[0].networks: expected a list of texts; found '10.0.0.1'"),
    (ADDRESSES.format(""), "line 2: authentication[0].networks: is not set: Networks and addresses"),
    # the event
    (BASIC.replace('"type"', "5"), "line 5: event.topic: expected text or a list of texts; found 5"),
    (BASIC.replace('"type"', "[]"), "line 5: event.topic: expected an expression of 1 to 2000 characters, or a list of them"),
    (BASIC.replace('"type"', "[1]"), "line 5: event.topic[0]: expected text; found a number"),
    (BASIC.replace('"type"', f'"{"a" * 3000}"'), "line 5: event.topic: expected an expression of 1 to 2000 characters"),
    (BASIC + "delivery_key = ''", "line 6: event.delivery_key: expected an expression"),
    (BASIC + "tpoic = 'x'", "line 6: event.tpoic: unknown option; did you mean `topic`?"),
    (BASIC + "[event.more]", "line 6: event.more: unknown option"),
    (BASIC + "keys = 'data.id'", "line 6: event.keys: expected a list of texts; found 'data.id'"),
    (BASIC + "keys = [1]", "line 6: event.keys[0]: expected text; found a number"),
    (BASIC + "entity = 'x'", "line 6: event.entity: expected a table; found text"),
    (BASIC + "entity = { order = 1 }", "line 6: event.entity.order: expected text or a list of texts; found a number"),
    (BASIC + "entity = { 'a:b' = 'c' }", "expected a name of letters, digits and _"),
    (BASIC + "headers = ['a b']", "line 6: event.headers[0]: expected the name of a header; found text"),
    (BASIC + "time = true", "line 6: event.time: expected text or a list of texts; found true"),
    # the rest
    (BASIC + "[trackng]\na = 1", "line 6: trackng: unknown option; did you mean `tracking`?"),
    (BASIC + "[tracking]\norder_completed = 1", "line 7: tracking.order_completed: expected text, a list of texts or false; found a number"),
    (BASIC + "[tracking]\norder_completed = [1]", "line 7: tracking.order_completed[0]: expected text; found a number"),
    (BASIC + "[[unwrap]]", "line 6: unwrap[0].at: is not set: Path to the body in it."),
    (BASIC + "[[unwrap]]\nat = 'a'\n[[unwrap]]\nat = 1", "line 9: unwrap[1].at: expected text; found 1"),
    (BASIC + "[[unwrap]]\nat = 'a'\nencoding = 'bas64'", "line 8: unwrap[0].encoding: expected `text` or `base64` or `object`; found 'bas64'; did you mean `base64`?"),
    (BASIC + "[commerce]", 'line 6: commerce: expected a header with {token} in it, or sign_in = "client_credentials"'),
    (BASIC + "[commerce]\nsign_in = 'oauth'", "line 7: commerce.sign_in: expected `token` or `client_credentials`; found 'oauth'"),
    (BASIC + "[commerce]\nheaders = { a = 1 }", "line 7: commerce.headers.a: expected text; found a number"),
    (BASIC + API + "probe_path = 'x'", "line 8: commerce.probe_path: expected a path that begins with /; found 'x'"),
    (BASIC + API + "[[lookups]]\nname = 'a'", "line 8: lookups[0].topics: is not set: Topics it is fetched for."),
    (BASIC + LOOKUP.replace('"a"\ntopics', '"a b"\ntopics'), "line 9: lookups[0].name: expected a name of letters, digits and _; found 'a b'"),
    (BASIC + LOOKUP.replace("/x", "/x y"), "line 11: lookups[0].path: expected a path that begins with /; found '/x y'"),
    (BASIC + LOOKUP.replace("/x", "/x/{data.id"), "lookups[0].path: expected a path in which each { has its }"),
    (BASIC + LOOKUP.replace('into = "a"', 'into = "a..b"'), "line 12: lookups[0].into: expected names with dots between them, such as data.items; found 'a..b'"),
    (BASIC + LOOKUP + "optional = 'yes'", "line 13: lookups[0].optional: expected true or false; found 'yes'"),
    (BASIC + LOOKUP.replace(API, ""), "expected `lookups` together with a table [commerce]"),
    (BASIC + LOOKUP + LOOKUP.replace(API, ""), "expected each of `lookups` with a `name` of its own"),
    # no TOML
    ("[x", "line 1, column 3"),
    ("title = 'A'\ntitle = 'B'", "line 2, column 12"),
]  # fmt: skip


def told(path: Path) -> list[str]:
    with pytest.raises(DeclarationInvalid) as caught:
        parse(path)
    return [str(Told(problem.place, dotted(problem.path), problem.text)) for problem in caught.value.problems]


@pytest.mark.parametrize(("toml", "expected"), INVALID)
def test_what_is_wrong_is_told_with_its_place_and_in_our_words(tmp_path: Path, toml: str, expected: str) -> None:
    path = tmp_path / "source.toml"
    path.write_text(toml)
    problems = told(path)
    assert any(expected in problem for problem in problems), problems
    for problem in problems:
        assert problem.startswith(str(path))
        assert not any(word in problem.lower() for word in PYDANTIC), problem


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "source.toml"
    path.write_text(SECOND.format("header = 1\nprefix = 2\nmore = 3") + "keys = 4")
    assert [problem.partition(": ")[2].partition(":")[0] for problem in told(path)] == [
        "authentication[1].header",
        "authentication[1].prefix",
        "authentication[1].more",
        "event.keys",
    ]


def test_the_schemes_are_those_of_the_model() -> None:
    assert schemes() == ["hmac", "standard-webhooks", "header", "basic", "addresses"]


KEYS = st.sampled_from(
    [
        "title",
        "authentication",
        "scheme",
        "header",
        "fields",
        "signature",
        "event",
        "topic",
        "entity",
        "order",
        "keys",
        "tracking",
        "commerce",
        "headers",
        "sign_in",
        "lookups",
        "name",
        "path",
        "into",
        "unwrap",
        "at",
        "networks",
        "x",
    ]
)
VALUES = st.recursive(
    st.sampled_from(["hmac", "basic", "header", "addresses", "/x", "{body}", "", "a b", 1, 0.5, True, False]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_the_data_the_words_are_ours(data: dict[str, Any]) -> None:
    try:
        Declaration.model_validate(data, strict=True)
    except ValidationError as error:
        for problem in problems_of(error, Path("source.toml"), {}):
            assert not any(word in problem.text.lower() for word in PYDANTIC), problem.text
            assert problem.text.startswith(("expected ", "unknown ", "is not set", "`scheme` is not set"))
