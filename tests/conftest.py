from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.logbook import Logbook, clean


@pytest.fixture
def logbook() -> Iterator[Logbook]:
    """The relay's log lines; the test fails when a secret or an e-mail address is in them."""
    with clean() as book:
        yield book
