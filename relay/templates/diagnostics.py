"""A problem of a template as a value, in three renderings: a log line, text for a person, JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from relay.model import JsonObject

_LONGEST_EXCERPT = 160
_WARNINGS = frozenset({"template_suspicious", "engines_differ"})


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a template: line and column count from 1, ``excerpt`` is the whole line."""

    line: int
    column: int
    excerpt: str

    @classmethod
    def at(cls, text: str, offset: int) -> Position:
        """The position of a character of ``text``; an offset outside is moved to its nearer end."""
        offset = max(0, min(offset, len(text)))
        start = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", offset)
        excerpt = text[start : end if end >= 0 else len(text)].rstrip("\r")
        return cls(text.count("\n", 0, offset) + 1, offset - start + 1, excerpt)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong with a template, or went wrong in it.

    ``code`` is a key of `relay.codes.CODES`, ``jsonata_code`` the language's own (`T2001`) or
    empty. ``found`` is what stands at the position, ``remedy`` what to try, ``event`` the id of the
    event that was being rendered; each may be empty. None quotes a value of an event: names, paths
    and types only.
    """

    code: str
    file: str
    what: str
    remedy: str = ""
    jsonata_code: str = ""
    position: Position | None = None
    found: str = ""
    event: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.position.line}:{self.position.column}" if self.position else self.file

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code in _WARNINGS else "error"

    def of_event(self, event: int | str) -> Diagnostic:
        """The same, with the id of the event that was being rendered."""
        return replace(self, event=str(event))

    def log_line(self) -> str:
        """``file:line:column: what (T2001, event 17): found. What to try.``"""
        known = ", ".join(filter(None, (self.jsonata_code, self.event and f"event {self.event}")))
        head = f"{self.place}: {self.what}" + (f" ({known})" if known else "")
        return f"{head}{': ' if self.found else ''}{self.found}. {self.remedy}".rstrip()

    def for_person(self) -> str:
        """Several lines, with the line of the template and a caret under the place."""
        lines = [f"{self.severity}: {self.what} [{self.jsonata_code or self.code}]", f"  --> {self.place}"]
        if self.event:
            lines[-1] += f", event {self.event}"
        if self.position is not None:
            margin = " " * len(str(self.position.line))
            excerpt, caret = _around(self.position)
            lines += [
                f" {margin} |",
                f" {self.position.line} | {excerpt}",
                f" {margin} | {caret}^ {self.found}".rstrip(),
            ]
        elif self.found:
            lines.append(f"  found: {self.found}")
        if self.remedy:
            lines.append(f"  try: {self.remedy}")
        return "\n".join(lines)

    def as_json(self) -> JsonObject:
        at = self.position
        return {
            "severity": self.severity,
            "code": self.code,
            "jsonata_code": self.jsonata_code or None,
            "file": self.file,
            "line": at.line if at else None,
            "column": at.column if at else None,
            "excerpt": at.excerpt if at else None,
            "what": self.what,
            "found": self.found or None,
            "try": self.remedy,
            "event": self.event or None,
        }


class TemplateFailure(Exception):
    """A template failed on a document, or went over a limit. ``str()`` is the log line."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.log_line())
        self.diagnostic = diagnostic

    def __reduce__(self) -> tuple[type[TemplateFailure], tuple[Diagnostic]]:
        return type(self), (self.diagnostic,)

    @property
    def code(self) -> str:
        return self.diagnostic.code


def _around(position: Position) -> tuple[str, str]:
    """The excerpt cut to a readable length around the column, and what goes before the caret."""
    start = max(0, position.column - 1 - _LONGEST_EXCERPT // 2) if len(position.excerpt) > _LONGEST_EXCERPT else 0
    shown = position.excerpt[start : start + _LONGEST_EXCERPT]
    before = shown[: position.column - 1 - start]
    return shown, "".join("\t" if character == "\t" else " " for character in before)
