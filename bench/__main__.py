"""`python -m bench`: the relay beside its peers, as ratios within one run.

Load generator and receiver run on the same machine. Contenders take turns within each round; a ratio is of two
figures of the same round. Tables go to standard output as scenarios end, all figures to the file of --json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.demands import Runs
from bench.machine import machine, versions
from bench.scenario import Figures, Scenario, Skipped
from bench.scenarios import SCENARIOS
from bench.surroundings import Surroundings
from bench.table import as_text, demand_rows, rows


def measure(scenario: Scenario, around: Surroundings, rounds: int) -> dict[str, list[Figures]]:
    figures: dict[str, list[Figures]] = {name: [] for name in scenario.contenders}
    skipped: set[str] = set()
    for turn in range(min(rounds, scenario.most_rounds)):
        for name, contender in scenario.contenders.items():
            if name in skipped:
                continue
            print(f"{scenario.name}, round {turn + 1}: {name}", file=sys.stderr, flush=True)
            try:
                figures[name].append(contender(around))
            except Skipped:
                print(f"SKIPPED: {name}: it cannot run here.", file=sys.stderr)
                skipped.add(name)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", action="append", choices=names, help="this scenario; may be given several times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every number of events")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--folder", type=Path, help="journals go there, on the disk to measure; what is costly to make stays"
    )
    parser.add_argument("--json", type=Path, help="write the figures there, after each scenario; those of others stay")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if not options.only or scenario.name in options.only]
    with ExitStack() as stack:
        parent = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-bench-")))
        parent.mkdir(parents=True, exist_ok=True)
        work = stack.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="work-"))
        around = Surroundings(parent, Path(work), stack, options.scale, options.connections)
        run(chosen, around, options.rounds, options.json)


def run(chosen: Sequence[Scenario], around: Surroundings, rounds: int, path: Path | None) -> None:
    told = {
        "machine": machine(),
        "versions": versions(),
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "scale": around.scale,
        "load_average": {},
        "runs": {},
    }
    if path and path.exists():
        earlier = json.loads(path.read_text())
        told |= {"load_average": earlier["load_average"], "runs": earlier["runs"]}
    print(told["machine"], *(f"{name} {number}" for name, number in versions().items()), sep=", ")
    runs: dict[str, dict[str, list[Figures]]] = told["runs"]  # type: ignore[assignment]
    for scenario in chosen:
        before = os.getloadavg()[0]
        runs[scenario.name] = measure(scenario, around, rounds)
        told["load_average"][scenario.name] = [before, os.getloadavg()[0]]  # type: ignore[index]
        print(f"\n{scenario.title}; load average {before:.1f} before", end="\n\n")
        print(as_text(rows(scenario, runs[scenario.name])), flush=True)
        if path:
            path.write_text(json.dumps(told, indent=1))
    summary(runs)


def summary(runs: Runs) -> None:
    table = demand_rows(runs)
    if len(table) > 1:
        print(f"\n{as_text(table)}")


if __name__ == "__main__":
    main()
