"""What of an answer may be shown to a person and kept."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, quote_plus

SHOWN_CHARACTERS = 500
MASK = "***"


def shown(text: bytes | str, secrets: Sequence[str]) -> str:
    """The first 500 characters, on one line, without control characters and secrets.

    Secrets, as they are and as a URL has them, are masked after control characters are gone, which
    could hide one, and before the cut, which could leave half of one.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = "".join(character for character in " ".join(text.split()) if character.isprintable())
    for secret in secrets:
        for form in (secret, quote(secret, safe=""), quote(secret, safe="*"), quote_plus(secret)):
            text = text.replace(form, MASK)
    return text[:SHOWN_CHARACTERS]
