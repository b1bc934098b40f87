"""The words of a template, also of one that cannot be parsed: what hints about syntax look at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "variable", "text", "number", "regex", "operator", "odd"]

OPENING = {")": "(", "]": "[", "}": "{"}
"""Each closing bracket's opening one."""

_ODD = "“”„‟‘’‚‛«»\u00a0\u200b\u200c\u200d\u2060\ufeff"
_OPERATORS = (":=", "!=", ">=", "<=", "**", "~>", "?:", "??", "..", *".[]{}()@#;:?+-*/%|=<>^&,!~")
_NAME = re.compile(rf"[^\s{re.escape(''.join(set(''.join(_OPERATORS))))}{_ODD}]+")
_NUMBER = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_REGEX = re.compile(r"/(?:\[(?:[^\]\\\n]|\\.)*\]|[^/\\\n\[]|\\.)+/[im]*")
_BLANK = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Token:
    """``odd`` are characters that look like quotes or blanks and are none. An open one reaches to the end."""

    kind: Kind
    start: int
    end: int
    written: str
    closed: bool = True

    @property
    def ends_value(self) -> bool:
        return self.kind not in ("operator", "odd") or self.written in OPENING


def tokens_of(text: str) -> Sequence[Token]:
    """All tokens but comments, whatever the text."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank:
            at = blank.end()
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            at = end + 2 if end >= 0 else len(text)
        else:
            found.append(_next(text, at, after_value=bool(found) and found[-1].ends_value))
            at = found[-1].end
    return found


def unclosed_comment(text: str) -> int | None:
    """Where a comment begins that never ends."""
    end = max((token.end for token in tokens_of(text)), default=0)
    at = end
    while (at := text.find("/*", at)) >= 0:
        end = text.find("*/", at + 2)
        if end < 0:
            return at
        at = end + 2
    return None


def _next(text: str, at: int, *, after_value: bool) -> Token:
    character = text[at]
    if character in "\"'`":
        return _quoted(text, at)
    if character in _ODD:
        return Token("odd", at, at + 1, character)
    if character == "/" and not after_value and (end := _regex_end(text, at)):
        return Token("regex", at, end, text[at:end])
    for operator in _OPERATORS:
        if text.startswith(operator, at):
            return Token("operator", at, at + len(operator), operator)
    number = _NUMBER.match(text, at)
    if number:
        return Token("number", at, number.end(), number[0])
    name = _NAME.match(text, at)
    end = name.end() if name else at + 1
    written = text[at:end]
    if written in ("and", "or", "in"):
        return Token("operator", at, end, written)
    return Token("variable" if character == "$" else "name", at, end, written)


def _quoted(text: str, at: int) -> Token:
    quote = text[at]
    end = at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" and quote != "`" else 1
    closed = end < len(text)
    end = min(end + 1, len(text))
    return Token("name" if quote == "`" else "text", at, end, text[at:end], closed)


def _regex_end(text: str, at: int) -> int:
    """Behind the closing slash and flags, or 0 when the line ends before it."""
    found = _REGEX.match(text, at)
    return found.end() if found else 0
