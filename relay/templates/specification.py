"""Where a call departs from Segment's specification, though Segment takes it.

A destination behind Segment then finds no revenue, or text where it needs a number, and says
nothing. Properties and traits of the user's own are fine, unless they look like a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from relay.model import JsonObject
from relay.templates.ecommerce import EVENTS, RESERVED, TRAITS, Fields
from relay.templates.guard import Finding, kind_of

MOST_FINDINGS = 20
"""Of one call; the others are likely of the same cause."""

_SHORTEST_WORD = 5
"""A word of fewer letters is too near to too many others."""
_SHORTEST_EXCHANGED = 7
"""The same, where one letter stands in the place of another, as in `state` and `stage`."""
_LONGEST_WORD = 60
_OWN_WORDS = frozenset({"county"})


def departures(call: JsonObject) -> Sequence[Finding]:
    """What a call that `relay.templates.guard` lets pass has against it. Quotes no values."""
    found = _Found()
    if call["type"] == "identify":
        found.look_at(call.get("traits") or {}, TRAITS, "traits")
    elif call["type"] == "track":
        name = call["event"]
        fields = EVENTS.get(name)
        if fields is None and (meant := nearest_event(name)) is not None:
            found.add((RESERVED, ""), f"`event` is `{name}`: did you mean `{meant}`?")
        found.look_at(call.get("properties") or {}, fields or RESERVED, "properties")
    return tuple(found.findings.values())


class _Found:
    """The findings of one call: one for a field, however many products have it."""

    def __init__(self) -> None:
        self.findings: dict[tuple[Fields, str], Finding] = {}

    def add(self, key: tuple[Fields, str], detail: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.setdefault(key, Finding("guard_spec", detail))

    def look_at(self, given: Mapping[str, Any], fields: Fields, place: str) -> None:
        known = fields.known
        for name, value in given.items():
            expected = known.get(name)
            if expected is None:
                meant = nearest(name, fields)
                if meant is not None and meant not in given:
                    self.add((fields, name), f"`{place}.{name}`: did you mean `{meant}`?")
            elif value is None:
                continue  # It says nothing, and nothing false.
            elif type(value) not in expected.types:
                detail = f"`{place}.{name}` is {kind_of(value)}, not {expected.what}{expected.hint}"
                self.add((fields, name), detail)
            elif expected.test is not None and not expected.test(value):
                self.add((fields, name), f"`{place}.{name}` is not {expected.what}")
            elif expected.fields is not None:
                self._look_inside(value, expected.fields, f"{place}.{name}")
        for name in fields.required:
            if given.get(name) in (None, ""):
                self.add((fields, name), f"`{place}.{name}` is missing or empty")

    def _look_inside(self, value: Any, fields: Fields, place: str) -> None:
        if isinstance(value, dict):
            self.look_at(value, fields, place)
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                self.look_at(item, fields, f"{place}[{index}]")


@lru_cache(maxsize=4096)
def nearest(name: str, fields: Fields) -> str | None:
    """The known field that a name not known was meant to be, if that is plain."""
    return _meant(name, _plain_names(fields))


@lru_cache(maxsize=1024)
def nearest_event(name: str) -> str | None:
    return _meant(name, _PLAIN_EVENTS)


@cache
def _plain_names(fields: Fields) -> dict[str, str]:
    """Known fields by plain form; of two of one form, the first."""
    return {_plain(name): name for name in reversed(tuple(fields.known))}


def _meant(written: str, known: Mapping[str, str]) -> str | None:
    """``known`` names by their plain form."""
    plain = _plain(written[:_LONGEST_WORD])
    if not plain or plain in _OWN_WORDS:
        return None
    if plain in known:
        return known[plain]
    length, first, last = len(plain), plain[0], plain[-1]
    for meant, name in known.items():
        # One slip leaves the first or the last letter as it was.
        if -1 <= len(meant) - length <= 1 and (meant[0] == first or meant[-1] == last) and _is_slip(plain, meant):
            return name
    return None


def _is_slip(written: str, meant: str) -> bool:
    """One letter too many, too few, in another's place, or two exchanged. A plural is no slip."""
    if len(meant) < _SHORTEST_WORD or written == meant + "s":
        return False
    start = _alike(written, meant)
    end = _alike(written[start:][::-1], meant[start:][::-1])
    one, other = written[start : len(written) - end], meant[start : len(meant) - end]
    if len(one) == len(other) == 1:
        return len(meant) >= _SHORTEST_EXCHANGED
    return len(one) + len(other) == 1 or (len(one) == 2 and one == other[::-1])


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


_PLAIN_EVENTS = {_plain(name): name for name in EVENTS}
