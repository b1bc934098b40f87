"""What a killed test run leaves behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.postgres import server_url

DEADLINE_S = 30
PROGRAM = """
import sys, time
from tests.postgres import server_url
server_url()
print("ready", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.long


def postmasters(run: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        line = process.info["cmdline"] or ()
        if process.info["name"] == "postgres" and any(part.endswith(f"relay-postgres-{run}") for part in line):
            found.append(process)
    return found


def test_a_killed_run_leaves_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server_url()  # skips where there is none
    monkeypatch.delenv("RELAY_TEST_POSTGRES", raising=False)
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run := tmp_path.name)
    runs = [subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) for _ in range(2)]
    for one in runs:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        one.stdout.close()
    (server,) = postmasters(run)
    first, last = runs
    first.kill()
    first.wait()
    assert server.is_running()
    last.kill()
    last.wait()
    ends_s = time.monotonic() + DEADLINE_S
    left = Path(tempfile.gettempdir())
    while (postmasters(run) or [*left.glob(f"relay-postgres-{run}*")]) and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert not postmasters(run)
    assert not [*left.glob(f"relay-postgres-{run}*")]
