"""The ways in which a webhook of a declared platform proves that it is genuine.

Each check raises `Refused` and nothing else, whatever the bytes and headers; it knows nothing of JSON.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from typing import Protocol

from relay.codes import RelayError
from relay.model import Webhook
from relay.settings.declaration import (
    PLACEHOLDER,
    BasicScheme,
    HeaderScheme,
    HmacScheme,
    StandardWebhooksScheme,
)
from relay.sources.contract import Refused
from relay.sources.declared.ed25519 import PUBLIC_KEY_PREFIX, PublicKey
from relay.sources.signing import header_secret, secret_matches

MOST_SIGNATURES = 16
"""Of one header; a platform that changes its secret sends two."""
_MILLISECONDS_FROM = 10**11


class Check(Protocol):
    """``signed_by`` are the headers that the check reads and that hold no secret."""

    signed_by: Sequence[str]

    def presented(self, webhook: Webhook) -> str:
        """The secret itself, where the scheme sends it; else empty. Never raises."""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        """Raises `Refused` for a webhook that does not prove itself."""


def build_check(
    scheme: HmacScheme | StandardWebhooksScheme | HeaderScheme | BasicScheme, secrets: Sequence[str]
) -> Check:
    """Raises RelayError `config_invalid` for a secret of another form than the scheme's."""
    if isinstance(scheme, HmacScheme):
        return HmacCheck(scheme, secrets)
    if isinstance(scheme, StandardWebhooksScheme):
        return StandardWebhooksCheck(scheme, secrets)
    if isinstance(scheme, HeaderScheme):
        return PresentedCheck(scheme.header, scheme.prefix, secrets)
    encoded = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return PresentedCheck("authorization", "Basic ", encoded)


class AnyCheck:
    """One of several must pass. The refusal told is that of the first which found something to look at."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self.signed_by = [header for check in checks for header in check.signed_by]
        self.accepted = [secret for check in checks if isinstance(check, PresentedCheck) for secret in check.accepted]

    def presented(self, webhook: Webhook) -> str:
        return next(filter(None, (check.presented(webhook) for check in self._checks)), "")

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        refusals = []
        for one in self._checks:
            try:
                one.check(webhook, now_ms=now_ms)
            except Refused as refusal:
                refusals.append(refusal)
            else:
                return
        found = [refusal for refusal in refusals if refusal.code != "signature_missing"]
        raise (found or refusals)[0]


class PresentedCheck:
    """The secret itself stands in a header."""

    signed_by: Sequence[str] = ()

    def __init__(self, header: str, prefix: str, accepted: Sequence[str]) -> None:
        self._header = header
        self._prefix = prefix
        self.accepted = accepted

    def presented(self, webhook: Webhook) -> str:
        value = webhook.headers.get(self._header, "").strip()
        start, secret = value[: len(self._prefix)], value[len(self._prefix) :]
        return header_secret(secret.strip()) if start.lower() == self._prefix.lower() else ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        _present(webhook, self._header)
        if not secret_matches(self.presented(webhook), self.accepted):
            raise Refused("signature_mismatch", f"the secret in {self._header} is not one of the configured")


class HmacCheck:
    """A keyed digest of what was signed. Sources: the vendors' pages named in docs/sources.md."""

    def __init__(self, scheme: HmacScheme, secrets: Sequence[str]) -> None:
        self._scheme = scheme
        self._keys = [_key(secret, scheme.secret_encoding, scheme.secret_prefix) for secret in secrets]
        named = (scheme.header, scheme.timestamp_header, scheme.id_header)
        self.signed_by: Sequence[str] = [header for header in named if header]
        parts = PLACEHOLDER.split(scheme.signed)
        self._before_body = _literal_and_names(parts[: parts.index("body")])
        # From here on a literal comes first again.
        self._after_body = _literal_and_names(parts[parts.index("body") + 1 :])

    def presented(self, webhook: Webhook) -> str:
        return ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        scheme = self._scheme
        value = _present(webhook, scheme.header)
        fields = scheme.fields
        listed = _listed(value) if fields else []
        signatures = [text for name, text in listed if fields and name == fields.signature] if fields else [value]
        values = {"timestamp": "", "id": ""}
        if scheme.timestamp_header:
            values["timestamp"] = _present(webhook, scheme.timestamp_header)
        elif fields and fields.timestamp:
            values["timestamp"] = next((text for name, text in listed if name == fields.timestamp), "")
        if scheme.id_header:
            values["id"] = _present(webhook, scheme.id_header)
        signed = _filled(self._before_body, values) + webhook.body + _filled(self._after_body, values)
        presented = [
            text[len(scheme.prefix) :] for text in signatures[:MOST_SIGNATURES] if text.startswith(scheme.prefix)
        ]
        _check_signatures(presented, self._keys, signed, scheme.algorithm, scheme.encoding, scheme.header)
        if values["timestamp"] or "{timestamp}" in scheme.signed:
            check_age(values["timestamp"], now_ms=now_ms, tolerance_s=scheme.tolerance_s)


class StandardWebhooksCheck:
    """Standard Webhooks: v1 is HMAC-SHA256, v1a is ed25519. Source: its specification, standardwebhooks.com."""

    def __init__(self, scheme: StandardWebhooksScheme, secrets: Sequence[str]) -> None:
        self._headers = scheme.headers.lower()
        self.signed_by: Sequence[str] = [f"{self._headers}-{name}" for name in ("id", "timestamp", "signature")]
        self._tolerance_s = scheme.tolerance_s
        self._public = [PublicKey.of(secret) for secret in secrets if secret.startswith(PUBLIC_KEY_PREFIX)]
        self._keys = [
            _key(secret, "base64", "whsec_") for secret in secrets if not secret.startswith(PUBLIC_KEY_PREFIX)
        ]

    def presented(self, webhook: Webhook) -> str:
        return ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        header = f"{self._headers}-signature"
        identifier, timestamp, value = (
            _present(webhook, f"{self._headers}-{name}") for name in ("id", "timestamp", "signature")
        )
        signed = _bytes(f"{identifier}.{timestamp}.") + webhook.body
        versions = [text.partition(",") for text in value.split()[:MOST_SIGNATURES]]
        symmetric = [signature for version, _, signature in versions if version == "v1"]
        asymmetric = [signature for version, _, signature in versions if version == "v1a"]
        verified = any(key.verifies(signature, signed) for signature in asymmetric for key in self._public)
        if not verified:
            _check_signatures(symmetric, self._keys, signed, "sha256", "base64", header)
        check_age(timestamp, now_ms=now_ms, tolerance_s=self._tolerance_s)


def check_age(timestamp: str, *, now_ms: int, tolerance_s: float) -> None:
    """Raises `Refused` for a signed time, Unix seconds or milliseconds, that is too far from now on either side."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 14):
        raise Refused("signature_expired", "the signed time is not in Unix seconds")
    number = int(timestamp)
    signed_ms = number if number >= _MILLISECONDS_FROM else number * 1000
    if abs(now_ms - signed_ms) > tolerance_s * 1000:
        away_s = (now_ms - signed_ms) // 1000
        raise Refused("signature_expired", f"the signed time is {away_s} s behind the relay's clock")


def _check_signatures(
    presented: Sequence[str], keys: Sequence[bytes], signed: bytes, algorithm: str, encoding: str, header: str
) -> None:
    expected = [_written(hmac.digest(key, signed, algorithm), encoding) for key in keys]
    genuine = False
    for signature in presented:
        genuine |= secret_matches(signature.lower() if encoding == "hex" else signature, expected)
    if not genuine:
        raise Refused("signature_mismatch", f"no signature in {header} is that of a configured secret")


def _written(digest: bytes, encoding: str) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _present(webhook: Webhook, header: str) -> str:
    value = webhook.headers.get(header, "").strip()
    if not value:
        raise Refused("signature_missing", f"there is no {header} header")
    return value


def _listed(value: str) -> list[tuple[str, str]]:
    """`t=1,v1=a,v1=b` as pairs."""
    pairs = [part.partition("=") for part in re.split(r"[,;\s]+", value)[: 4 * MOST_SIGNATURES]]
    return [(name, text) for name, _, text in pairs]


def _key(secret: str, encoding: str, prefix: str) -> bytes:
    secret = secret.removeprefix(prefix)
    try:
        if encoding == "base64":
            return base64.b64decode(secret + "=" * (-len(secret) % 4), validate=True)
        return bytes.fromhex(secret) if encoding == "hex" else secret.encode()
    except (binascii.Error, ValueError):
        raise RelayError("config_invalid", f"A secret of the source is not {encoding}; copy it anew.") from None


def _literal_and_names(parts: Sequence[str]) -> list[tuple[str, bool]]:
    """Parts of a pattern, literals and names in turn, and which of them are names."""
    return [(part, index % 2 == 1) for index, part in enumerate(parts)]


def _filled(parts: Sequence[tuple[str, bool]], values: dict[str, str]) -> bytes:
    return b"".join(_bytes(values[part] if is_name else part) for part, is_name in parts)


def _bytes(text: str) -> bytes:
    """Of a header: servers read them as Latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
