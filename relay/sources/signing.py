"""Checking that a webhook is genuine: the pieces that platforms share."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def secret_matches(presented: str, candidates: Sequence[str]) -> bool:
    """Whether a presented secret is one of several, compared in constant time and all of them."""
    given = presented.encode("utf-8", "surrogatepass")
    found = False
    for candidate in candidates:
        found |= hmac.compare_digest(given, candidate.encode("utf-8", "surrogatepass"))
    return found


def header_secret(value: str) -> str:
    """A header's value as text. HTTP servers read headers as Latin-1; a secret in UTF-8 gets its letters back."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        # Not UTF-8 in Latin-1 dress: the value is meant as it stands.
        return value


def composer_secret(client_secret: str) -> str:
    """What Elastic Path's Composer registers as secret key: base64 of the client secret's SHA-256.

    Source: Elastic Path's Postmark page; a published sample shows the value for ``test``.
    """
    return base64.b64encode(hashlib.sha256(client_secret.encode()).digest()).decode()


def hmac_sha256_base64(secret: str, body: bytes) -> str:
    """The signature by which Shopify, WooCommerce and others vouch for the raw bytes of a body."""
    return base64.b64encode(hmac.digest(secret.encode("utf-8", "surrogatepass"), body, "sha256")).decode()
