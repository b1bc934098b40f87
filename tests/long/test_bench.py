"""`python -m bench` runs each scenario, very small; what it finds at that size means nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scenarios import SCENARIOS
from bench.templates import LINES

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
DEADLINE_S = 300
MAY_BE_SKIPPED = {"Node-RED"}
"""It needs Node, npm and its registry."""


def run(*command: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, env=environment, capture_output=True, timeout=DEADLINE_S
    )
    assert ended.returncode == 0, ended.stderr.decode()[-3000:]
    skipped = [line for line in ended.stderr.decode().splitlines() if line.startswith("SKIPPED")]
    if skipped:
        print(*skipped, sep="\n")
    return ended.stdout.decode()


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_a_scenario_runs_and_its_figures_are_written_and_told(name: str, tmp_path: Path) -> None:
    scenario = next(one for one in SCENARIOS if one.name == name)
    file = tmp_path / "figures.json"
    told = run("bench", "--only", name, "--rounds", "1", "--scale", "0.002", "--folder", tmp_path, "--json", file)
    runs = json.loads(file.read_text())["runs"][name]
    measured = {contender for contender, found in runs.items() if found}
    assert measured >= {contender for contender in scenario.contenders if contender not in MAY_BE_SKIPPED}
    for contender in measured:
        (figures,) = runs[contender]
        assert all(math.isfinite(value) and value >= 0 for value in figures.values())
        assert figures[scenario.figure] > 0
        assert f"\n{contender} " in told
    assert scenario.title in told


def test_the_page_and_its_plot_are_drawn_from_the_figures(tmp_path: Path) -> None:
    figures, page, plot = tmp_path / "figures.json", tmp_path / "page.md", tmp_path / "page.svg"
    run("bench", "--only", "start", "--rounds", "1", "--folder", tmp_path, "--json", figures)
    page.write_text("Before\n<!-- figures -->\nold\n<!-- /figures -->\nAfter\n")
    run("bench.page", figures, "--page", page)
    text = page.read_text()
    assert text.startswith("Before\n")
    assert text.endswith("\nAfter\n")
    assert "| start to ready | at most 1,000 ms |" in text
    assert "old" not in text
    assert plot.read_text().startswith("<svg ")


def test_engines_are_compared(tmp_path: Path) -> None:
    told = run("bench.templates", "--rounds", "1", "--seconds", "0.01")
    assert all(f"{lines} lines" in told for lines in LINES)
