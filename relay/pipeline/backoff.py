"""How long a line waits after failures."""

from __future__ import annotations

from collections.abc import Callable

# Enough doublings to pass any cap; a larger power would overflow a float.
_MOST_DOUBLINGS = 64


def delay_s(failures: int, *, base_s: float = 0.5, cap_s: float = 60.0, random: Callable[[], float]) -> float:
    """Seconds to wait after this many failures in a row.

    The bound doubles from ``base_s`` to ``cap_s``. Half of it is fixed, so that a line never
    hammers; half is ``random`` (0 to 1), so that lines do not come back in step.
    """
    if failures <= 0:
        return 0.0
    bound_s = min(cap_s, base_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return bound_s * (0.5 + 0.5 * random())
