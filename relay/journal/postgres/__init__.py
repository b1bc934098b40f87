"""PostgreSQL as journal, for any number of nodes."""

from __future__ import annotations

from collections.abc import Sequence

from relay.journal.postgres import schema
from relay.journal.postgres.connecting import settings_of
from relay.journal.postgres.connecting import shown as shown
from relay.journal.postgres.journal import PostgresJournal as PostgresJournal


async def is_made(url: str) -> bool:
    """Whether the database has a journal. Raises as `PostgresJournal.open`."""
    return await schema.steps_done(shown(url), settings_of(url)) > 0


async def pending(url: str) -> Sequence[str]:
    """The migrations that opening it would carry out, in a line each. Raises as `PostgresJournal.open`."""
    done = await schema.steps_done(shown(url), settings_of(url))
    return [f"{step.number:04} {step.title}" for step in schema.migrations()[done:]]


async def noted(journal: PostgresJournal, name: str, value: str | None) -> str | None:
    """What the database keeps under a name for all nodes; ``value`` when it has nothing yet."""
    return await journal.noted(name, value)
