"""Quotes and blanks from a word processor or a web page."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from relay.templates.hints.contract import Hint
from relay.templates.tokens import Token

_QUOTES = "“”„‟«»"
_SINGLE_QUOTES = "‘’‚‛"


def odd_character(tokens: Sequence[Token]) -> Hint | None:
    """The first that stands outside of texts and comments; the engines would take it for part of a name."""
    token = next((token for token in tokens if token.kind == "odd"), None)
    if token is None:
        return None
    character = token.written
    if character in _QUOTES + _SINGLE_QUOTES:
        straight = '"' if character in _QUOTES else "'"
        remedy = f"Write {straight} for it here and below; word processors put in the other kind."
        return Hint(f"{character} is not a quote in JSONata", remedy, "a quote from a word processor", token.start)
    name = unicodedata.name(character, "unnamed").lower()
    remedy = "Delete it, or type a plain blank over it; it came with copied text."
    return Hint(f"an invisible character (U+{ord(character):04X}, {name})", remedy, "invisible", token.start)
