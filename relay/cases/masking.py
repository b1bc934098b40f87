"""Takes personal data out of a document and leaves all that templates work with: ids, amounts, SKUs, times, states.

Two passes. The first takes note of every personal value; the second puts stand-ins for them, also where
such a value stands in a longer text, or in JSON that is kept as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from relay.cases.disguises import Disguises
from relay.cases.personal import Kind, holds_free_text, is_for_machines, is_person, of_field, of_name, plain
from relay.model import Json

# A run is tried from its beginning only, else a long text without an @ would take quadratic time.
_EMAIL = r"(?<![\w.+'-])[\w.+'-]++(?:@|%40)[\w-]++(?:\.[\w-]++)+"
_PHONE = r"\+\d[\d ().-]{7,18}\d"
_IBAN = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"
_EMAILS = re.compile(f"(?P<email>{_EMAIL})")
_SPACELESS_SCRIPTS = 0x0E00
"""From Thai on, names stand in a text without a blank around them."""
_SHORTEST = 2
_LEAST_DIGITS = {Kind.PHONE: 3, Kind.POSTCODE: 3, Kind.NUMBER: 8}
"""A smaller number in such a field is an amount or a flag."""

Change: TypeAlias = "Callable[[str, Kind | None, bool], str]"
"""From a text, its kind and whether it is for machines to what stands there instead."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: its field's `plain` name (in an array, that of the array) and the object that has it."""

    name: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)
    in_person: bool = False
    free: bool = False


def masked(document: Json, disguises: Disguises) -> Json:
    """A copy; what it and others masked with the same ``disguises`` have in common stays in common."""
    _walk(document, _Place(), _noter(disguises))
    return _walk(document, _Place(), _hider(disguises))


def _noter(disguises: Disguises) -> Change:
    patterns = _expression({})

    def note(text: str, kind: Kind | None, for_machines: bool) -> str:
        if kind is not None:
            disguises.meet(kind, text)
        for found in (_EMAILS if for_machines else patterns).finditer(text):
            if found_kind := _kind(found, {}):
                disguises.meet(found_kind, found[0])
        return text

    return note


def _hider(disguises: Disguises) -> Change:
    known = {text.casefold(): kind for kind, text in disguises.originals() if _is_sought(kind, text)}
    expression = _expression(known)

    def stand_in(found: re.Match[str]) -> str:
        kind = _kind(found, known)
        return disguises.of(kind, found[0]) if kind else found[0]

    def hide(text: str, kind: Kind | None, for_machines: bool) -> str:
        if kind is not None:
            return disguises.of(kind, text)
        return (_EMAILS if for_machines else expression).sub(stand_in, text)

    return hide


def _is_sought(kind: Kind, text: str) -> bool:
    """Whether a personal value is looked for in other texts: a word such as `gold` says nothing there."""
    if kind in (Kind.TEXT, Kind.REGION):
        return len(text.split()) > 1
    return len(text) >= _SHORTEST and kind is not Kind.COORDINATE


def _expression(known: Mapping[str, Kind]) -> re.Pattern[str]:
    """Finds the known texts, longest first, and what looks personal wherever it stands."""
    texts = [f"(?P<known>{'|'.join(map(_as_pattern, sorted(known, key=len, reverse=True)))})"] if known else []
    parts = [f"(?P<email>{_EMAIL})", *texts, f"(?P<phone>{_PHONE})", f"(?P<iban>(?-i:{_IBAN}))"]
    return re.compile("|".join(parts), re.IGNORECASE)


def _as_pattern(text: str) -> str:
    """A word of a script with blanks is not looked for inside of other words."""
    pattern = re.escape(text)
    if len(text.split()) > 1 or any(ord(character) >= _SPACELESS_SCRIPTS for character in text):
        return pattern
    return rf"(?<![^\W\d_]){pattern}(?![^\W\d_])"


def _kind(found: re.Match[str], known: Mapping[str, Kind]) -> Kind | None:
    if found.lastgroup == "known":
        # Two spellings of one letter, such as ß and ss, may be matched and not be known.
        return known.get(found[0].casefold(), Kind.TEXT)
    if found.lastgroup == "iban":
        return Kind.NUMBER if _is_iban(found[0]) else None
    return Kind.EMAIL if found.lastgroup == "email" else Kind.PHONE


def _is_iban(text: str) -> bool:
    """ISO 13616: with country and check digits moved to the end and letters as numbers, 1 modulo 97."""
    plain_text = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in plain_text[4:] + plain_text[:4])) % 97 == 1


def _walk(value: Json, place: _Place, change: Change) -> Json:
    """A copy with every text changed."""
    if isinstance(value, dict):
        inside = _Place("", value, is_person(place.name, value), place.free or holds_free_text(place.name, value))
        return {
            change(name, None, True): _walk(inner, replace(inside, name=plain(name)), change)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        inside = replace(place, free=place.free or holds_free_text(place.name, value))
        return [_walk(item, inside, change) for item in value]
    if isinstance(value, str):
        return _text(value, place, change)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, place, change)
    return value


def _text(value: str, place: _Place, change: Change) -> str:
    if not value.strip("* \t\r\n"):
        return value  # Empty, or anonymised by the platform.
    inner = _as_json(value)
    if inner is not None:
        return json.dumps(_walk(inner, place, change), ensure_ascii=False, separators=(",", ":"))
    kind = of_field(place.name, value, place.beside, in_person=place.in_person)
    if _EMAILS.fullmatch(value.strip()):
        kind = Kind.EMAIL  # Also as the name of a user.
    if place.free and kind is None and place.name not in ("name", "key", "type", "label"):
        kind = Kind.TEXT
    return change(value, kind, is_for_machines(place.name))


def _as_json(value: str) -> Json:
    """The object or array that a text holds, if it does."""
    if value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        inner: Json = json.loads(value)
    except (ValueError, RecursionError):
        # Text that only begins like JSON.
        return None
    return inner


def _number(value: float, place: _Place, change: Change) -> Json:
    """Phone numbers, account numbers and coordinates may be numbers in JSON."""
    kind = of_name(place.name)
    if kind is Kind.COORDINATE:
        return type(value)(float(change(str(float(value)), kind, False)))
    if isinstance(value, int) and kind in _LEAST_DIGITS and len(str(value)) >= _LEAST_DIGITS[kind]:
        return int(change(str(value), kind, False))
    return value
