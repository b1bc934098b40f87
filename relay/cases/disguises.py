"""Stand-ins for personal values: of the same kind and shape, the same one for the same value, never a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from relay.cases.personal import Kind

_PHONE_START = re.compile(r"(?:\+\d{1,2}|0)?")
_MARKED = "555"
_MOST_TRIED = 1_000


class Disguises:
    """Stand-ins by kind, numbered in the order in which values are first met."""

    def __init__(self) -> None:
        self._originals: dict[Kind, dict[str, None]] = {}
        self._numbers: dict[Kind, dict[str, int]] = {}
        self._last: dict[Kind, int] = {}
        self._taken: set[str] = set()

    def meet(self, kind: Kind, text: str) -> None:
        """Take note that ``text`` is personal, so that no stand-in is the same as it by accident."""
        self._originals.setdefault(kind, {}).setdefault(text)
        self._taken.add(text.casefold())

    def originals(self) -> Iterator[tuple[Kind, str]]:
        """Every personal text that was met."""
        for kind, texts in self._originals.items():
            for text in texts:
                yield kind, text

    def counts(self) -> dict[Kind, int]:
        """How many different values of each kind have a stand-in."""
        return {kind: len(numbers) for kind, numbers in self._numbers.items()}

    def of(self, kind: Kind, text: str) -> str:
        """The stand-in for ``text``."""
        numbers = self._numbers.setdefault(kind, {})
        key = _normal(kind, text)
        if key not in numbers:
            numbers[key] = self._free(kind, text)
        return _stand_in(kind, text, numbers[key])

    def _free(self, kind: Kind, text: str) -> int:
        """The next number whose stand-in is none of the originals."""
        first = self._last.get(kind, 0) + 1
        for number in range(first, first + _MOST_TRIED):
            if _stand_in(kind, text, number).casefold() not in self._taken:
                self._last[kind] = number
                return number
        return 0  # Without a digit or letter there is nothing to hide.


def _normal(kind: Kind, text: str) -> str:
    """What two spellings of one value have in common."""
    if kind is Kind.PHONE:
        return "".join(character for character in text if character.isdigit())
    return " ".join(text.replace("%40", "@").casefold().split())


def _stand_in(kind: Kind, text: str, number: int) -> str:
    if kind is Kind.EMAIL:
        blank = re.match(r"\s*", text), re.search(r"\s*$", text)
        before, after = (found[0] if found else "" for found in blank)
        return f"{before}person-{number}{'%40' if '%40' in text else '@'}example.com{after}"
    if kind is Kind.PHONE:
        return _phone(text, number)
    if kind is Kind.NAME:
        return f"Person {number}" if len(text.split()) > 1 else f"Person-{number}"
    if kind in (Kind.POSTCODE, Kind.NUMBER):
        return _shaped(text, number)
    if kind is Kind.BIRTH:
        return (
            f"2000-01-{1 + number % 28:02}" + text[10:] if re.match(r"\d{4}-\d\d-\d\d", text) else _shaped(text, number)
        )
    if kind is Kind.IP:
        return f"2001:db8::{number:x}" if ":" in text else f"203.0.113.{number % 256}"
    if kind is Kind.COORDINATE:
        return f"{number}.0" if "." in text else str(number)
    if kind is Kind.URL:
        return f"https://example.com/{number}"
    return f"{_WORDS[kind]}-{number}" if kind in (Kind.GIVEN_NAME, Kind.FAMILY_NAME) else f"{_WORDS[kind]} {number}"


_WORDS = {
    Kind.GIVEN_NAME: "Given",
    Kind.FAMILY_NAME: "Family",
    Kind.COMPANY: "Company",
    Kind.STREET: "Street",
    Kind.CITY: "City",
    Kind.REGION: "Region",
    Kind.TEXT: "Text",
}


def _phone(text: str, number: int) -> str:
    """Country code or leading zero stay; then 555, zeros and the number, in the places of the digits."""
    start = _PHONE_START.match(text)
    kept = start[0] if start else ""
    places = sum(character.isdigit() for character in text[len(kept) :])
    digits = (_MARKED + str(number).zfill(max(places - len(_MARKED), 0)))[-places:] if places else ""
    if len(str(number)) + len(_MARKED) > places:
        digits = str(number).zfill(places)[-places:] if places else ""
    return kept + _filled(text[len(kept) :], digits)


def _filled(text: str, digits: str) -> str:
    left = iter(digits)
    return "".join(next(left) if character.isdigit() else character for character in text)


def _shaped(text: str, number: int) -> str:
    """Letters become A, digits 0; the last of them count."""
    rest = number
    shaped = []
    for character in reversed(text):
        if character.isdigit():
            rest, digit = divmod(rest, 10)
            character = str(digit)
        elif character.isalpha():
            rest, letter = divmod(rest, 26)
            character = chr(ord("A" if character.isupper() else "a") + letter)
        shaped.append(character)
    return "".join(reversed(shaped))
