"""The ways in which webhooks of several platforms prove that they are genuine.

Each check raises `Refused` and nothing else, whatever the bytes and headers; it knows nothing of JSON.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol, Self

from relay.codes import RelayError
from relay.model import Webhook
from relay.sources.contract import Refused
from relay.sources.ed25519 import PUBLIC_KEY_PREFIX, PublicKey
from relay.sources.signing import header_secret, secret_matches

MOST_SIGNATURES = 16
"""Of one header; a platform that changes its secret sends two."""
BASIC_CHALLENGE = 'Basic realm="webhooks", charset="UTF-8"'
_MILLISECONDS_FROM = 10**11


class Check(Protocol):
    """``signed_by`` are the headers that the check reads and that hold no secret."""

    signed_by: Sequence[str]

    def presented(self, webhook: Webhook) -> str:
        """The secret itself, where the scheme sends it; else empty. Never raises."""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        """Raises `Refused` for a webhook that does not prove itself."""

    def sign(self, body: bytes, *, now_ms: int) -> Mapping[str, str] | None:
        """Headers that pass the check; None when it cannot make any."""


class AnyCheck:
    """One of several must pass. The refusal told is that of the first which found something to look at."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self.checks = checks
        self.by_address = any(isinstance(check, AddressCheck) for check in checks)
        self.signed_by = [header for check in checks for header in check.signed_by]
        self.accepted = [secret for check in checks if isinstance(check, PresentedCheck) for secret in check.accepted]

    def presented(self, webhook: Webhook) -> str:
        return next(filter(None, (check.presented(webhook) for check in self.checks)), "")

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        refusals = []
        for one in self.checks:
            try:
                one.check(webhook, now_ms=now_ms)
            except Refused as refusal:
                refusals.append(refusal)
            else:
                return
        told = min(refusals, key=lambda refusal: _TOLD_LAST.get(refusal.code, 0))
        if told.code == "signature_missing":
            told.challenge = next(filter(None, (refusal.challenge for refusal in refusals)), "")
        raise told


_TOLD_LAST = {"sender_refused": 1, "signature_missing": 2}
"""Refusals of a webhook that shows no secret, which another check may have seen."""


def signed_by_any(checks: Sequence[Check], body: bytes, *, now_ms: int) -> Mapping[str, str] | None:
    """By the first that can."""
    return next(filter(None, (check.sign(body, now_ms=now_ms) for check in checks)), None)


def sample_id(body: bytes) -> str:
    """The id of a message that is signed here: the same for the same body."""
    return f"msg_{hashlib.sha256(body).hexdigest()[:32]}"


class AddressCheck:
    """The webhook comes from one of the networks, and is not signed."""

    signed_by: Sequence[str] = ()

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def presented(self, webhook: Webhook) -> str:
        return ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        try:
            address = ip_address(webhook.client)
        except ValueError:
            raise Refused("sender_refused", "the client's address is not known") from None
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if not any(address in network for network in self._networks):
            raise Refused("sender_refused", f"{address} is in none of the networks")

    def sign(self, body: bytes, *, now_ms: int) -> None:
        return None


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
        present(webhook, self._header)
        if not secret_matches(self.presented(webhook), self.accepted):
            raise Refused("signature_mismatch", f"the secret in {self._header} is not one of the configured")

    def sign(self, body: bytes, *, now_ms: int) -> Mapping[str, str] | None:
        return {self._header: self._prefix + self.accepted[0]} if self.accepted else None


class BasicCheck(PresentedCheck):
    """HTTP Basic (RFC 7617). Amazon SNS shows its password only to a server that asks for it."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Of secrets ``user:password``."""
        encoded = [base64.b64encode(secret.encode()).decode() for secret in secrets]
        super().__init__("authorization", "Basic ", encoded)

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        if not webhook.headers.get("authorization", "").strip():
            raise Refused("signature_missing", "there is no authorization header", BASIC_CHALLENGE)
        super().check(webhook, now_ms=now_ms)


class StandardWebhooksCheck:
    """Standard Webhooks: v1 is HMAC-SHA256, v1a is ed25519. Source: its specification, standardwebhooks.com."""

    def __init__(
        self, keys: Sequence[bytes], public: Sequence[PublicKey] = (), *, headers: str, tolerance_s: float
    ) -> None:
        """``headers`` is what the three header names begin with."""
        self._headers = headers
        self.signed_by: Sequence[str] = [f"{headers}-{name}" for name in ("id", "timestamp", "signature")]
        self._tolerance_s = tolerance_s
        self._keys = keys
        self._public = public

    @classmethod
    def of(cls, secrets: Sequence[str], *, headers: str, tolerance_s: float) -> Self:
        """From secrets ``whsec_…`` and public keys ``whpk_…``. Raises RelayError `config_invalid`."""
        public = [PublicKey.of(secret) for secret in secrets if secret.startswith(PUBLIC_KEY_PREFIX)]
        shared = [secret for secret in secrets if not secret.startswith(PUBLIC_KEY_PREFIX)]
        keys = [key(secret, "base64", "whsec_") for secret in shared]
        return cls(keys, public, headers=headers, tolerance_s=tolerance_s)

    def presented(self, webhook: Webhook) -> str:
        return ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        header = f"{self._headers}-signature"
        identifier, timestamp, value = (
            present(webhook, f"{self._headers}-{name}") for name in ("id", "timestamp", "signature")
        )
        signed = header_bytes(f"{identifier}.{timestamp}.") + webhook.body
        versions = [text.partition(",") for text in value.split()[:MOST_SIGNATURES]]
        symmetric = [signature for version, _, signature in versions if version == "v1"]
        asymmetric = [signature for version, _, signature in versions if version == "v1a"]
        verified = any(key.verifies(signature, signed) for signature in asymmetric for key in self._public)
        if not verified:
            check_signatures(symmetric, self._keys, signed, "sha256", "base64", header)
        check_age(timestamp, now_ms=now_ms, tolerance_s=self._tolerance_s)

    def sign(self, body: bytes, *, now_ms: int) -> Mapping[str, str] | None:
        """By v1: of v1a the relay has the public key only."""
        if not self._keys:
            return None
        values = {"id": sample_id(body), "timestamp": str(now_ms // 1000)}
        signed = f"{values['id']}.{values['timestamp']}.".encode() + body
        values["signature"] = f"v1,{written(hmac.digest(self._keys[0], signed, 'sha256'), 'base64')}"
        return {f"{self._headers}-{name}": value for name, value in values.items()}


def check_age(timestamp: str, *, now_ms: int, tolerance_s: float) -> None:
    """Raises `Refused` for a signed time, Unix seconds or milliseconds, that is too far from now on either side."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 14):
        raise Refused("signature_expired", "the signed time is not in Unix seconds")
    number = int(timestamp)
    signed_ms = number if number >= _MILLISECONDS_FROM else number * 1000
    if abs(now_ms - signed_ms) > tolerance_s * 1000:
        away_s = (now_ms - signed_ms) // 1000
        raise Refused("signature_expired", f"the signed time is {away_s} s behind the relay's clock")


def check_signatures(
    presented: Sequence[str], keys: Sequence[bytes], signed: bytes, algorithm: str, encoding: str, header: str
) -> None:
    expected = [written(hmac.digest(key, signed, algorithm), encoding) for key in keys]
    genuine = False
    for signature in presented:
        genuine |= secret_matches(signature.lower() if encoding == "hex" else signature, expected)
    if not genuine:
        raise Refused("signature_mismatch", f"no signature in {header} is that of a configured secret")


def written(digest: bytes, encoding: str) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def present(webhook: Webhook, header: str) -> str:
    value = webhook.headers.get(header, "").strip()
    if not value:
        raise Refused("signature_missing", f"there is no {header} header")
    return value


def key(secret: str, encoding: str, prefix: str) -> bytes:
    """The bytes that a secret stands for. Raises RelayError `config_invalid`."""
    secret = secret.removeprefix(prefix)
    try:
        if encoding == "base64":
            return base64.b64decode(secret + "=" * (-len(secret) % 4), validate=True)
        return bytes.fromhex(secret) if encoding == "hex" else secret.encode()
    except (binascii.Error, ValueError):
        raise RelayError("config_invalid", f"A secret of the source is not {encoding}; copy it anew.") from None


def header_bytes(text: str) -> bytes:
    """Of a header: servers read them as Latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
