from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.running import Configured, Relay, runner
from tests.running import configuration


@pytest.fixture
def relay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.delenv("COLUMNS", raising=False)  # of whoever runs the tests
    return runner(capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no RELAY_ variables."""
    for name in list(os.environ):
        if name.startswith("RELAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """Sets the variables of a relay that delivers to these hosts, by name; the first is `segment`."""

    def configured(host: str, /, *, more: Mapping[str, str] | None = None, **hosts: str) -> dict[str, str]:
        environ = configuration(folder, {"segment": host, **hosts}, **(more or {}))
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return environ

    return configured
