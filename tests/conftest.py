from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.logbook import Logbook, clean

# A busy machine is no failure: examples have no deadline, and may be slow to come.
settings.register_profile("relay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relay")


@pytest.fixture
def logbook() -> Iterator[Logbook]:
    """The relay's log lines; the test fails when a secret or an e-mail address is in them."""
    with clean() as book:
        yield book
