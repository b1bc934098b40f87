"""Opens the journal of the configuration, whichever kind it is."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import cast

from relay.codes import RelayError
from relay.journal.protocol import Journal, Waking
from relay.journal.sqlite import SqliteJournal, schema
from relay.pipeline.verifying import KEY_BYTES, Verifier
from relay.settings.loading import Loaded

_SQLITE = "sqlite:///"
_KEY = "verifier_key"


def sqlite_path(loaded: Loaded) -> Path | None:
    """Where the journal is, when it is a file."""
    url = loaded.options.journal.url
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def journal_name(loaded: Loaded) -> str:
    """The journal as a person may see it, without a password."""
    path = sqlite_path(loaded)
    return str(path) if path is not None else str(_postgres().shown(loaded.options.journal.url))


async def open_journal(
    loaded: Loaded,
    *,
    exclusive: bool,
    commit: Callable[[float], None] | None = None,
    waking: Waking | None = None,
) -> Journal:
    """The journal, made or brought up to date as needed.

    ``exclusive`` is for the one process that works a file; ``waking`` hears of what other nodes write.
    Raises RelayError, also JournalUnavailable.
    """
    options = loaded.options.journal
    path = sqlite_path(loaded)
    if path is not None:
        return await SqliteJournal.open(path, partitions=options.partitions, exclusive=exclusive, observe_commit=commit)
    journal = await _postgres().PostgresJournal.open(
        options.url, options.partitions, commit, connections=options.connections, waking=waking
    )
    return cast(Journal, journal)


@asynccontextmanager
async def existing_journal(loaded: Loaded) -> AsyncIterator[Journal]:
    """The journal, to look into it beside running relays. They may be older, so it is not brought up to date.

    Raises RelayError when there is none, and ``journal_older``.
    """
    if not await is_made(loaded):
        raise RelayError(
            "not_found",
            f"There is no journal at {journal_name(loaded)} yet.",
            "`relay serve` makes it; or see journal.url.",
        )
    if steps := await pending(loaded):
        raise RelayError(
            "journal_older",
            f"The journal {journal_name(loaded)} lacks {len(steps)} steps of this version of the relay.",
        )
    journal = await open_journal(loaded, exclusive=False)
    try:
        yield journal
    finally:
        await journal.close()


async def is_made(loaded: Loaded) -> bool:
    """Whether there is a journal. Raises RelayError."""
    path = sqlite_path(loaded)
    return path.exists() if path is not None else bool(await _postgres().is_made(loaded.options.journal.url))


async def pending(loaded: Loaded) -> Sequence[str]:
    """The migrations that opening the journal would carry out, in a line each. Raises RelayError."""
    path = sqlite_path(loaded)
    if path is not None:
        return schema.pending(path)
    return cast(Sequence[str], await _postgres().pending(loaded.options.journal.url))


async def verifier(loaded: Loaded, journal: Journal, *, lasting: bool) -> Verifier:
    """Of secrets in quarantine; ``lasting`` makes its key if need be.

    The key is a file beside a SQLite journal. Nodes that share a database share the key in it.
    Raises RelayError when the file is not such a key.
    """
    path = sqlite_path(loaded)
    if path is not None:
        return Verifier(_key_beside(path, lasting=lasting))
    new = secrets.token_hex(KEY_BYTES)
    kept: str | None = await _postgres().noted(journal, _KEY, new if lasting else None)
    return Verifier(bytes.fromhex(kept or new))


def _key_beside(path: Path, *, lasting: bool) -> bytes:
    path = path.with_name(f"{path.name}.key")
    key = path.read_bytes() if path.exists() else secrets.token_bytes(KEY_BYTES)
    if len(key) != KEY_BYTES:
        raise RelayError("system_refused", f"{path} is damaged.", "Remove it; a new one is made at the next start.")
    if lasting and not path.exists():
        with open(os.open(made := f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key)
        os.replace(made, path)
    return key


def _postgres() -> ModuleType:
    """The driver, which is installed by those who want it."""
    try:
        from relay.journal import postgres
    except ImportError as error:
        raise RelayError(
            "journal_driver",
            f"The driver of PostgreSQL is not installed: {error}.",
            "Install commerce-relay[postgres].",
        ) from error
    return postgres
