"""Recognising a secret again without keeping it; see docs/decisions on quarantined secrets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from relay.model import Quarantined

KEY_BYTES = 32


class Verifier:
    """Makes verifiers of secrets with a ``key`` that is not in the journal."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a verifier's key has {KEY_BYTES} bytes")
        self._key = key
        self._key_id = hashlib.sha256(b"id\n" + key).hexdigest()[:8]

    def of(self, source: str, presented: str) -> str:
        """The verifier of a secret that was presented to a source; empty when none was."""
        if not presented:
            return ""
        text = f"{source}\n{presented}".encode("utf-8", "surrogatepass")
        return f"{self._key_id}:{hmac.new(self._key, text, hashlib.sha256).hexdigest()}"

    def was_presented(self, item: Quarantined) -> Callable[[str], bool]:
        """Tells of a secret whether it came with ``item``; of no secret, when the key is another by now."""
        return lambda secret: bool(secret) and hmac.compare_digest(self.of(item.source, secret), item.verifier)
