"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to ``word``, if one is near: a typing error, another case, `-` for `_`."""
    plain = {_plain(candidate): candidate for candidate in known}
    found = get_close_matches(_plain(word), plain, n=1, cutoff=0.65)
    return plain[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` or else the known words."""
    candidates = sorted(known)
    near = closest(word, candidates)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"known: {', '.join(candidates)}" if candidates else "none is known here"


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").strip("_ ")
