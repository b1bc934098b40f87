"""A quote in the middle of a name: one of a text's two quotes is missing, or there is one too many.

To the language it is part of the name; the engine that renders refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.templates.hints.contract import Fault, Hint
from relay.templates.tokens import Token

_QUOTES = "\"'"


def quote_in_name(tokens: Sequence[Token]) -> Hint | None:
    for token in tokens:
        if token.kind in ("name", "variable") and not token.written.startswith("`"):
            at = next((at for at, character in enumerate(token.written) if character in _QUOTES), None)
            if at is not None:
                what = f"a quote stands inside the name {token.written}"
                remedy = "Put both quotes around the text, or \\ before a quote inside a text."
                return Hint(what, remedy, "", token.start + at)
    return None


def quote_at_fault(fault: Fault) -> Hint | None:
    return quote_in_name([token for token in (fault.before, fault.token) if token is not None])
