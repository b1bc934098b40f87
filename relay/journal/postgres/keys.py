"""Names of advisory locks. They are 64-bit numbers that all who use the database share.

21 bits are the kind of lock and the journal (several may share a database, each in its schema); 42 bits
are what the lock is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

LOW_BITS = 42
_TAG_BITS = 18


class Kind(IntEnum):
    EVENTS = 1
    """A transaction that appends events; the rest is the last id given out before it took any."""
    CALLS = 2
    CLAIM = 3
    FORGET = 4
    MIGRATE = 5


@dataclass(frozen=True, slots=True)
class Keys:
    """Lock names of the journal with this identity."""

    identity: str

    def prefix(self, kind: Kind) -> int:
        """The upper 21 bits, in place."""
        return (kind << _TAG_BITS | _digest(self.identity) >> LOW_BITS - _TAG_BITS) << LOW_BITS

    def claim(self, stage: str, partition: int) -> int:
        return self.prefix(Kind.CLAIM) | _digest(f"{stage}\n{partition}")

    def forget(self) -> int:
        return self.prefix(Kind.FORGET)


def _digest(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 64 - LOW_BITS
