"""What the line of one partition remembers of a destination."""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.journal.protocol import Claim
from relay.model import CallId
from relay.pipeline.mapping import MappedCall
from relay.pipeline.suspicion import Doubt, Progress, Suspicion


@dataclass(slots=True)
class Line:
    """What the line of one partition remembers between its rounds."""

    suspicion: Suspicion = field(default_factory=Suspicion)
    progress: Progress = field(default_factory=Progress)
    doubt: Doubt = field(default_factory=Doubt)
    mapped: dict[CallId, MappedCall] = field(default_factory=dict)
    """Of the calls behind the cursor, so that a try again maps nothing again."""
    generation: int = -1
    """Of the templates that made ``mapped``."""
    claim: Claim | None = None
