"""Public keys of Standard Webhooks v1a."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from relay.codes import RelayError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEY_PREFIX = "whpk_"


@dataclass(frozen=True, slots=True)
class PublicKey:
    key: Ed25519PublicKey

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``whpk_`` and base64. Raises RelayError `config_invalid`."""
        # Only here, because it takes 10 MiB that a relay without such a key need not spend.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            return cls(
                Ed25519PublicKey.from_public_bytes(
                    base64.b64decode(text.removeprefix(PUBLIC_KEY_PREFIX), validate=True)
                )
            )
        except (binascii.Error, ValueError):
            raise RelayError("config_invalid", "A whpk_ key of the source is not 32 bytes in base64.") from None

    def verifies(self, signature: str, signed: bytes) -> bool:
        """Whether this base64 signature is over these bytes; False for whatever is no signature."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.key.verify(base64.b64decode(signature, validate=True), signed)
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True
