"""Regular expressions for the reference engine, matched by the engine that renders.

Python's own take exponential time on some texts, and mean other things. These take linear time, and a
pattern that cannot be rendered is found when the template is parsed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonatapy

from relay.templates.tree import engine_module

_REFERENCE = re.compile(r"\\g<(\d+)>")
_REASON = re.compile(r"(?:error: |Invalid regex: )([^\n]+)")


class PatternRefused(Exception):
    """The engine that renders cannot use a pattern; ``str()`` says why, and quotes nothing but the template."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(reason)
        self.pattern = pattern


class _Compiled(threading.local):
    """One thread's expressions: the engine wants each to be used, and to end, on the thread that made it."""

    def __init__(self) -> None:
        self.of = lru_cache(maxsize=256)(jsonatapy.compile)


_compiled = _Compiled()


@dataclass(frozen=True, slots=True)
class Match:
    """As much of `re.Match` as the reference engine asks for; ``index`` counts UTF-16 units, as the language does."""

    whole: str
    index: int
    captured: Sequence[str | None]

    def group(self, number: int = 0) -> str | None:
        return self.whole if number == 0 else self.captured[number - 1]

    def groups(self) -> Sequence[str | None]:
        return self.captured

    def start(self) -> int:
        return self.index

    def end(self) -> int:
        return self.index + _units(self.whole)


class Pattern:
    """As much of `re.Pattern` as the reference engine asks for. It is in trees, which all threads may share."""

    def __init__(self, pattern: str, flags: Any) -> None:
        self.pattern = pattern
        letters = ("i" if flags.case_insensitive else "") + ("m" if flags.multiline else "")
        try:
            self._expression = f"[$match($, /{pattern}/{letters})]"
            _compiled.of(self._expression).evaluate("")
        except ValueError as error:
            if "D1004" not in str(error):
                reasons = _REASON.findall(str(error))
                raise PatternRefused(pattern, reasons[-1] if reasons else "it is not valid") from None

    def finditer(self, text: str) -> Iterator[Match]:
        """Raises the reference engine's error for a pattern that matches the empty text (D1004)."""
        try:
            found = _compiled.of(self._expression).evaluate(text)
        except ValueError:
            raise engine_module().jexception.JException("D1004", -1) from None
        for each in found:
            yield Match(each["match"], int(each["index"]), each["groups"])

    def search(self, text: str) -> Match | None:
        return next(self.finditer(text), None)

    def sub(self, replacement: str | Callable[[Match], str], text: str, count: int = 0) -> str:
        """A text may hold `\\g<number>`. Raises `re.error` for a group that is not there, as Python does."""
        between, matches = self._between(text, count)
        put = [replacement(match) if callable(replacement) else _expanded(replacement, match) for match in matches]
        return "".join(part + made for part, made in zip(between, [*put, ""], strict=True))

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        """The parts between matches; captured groups are no parts to the language."""
        return self._between(text, maxsplit)[0]

    def _between(self, text: str, most: int) -> tuple[list[str], list[Match]]:
        """What stands before, between and behind the first matches, and these."""
        matches = list(self.finditer(text))[: most or None]
        parts, at = [], 0
        for match in matches:
            start = match.index if text.isascii() else _characters(text, match.index)
            parts.append(text[at:start])
            at = start + len(match.whole)
        return [*parts, text[at:]], matches


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _characters(text: str, units: int) -> int:
    return len(text.encode("utf-16-le")[: 2 * units].decode("utf-16-le"))


def _expanded(replacement: str, match: Match) -> str:
    def put(reference: re.Match[str]) -> str:
        number = int(reference[1])
        if number > len(match.captured):
            raise re.error(f"invalid group reference {number} at position {reference.start()}")
        return match.group(number) or ""

    return _REFERENCE.sub(put, replacement)
