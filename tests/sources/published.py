"""Where the published webhook bodies and signature vectors are, which are not part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("RELAY_SHARED") or Path(__file__).parents[3] / "shared")


def published(*parts: str) -> Path:
    """A file or folder of them; the test is skipped where they are not at hand."""
    path = _FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"NOT TESTED against published material: {path} is not there; set RELAY_SHARED to its folder")
    return path
