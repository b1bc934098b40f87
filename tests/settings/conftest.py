from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from relay.settings.loading import Loaded, load

Loads = Callable[..., Loaded]


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Load a relay.toml of this text, in an empty working directory, with these variables."""
    monkeypatch.chdir(tmp_path)

    def loads(toml: str | bytes | None = None, **environ: str) -> Loaded:
        if toml is not None:
            Path("relay.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
        return load(None, environ)

    return loads
