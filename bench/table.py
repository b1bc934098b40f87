"""The figures as tables, in text and in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from bench.demands import DEMANDS, Runs, Spread, ratios
from bench.scenario import RATE, Figures, Scenario

BESIDE = {
    RATE: "events/s",
    "first_per_s": "first 10,000/s",
    "calls_per_s": "calls/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "delivered_p50_ms": "p50 to delivered ms",
    "delivered_p95_ms": "p95 to delivered ms",
    "sent_late_p99_ms": "sent late p99 ms",
    "cpu_us_per_event": "CPU µs/event",
    "pss_mib": "MiB",
    "foreign": "foreign %",
}
"""Figures beside the one that is compared, and what they are called."""
SUMMED_BY_MAX = ("pss_mib", "foreign")


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rows(scenario: Scenario, runs: Mapping[str, Sequence[Figures]]) -> list[list[str]]:
    """With a heading; contenders that did not run are left out."""
    measured = {name: found for name, found in runs.items() if found}
    beside = [
        name for name in BESIDE if name != scenario.figure and any(name in found[0] for found in measured.values())
    ]
    heading = [
        "",
        "min",
        "median",
        "max",
        f"to {scenario.base}: min",
        "median",
        "max",
        *map(BESIDE.__getitem__, beside),
    ]
    table = [heading]
    for name, found in measured.items():
        spread = Spread.of([run[scenario.figure] for run in found])
        row = [name, number(spread.least), number(spread.median), number(spread.most)]
        of_base = ratios({scenario.name: runs}, scenario.name, name, scenario.base, scenario.figure)
        if of_base and name != scenario.base:
            to_base = Spread.of(of_base)
            row += [f"{value:.2f}" for value in (to_base.least, to_base.median, to_base.most)]
        else:
            row += ["", "1" if name == scenario.base else "", ""]
        table.append(row + [_beside(found, figure) for figure in beside])
    return table


def _beside(found: Sequence[Figures], figure: str) -> str:
    if figure not in found[0]:
        return ""
    several = [run[figure] for run in found]
    if figure == "foreign":
        return f"{100 * max(several):.0f}"
    return number(max(several) if figure in SUMMED_BY_MAX else statistics.median(several))


def demand_rows(runs: Runs) -> list[list[str]]:
    table = [["the design asks", "", "min", "median", "max", "met"]]
    for demand in DEMANDS:
        found = demand.found(runs)
        if not found:
            continue
        spread = Spread.of(found)
        # Of memory the most counts, of all else the median.
        counts = spread.most if demand.unit == "MiB" else spread.median
        table.append(
            [
                demand.name,
                f"{'at least' if demand.at_least else 'at most'} {demand.asked:,g} {demand.unit}",
                number(spread.least),
                number(spread.median),
                number(spread.most),
                "yes" if demand.met(counts) else "no",
            ]
        )
    return table


def as_text(table: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([row[0].ljust(len(first)), *others]).rstrip())
    return "\n".join(lines)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    heading, *others = ["| " + " | ".join(row) + " |" for row in table]
    line = "|" + "|".join(["---", *["---:"] * (len(table[0]) - 1)]) + "|"
    return "\n".join([heading, line, *others])
