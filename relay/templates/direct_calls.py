"""Calls of helpers that reach the host in one step: half of what a call costs is the wrapper of the prelude.

`$money(price, "EUR")` becomes `$_money(price, "EUR")[0]`, where that is plainly the same. What is
called in another way, given to a function or made anew by the template keeps its wrapper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relay.templates.tokens import OPENING, Token, tokens_of

_BEFORE = frozenset({".", "~>"})
"""Behind these a call is a step of a path or gets one more argument."""
_AFTER = frozenset({*",)]};:?&+-*/%=<>", "?:", "??", "!=", "<=", ">=", "and", "or", "in", ""})
"""Before these, or at the end, a predicate belongs to the call and to nothing else."""


def with_direct_calls(text: str, most_arguments: Mapping[str, int]) -> str:
    """``text`` with direct calls of the helpers in ``most_arguments``, by their names."""
    tokens = tokens_of(text)
    mentions = [
        at for at, token in enumerate(tokens) if token.written[1:] in most_arguments and token.written[0] == "$"
    ]
    otherwise = {tokens[at].written for at in mentions if _written(tokens, at + 1) != "("}
    edits: list[tuple[int, str]] = []
    for at in mentions:
        name = tokens[at].written
        end = _end_of_call(tokens, at + 1, most_arguments[name[1:]])
        if name not in otherwise and end and _written(tokens, at - 1) not in _BEFORE:
            edits += [(tokens[at].start + 1, "_"), (tokens[end].end, "[0]")]
    for place, added in sorted(edits, reverse=True):
        text = text[:place] + added + text[place:]
    return text


def _end_of_call(tokens: Sequence[Token], at: int, most_arguments: int) -> int:
    """Where the bracket is closed that opens ``at``; 0 for a partial application, too many or no arguments."""
    depth, commas = 0, 0
    for end in range(at, len(tokens)):
        written = tokens[end].written if tokens[end].kind == "operator" else ""
        depth += (written in OPENING.values()) - (written in OPENING)
        if depth == 0:
            fits = end > at + 1 and commas < most_arguments and _written(tokens, end + 1) in _AFTER
            return end if fits else 0
        if depth == 1 and written == ",":
            commas += 1
        if depth == 1 and written == "?" and _written(tokens, end - 1) in ("(", ","):
            return 0
    return 0


def _written(tokens: Sequence[Token], at: int) -> str:
    """Empty before the first token and behind the last."""
    return tokens[at].written if 0 <= at < len(tokens) else ""
