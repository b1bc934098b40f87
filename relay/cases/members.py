"""The members of a JSON object by their place in its text, so that a rewritten file keeps its spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from relay.model import Json

_BLANKS = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Member:
    """``raw`` is the value as written; ``text`` the whole member, name and all."""

    name: str
    value: Json
    raw: str
    text: str


def members_of(text: str) -> list[Member]:
    """The members of the object that ``text`` is. Raises ValueError, which says where it is none."""
    try:
        return _members(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def with_members(members: Sequence[Member], removed: Collection[str], added: Mapping[str, Any]) -> str:
    """The object as text of an indented file: ``added`` stand where the first of ``removed`` stood, or last."""
    first = next((index for index, member in enumerate(members) if member.name in removed), len(members))
    before = [member.text for member in members[:first]]
    after = [member.text for member in members[first:] if member.name not in removed]
    new = [f"{json.dumps(name)}: {_indented(value)}" for name, value in added.items()]
    return "{\n  " + ",\n  ".join([*before, *new, *after]) + "\n}\n"


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")


def _members(text: str) -> list[Member]:
    decoder = json.JSONDecoder(parse_constant=_refused)
    at = _expect(text, 0, "{")
    found: list[Member] = []
    if text[at : at + 1] != "}":
        while True:
            member, at = _member(decoder, text, at)
            found.append(member)
            if text[at : at + 1] != ",":
                break
            at = _blank(text, at + 1)
    if (end := _expect(text, at, "}")) != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return found


def _member(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Member, int]:
    if text[start : start + 1] != '"':
        raise json.JSONDecodeError("Expecting a name in double quotes", text, start)
    name, at = decoder.raw_decode(text, start)
    value_at = _expect(text, _blank(text, at), ":")
    value, end = decoder.raw_decode(text, value_at)
    return Member(name, value, text[value_at:end], text[start:end]), _blank(text, end)


def _expect(text: str, at: int, character: str) -> int:
    """Where the next token begins after ``character`` and blanks."""
    at = _blank(text, at)
    if text[at : at + 1] != character:
        raise json.JSONDecodeError(f"Expecting '{character}'", text, at)
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found
    return found.end()


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
