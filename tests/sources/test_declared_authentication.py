"""How webhooks of declared platforms prove that they are genuine."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.codes import CODES, RelayError
from relay.model import Webhook
from relay.sources.contract import Refused
from tests.sources.declared_making import EVENT, NOW_MS, NOW_S, declared, digest, packaged

BODY = b'{"type":"order.paid","id":"e-1"}'
SECRET = "a-secret-of-the-tests"
HMAC = '[[authentication]]\nscheme = "hmac"\nheader = "X-Signature"\n'
STANDARD = "whsec_" + base64.b64encode(bytes(range(24))).decode()


def topic(source: Any, headers: dict[str, str], body: bytes = BODY, now_ms: int = NOW_MS) -> str:
    received: str = source.receive(Webhook(headers, body), now_ms=now_ms).topic
    return received


def refusal(source: Any, headers: dict[str, str], body: bytes = BODY, now_ms: int = NOW_MS) -> str:
    with pytest.raises(Refused) as caught:
        source.receive(Webhook(headers, body), now_ms=now_ms)
    assert caught.value.code in CODES
    assert SECRET not in caught.value.detail
    return caught.value.code


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_hmac_in_every_form(algorithm: str, encoding: str, prefix: str) -> None:
    form = f'algorithm = "{algorithm}"\nencoding = "{encoding}"\nprefix = "{prefix}"\n'
    source = declared(HMAC + form + EVENT, secret=["another", SECRET])
    right = prefix + digest(SECRET, BODY, algorithm, encoding)

    assert topic(source, {"x-signature": right}) == "order.paid"
    assert refusal(source, {"x-signature": right}, BODY + b" ") == "signature_mismatch"
    assert refusal(source, {"x-signature": prefix + digest("wrong", BODY, algorithm, encoding)}) == "signature_mismatch"
    assert refusal(source, {}) == "signature_missing"
    if prefix:
        assert refusal(source, {"x-signature": right.removeprefix(prefix)}) == "signature_mismatch"


@pytest.mark.parametrize(
    ("encoding", "secret", "key"),
    [
        ("text", "s3cret-ü", "s3cret-ü".encode()),
        ("base64", "pre_AAECAw==", b"\0\1\2\3"),
        ("hex", "00ff10", b"\0\xff\x10"),
    ],
)
def test_a_secret_is_decoded_as_declared(encoding: str, secret: str, key: bytes) -> None:
    form = f'secret_encoding = "{encoding}"\nsecret_prefix = "pre_"\n'
    assert topic(declared(HMAC + form + EVENT, secret=secret), {"x-signature": digest(key, BODY)}) == "order.paid"


@pytest.mark.parametrize(("encoding", "secret"), [("base64", "not base64!"), ("hex", "xyz")])
def test_a_secret_of_another_form_is_told_at_the_start(encoding: str, secret: str) -> None:
    with pytest.raises(RelayError, match=encoding) as caught:
        declared(f'{HMAC}secret_encoding = "{encoding}"\n{EVENT}', secret=secret)
    assert secret not in str(caught.value)


def test_a_signed_time_and_id_in_headers_of_their_own() -> None:
    form = (
        'signed = "v0:{id}:{timestamp}:{body}:end"\ntimestamp_header = "X-Time"\nid_header = "X-Id"\ntolerance_s = 60\n'
    )
    source = declared(HMAC + form + EVENT, secret=SECRET)
    headers = {"x-time": NOW_S, "x-id": "7"}
    headers["x-signature"] = digest(SECRET, f"v0:7:{NOW_S}:".encode() + BODY + b":end")

    assert topic(source, headers) == "order.paid"
    assert topic(source, headers, now_ms=NOW_MS + 60_000) == "order.paid"
    assert refusal(source, headers, now_ms=NOW_MS + 61_000) == "signature_expired"
    assert refusal(source, headers, now_ms=NOW_MS - 61_000) == "signature_expired"
    assert refusal(source, {**headers, "x-id": "8"}) == "signature_mismatch"
    assert refusal(source, {name: headers[name] for name in ("x-id", "x-signature")}) == "signature_missing"


def test_a_listed_header_without_its_time_is_expired_even_if_signed_so() -> None:
    source = packaged("stripe", secret=SECRET)
    assert refusal(source, {"stripe-signature": "v1=" + digest(SECRET, b"." + BODY)}) == "signature_expired"


def test_the_secret_itself_in_a_header_or_as_basic() -> None:
    plain = declared(
        f'[[authentication]]\nscheme = "header"\nheader = "X-Token"\nprefix = "Token "\n{EVENT}', secret=[SECRET, "ü-2"]
    )
    assert topic(plain, {"x-token": f"Token {SECRET}"}) == "order.paid"
    assert topic(plain, {"x-token": "token " + "ü-2".encode().decode("latin-1")}) == "order.paid"
    assert refusal(plain, {"x-token": SECRET}) == "signature_mismatch"
    assert refusal(plain, {"x-token": "Token other"}) == "signature_mismatch"

    basic = declared(f'[[authentication]]\nscheme = "basic"\n{EVENT}', secret="user:pass")
    assert topic(basic, {"authorization": "Basic " + base64.b64encode(b"user:pass").decode()}) == "order.paid"
    assert refusal(basic, {"authorization": "Basic " + base64.b64encode(b"user:past").decode()}) == "signature_mismatch"


def test_one_of_several_schemes_is_enough() -> None:
    both = declared(f'[[authentication]]\nscheme = "basic"\n{HMAC}{EVENT}', secret=SECRET)

    assert topic(both, {"x-signature": digest(SECRET, BODY)}) == "order.paid"
    assert refusal(both, {"x-signature": "0"}) == "signature_mismatch"
    assert refusal(both, {}) == "signature_missing"


@pytest.mark.parametrize("names", ["webhook", "svix"])
def test_standard_webhooks(names: str) -> None:
    source = packaged("standard-webhooks", secret=STANDARD)
    signature = digest(bytes(range(24)), f"m-1.{NOW_S}.".encode() + BODY, encoding="base64")
    headers = {f"{names}-id": "m-1", f"{names}-timestamp": NOW_S, f"{names}-signature": f"v1,x v1,{signature}"}

    assert source.receive(Webhook(headers, BODY), now_ms=NOW_MS).delivery_key == "m-1"
    assert refusal(source, {**headers, f"{names}-signature": f"v2,{signature}"}) == "signature_mismatch"


@pytest.mark.parametrize("key", ["whpk_AAAA", "whpk_???", "whsec_???"])
def test_a_key_that_is_none_is_told_at_the_start(key: str) -> None:
    with pytest.raises(RelayError):
        packaged("standard-webhooks", secret=key)


def test_an_open_source_takes_anything_that_can_be_read() -> None:
    assert topic(packaged("stripe", open=True), {}) == "order.paid"


def test_quarantine_keeps_signatures_and_no_secret_so_that_both_can_be_checked_again() -> None:
    came = Webhook({"stripe-signature": "t=1,v1=ab", "authorization": f"Bearer {SECRET}"}, BODY)
    assert packaged("stripe", secret=SECRET).strip(came).headers == {
        "stripe-signature": "t=1,v1=ab",
        "authorization": "present",
    }
    assert packaged("commercetools", secret=SECRET).presented(came) == SECRET
    assert packaged("stripe", secret=SECRET).presented(came) == ""


SCHEMES = [
    HMAC + 'fields = { signature = "s", timestamp = "t" }\nsigned = "{timestamp}{body}"\n',
    HMAC + 'id_header = "X-Id"\ntimestamp_header = "X-Time"\nsigned = "{id}{timestamp}{body}"\nencoding = "base64"\n',
    '[[authentication]]\nscheme = "standard-webhooks"\n',
    '[[authentication]]\nscheme = "header"\nheader = "X-Signature"\n[[authentication]]\nscheme = "basic"\n',
]
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
NAMES = ["x-signature", "x-id", "x-time", "authorization", "webhook-id", "webhook-timestamp", "webhook-signature"]
values = st.text(max_size=40) | st.sampled_from(
    ["t=1,s=2", "t=,s=", "v1,x", "v1a,AAAA", "v1a,é", NOW_S, "9" * 30, "٣", "Basic =", "Basic \ud800"]
)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    headers=st.dictionaries(st.sampled_from(NAMES), values), body=st.binary(max_size=60), now_ms=st.integers(0, 10**14)
)
def test_a_stranger_gets_a_refusal_and_nothing_else(
    scheme: str, headers: dict[str, str], body: bytes, now_ms: int
) -> None:
    secrets = [STANDARD, PUBLIC] if "standard" in scheme else [SECRET]
    source = declared(scheme + EVENT, secret=secrets)
    assert refusal(source, headers, body, now_ms).startswith("signature_")
    source.strip(Webhook(headers, body))
    assert SECRET not in source.presented(Webhook(headers, body))


@given(
    body=st.binary(max_size=80)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_the_body_an_open_source_receives_or_refuses(body: bytes) -> None:
    for platform in ("stripe", "commercetools", "swell", "standard-webhooks"):
        try:
            packaged(platform, open=True).receive(Webhook({}, body), now_ms=NOW_MS)
        except Refused as refused:
            assert refused.code in ("body_not_json", "body_not_object", "topic_missing")  # noqa: PT017
