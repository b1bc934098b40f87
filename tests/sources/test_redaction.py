from __future__ import annotations

import json
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.sources.redaction import (
    LONGEST_SCANNED_BYTES,
    MASK,
    Secret,
    chosen_headers,
    quarantine_body,
    quarantine_headers,
    without_secrets,
)
from tests.sources.making import written

LONG = 'k9/Ümlaut+"quoted"&<tag>=='
randoms = st.randoms(use_true_random=False)
secrets = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="*"), min_size=16, max_size=40)
names = st.sampled_from(["secret_key", "id", "data", "note", "secret_keys", "secret"]) | st.text(max_size=5)


def documents(secret: str) -> st.SearchStrategy[Any]:
    """JSON with the secret under its usual name and elsewhere, also in JSON that is kept as text."""
    texts = st.text(max_size=12) | st.just(secret) | st.text(max_size=5).map(lambda around: around + secret + around)
    scalars = st.none() | st.booleans() | st.integers(0, 10**6) | texts
    trees = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
    )
    as_text = st.tuples(trees, randoms).map(lambda pair: written(pair[0], pair[1], escapes=0.2))
    leaves = scalars | as_text | st.tuples(as_text, randoms).map(lambda pair: written([pair[0]], pair[1]))
    return st.dictionaries(names, leaves | st.dictionaries(names, leaves, max_size=3), max_size=4)


def meaning(value: Any, secret: str | None = None) -> Any:
    """A document with JSON that is kept as text opened; given a secret, what must be left of it."""
    if isinstance(value, list):
        return [meaning(inner, secret) for inner in value]
    if isinstance(value, dict):
        return {masked(name, secret): member(name, inner, secret) for name, inner in value.items()}
    if not isinstance(value, str):
        return value
    try:
        inside = json.loads(value)
    except ValueError:
        return masked(value, secret)
    return ("as text", meaning(inside, secret)) if isinstance(inside, list | dict | str) else masked(value, secret)


def member(name: str, value: Any, secret: str | None) -> Any:
    blank = secret is not None and name == "secret_key" and isinstance(value, str | int | float)
    return "" if blank else meaning(value, secret)


def masked(text: str, secret: str | None) -> str:
    return text if secret is None else text.replace(secret, MASK)


@given(data=st.data(), secret=secrets, random=randoms, escapes=st.sampled_from([0.0, 0.1, 0.7]))
def test_no_secret_is_left_and_nothing_else_is_changed(data: Any, secret: str, random: Random, escapes: float) -> None:
    document = data.draw(documents(secret))
    body = written(document, random, escapes=escapes).encode()

    kept, _ = without_secrets(body, [Secret.of(secret)])

    assert meaning(json.loads(kept)) == meaning(document, secret)
    assert without_secrets(kept, [Secret.of(secret)])[0] == kept
    assert secret.encode() not in quarantine_body(body, [Secret.of(secret)])


@given(document=documents("nothing to find"), random=randoms, escapes=st.sampled_from([0.0, 0.2]))
def test_a_body_without_secrets_is_kept_byte_for_byte(document: Any, random: Random, escapes: float) -> None:
    text = written(document, random, escapes=escapes).replace("secret_key", "public_key")
    if "ecret_key" in json.dumps(meaning(json.loads(text))):
        text = "{}"

    assert without_secrets(text.encode(), [Secret.of(LONG)])[0] == text.encode()


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (
            r'{"secret_key":"abc", "n": 1.10, "i":12345678901234567890}',
            r'{"secret_key":"", "n": 1.10, "i":12345678901234567890}',
        ),
        (r'{"secret_key" : "a\"b\\"}', r'{"secret_key" : ""}'),
        (r'{"\u0073ecret_key":"abc","b":"\u0041"}', r'{"\u0073ecret_key":"","b":"\u0041"}'),
        (r'{"secret_key": 12345 , "a":1}', r'{"secret_key": "" , "a":1}'),
        (r'{"secret_key":null}', r'{"secret_key":null}'),
        (r'{"secret_key":{"secret_key":"abc"}}', r'{"secret_key":{"secret_key":""}}'),
        (r'{"note":"secret_key","b":"abc"}', r'{"note":"secret_key","b":"abc"}'),
        (r'{"a":"{\"secret_key\":\"abc\"}"}', r'{"a":"{\"secret_key\":\"\"}"}'),
        (r'{"a":"{\u0022secret_key\u0022:\u0022abc\u0022}"}', r'{"a":"{\"secret_key\":\"\"}"}'),
        (r'{"a":"{\"\\u0073ecret_key\":\"abc\"}"}', r'{"a":"{\"\\u0073ecret_key\":\"\"}"}'),
        (r'{"a":"{\"\u005cu0073ecret_key\":\"abc\"}"}', r'{"a":"{\"\\u0073ecret_key\":\"\"}"}'),
        (r'{"a":"5\" pipe {\"secret_key\":\"abc\"}"}', r'{"a":"5\" pipe {\"secret_key\":\"\"}"}'),
    ],
)
def test_the_member_goes_in_every_spelling(body: str, left: str) -> None:
    assert without_secrets(body.encode(), [])[0].decode() == left


@pytest.mark.parametrize(
    "encode", [json.dumps, lambda text: json.dumps(text).replace("&", "\\u0026").replace("/", "\\/")]
)
def test_a_secret_goes_from_other_texts_however_its_characters_are_usually_escaped(
    encode: Callable[[str], str],
) -> None:
    body = '{"note": ' + encode(f"it is {LONG}!") + "}"

    assert without_secrets(body.encode(), [Secret.of(LONG)]) == (b'{"note": "it is ***!"}', True)


def test_a_text_keeps_its_spelling_around_a_plain_secret() -> None:
    body = rb'{"note": "a\/b\u0041 SECRET \"c\\/d SECRET\" \u001f"}'

    kept, _ = without_secrets(body.replace(b"SECRET", b"plain-word-key-0123456"), [Secret.of("plain-word-key-0123456")])

    assert kept == body.replace(b"SECRET", b"***")


def test_a_text_with_a_lone_quote_is_cleaned_like_any_other() -> None:
    body = json.dumps({"note": '5" pipe, the key is plain-word-key-0123456'}).encode()

    assert without_secrets(body, [Secret.of("plain-word-key-0123456")])[0] == b'{"note": "5\\" pipe, the key is ***"}'


@given(body=st.binary() | st.text(st.sampled_from('"\\{}[]:,u0073 secret_key\n')).map(str.encode), random=randoms)
@example(body=b'"\\x\\"' * 5_000, random=Random(0))
@example(body=b'"\\u0041' + b'\\"' * 5_000, random=Random(0))
@example(body=b'\xff"secret_key": "' + LONG.encode() + b"\\", random=Random(0))
def test_quarantine_takes_any_bytes(body: bytes, random: Random) -> None:
    at = random.randint(0, len(body))
    mixed = body[:at] + LONG.encode() + body[at:]

    assert LONG.encode() not in quarantine_body(mixed, [Secret.of(LONG)])


@pytest.mark.parametrize("body", [b'\\"', b'\\u0041"\\"', b'"secret_key":"\\', b'"secret_key"   :', b'{"\\u0073":'])
def test_time_grows_with_the_length_of_the_body_only(body: bytes) -> None:
    def seconds(length: int) -> float:
        crafted = b'"\\u0041' + body * (length // len(body))
        start = time.process_time()
        quarantine_body(crafted, [Secret.of(LONG)])
        return time.process_time() - start

    short, long = min(seconds(4_000) for _ in range(3)), min(seconds(64_000) for _ in range(3))

    # 16 times the length; by the square it would be 256 times as long.
    assert long < 80 * short + 0.05


def test_a_huge_body_with_a_secret_in_an_odd_place_is_given_up() -> None:
    plain = b'{"a":"' + b"x" * LONGEST_SCANNED_BYTES + b'"}'
    odd = b'{"\\u0073ecret_key":"abc","a":"' + b"x" * LONGEST_SCANNED_BYTES + b'"}'

    assert quarantine_body(plain, [Secret.of(LONG)]) == plain
    assert quarantine_body(odd, [Secret.of(LONG)]) == b""


def test_of_headers_that_may_hold_a_secret_only_their_presence_is_kept() -> None:
    headers = {
        "authorization": "Bearer abc",
        "cookie": "a=b",
        "x-moltin-secret-key": "abc",
        "x-hub-signature-256": "abc",
        "x-api-token": "abc",
        "user-agent": f"Bot ({LONG})",
        "x-odd": "\udc80",
    }

    kept = quarantine_headers(headers, [Secret.of(LONG)])

    assert kept == dict.fromkeys(list(headers)[:5], "present") | {"user-agent": f"Bot ({MASK})", "x-odd": "?"}


def test_chosen_headers_are_those_that_are_there() -> None:
    headers = {"content-type": "application/json", "user-agent": LONG, "x-other": "1"}

    kept = chosen_headers(headers, ("content-type", "user-agent", "x-request-id"), [Secret.of(LONG)])

    assert kept == {"content-type": "application/json", "user-agent": MASK}
