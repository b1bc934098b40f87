"""Whether one name is another, misspelt. Stricter than a search for words: a false alarm costs trust."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"\d+")


def near_name(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` is a misspelling of, if one is that near."""
    near = [(_mistakes(name, candidate), candidate) for candidate in candidates if candidate != name]
    fewest, best = min(near, default=(99, ""))
    return best if fewest <= _allowed(name) else None


def same_word(one: str, other: str) -> bool:
    """Whether two names are one word in another form: `item` and `items`, `totalPrice` and `total_price`."""
    return _plain(one).removesuffix("s") == _plain(other).removesuffix("s")


def _allowed(name: str) -> int:
    """One letter of a short name is another name: `id`, `ip`."""
    return 0 if len(name) < 4 else 1 if len(name) < 8 else 2


def _mistakes(name: str, candidate: str) -> int:
    """Letters to mend; none for another case or `-` for `_`. Names that differ in their number are two names."""
    plain, other = _plain(name), _plain(candidate)
    if plain == other:
        return 0
    if _DIGITS.findall(name) != _DIGITS.findall(candidate) or abs(len(plain) - len(other)) > 2:
        return 99
    return _distance(plain, other)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, change, or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before_that, before, row = before, row, [i]
        for j, another in enumerate(other, start=1):
            best = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != another))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == another:
                best = min(best, before_that[j - 2] + 1)
            row.append(best)
    return row[-1]
