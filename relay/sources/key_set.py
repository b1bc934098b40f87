"""Public keys by which a platform signs, as it publishes them: a JSON Web Key Set (RFC 7517) of RSA keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from relay.sources.fields import at, text
from relay.sources.json_text import parse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MOST_KEYS = 32
KEY_BITS = range(2048, 8193)


class KeySet:
    """The keys of one platform by id, published at ``url``; none until they are fetched.

    The one thing in a source that changes. Whoever fetches (`relay.pipeline.key_keeping`) replaces it as a whole.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: Mapping[str, RSAPublicKey] = {}

    def replace(self, document: bytes) -> int:
        """Take the published keys; returns their number. Raises ValueError when there is none, and keeps the old."""
        listed = at(parse(document), "keys")
        keys = [_key(one) for one in listed[:MOST_KEYS]] if isinstance(listed, list) else []
        found = dict(key for key in keys if key)
        if not found:
            raise ValueError("it holds no RSA key for RS256")
        self._keys = found
        return len(found)

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    def verifies(self, key_id: str, signature: bytes, signed: bytes) -> bool:
        """Whether a signature by RS256 is that of a key. Raises KeyError when there is no such key."""
        # Only here: it takes 10 MiB that a relay without such a platform need not spend.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self._keys[key_id].verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def _key(jwk: Any) -> tuple[str, RSAPublicKey] | None:
    """A key by its id; None for one of another kind or purpose, of which a set may hold any number."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    key_id = text(at(jwk, "kid"))
    if key_id is None or at(jwk, "kty") != "RSA" or at(jwk, "use") not in (None, "sig"):
        return None
    modulus, exponent = _number(at(jwk, "n")), _number(at(jwk, "e"))
    if at(jwk, "alg") not in (None, "RS256") or modulus.bit_length() not in KEY_BITS:
        return None
    try:
        return key_id, RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        # Numbers that are no key.
        return None


def _number(encoded: Any) -> int:
    """Base64urlUInt of RFC 7518; 0 for what is none."""
    try:
        return int.from_bytes(from_base64url(encoded))
    except ValueError:
        return 0


def from_base64url(encoded: Any) -> bytes:
    """Without padding, as in JOSE (RFC 7515, 2). Raises ValueError."""
    if not isinstance(encoded, str) or not encoded.isascii() or "=" in encoded:
        raise ValueError("not base64url")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
