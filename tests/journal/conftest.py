from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from relay.journal.protocol import Journal
from tests.journal.making import Line
from tests.journal.storage import DRIVERS, Storage

OpenJournal: TypeAlias = Callable[..., Awaitable[Journal]]


@pytest.fixture(params=DRIVERS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return DRIVERS[request.param](tmp_path)


@pytest.fixture
async def open_journal(storage: Storage) -> AsyncIterator[OpenJournal]:
    """Opens the test's journal, with the options of `Storage.open`; again, for a second process's view."""
    opened: list[Journal] = []

    async def open_one(**options: int) -> Journal:
        opened.append(await storage.open(**options))
        return opened[-1]

    yield open_one
    for journal in opened:
        await journal.close()


@pytest.fixture
async def journal(open_journal: OpenJournal) -> Journal:
    return await open_journal()


@pytest.fixture
def line(journal: Journal) -> Line:
    return Line(journal)
