"""`python -m bench.page FIGURES.json`: writes docs/performance.md's figures, and the plot beside it, from a run's file.

In the page the text between two marks is replaced; the rest is written by hand.
"""

from __future__ import annotations

import argparse
import json
from html import escape
from math import log
from pathlib import Path
from typing import Any

from bench.demands import DEMANDS, Runs, Spread
from bench.scenarios import SCENARIOS
from bench.table import as_markdown, demand_rows, number, rows

BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
LABELS, BARS, ROW, TOP = 370, 420, 30, 44
"""Widths of the plot's columns, height of a row and of what is above the first, in pixels."""
LEAST, MOST = 1 / 8, 8
"""Times what was asked, at the ends of the axis."""


def markdown(told: dict[str, Any]) -> str:
    runs: Runs = told["runs"]
    parts = [
        f"Run of {told['started']}: {told['machine']}; "
        + ", ".join(f"{name} {version}" for name, version in told["versions"].items())
        + ".",
        as_markdown(demand_rows(runs)),
    ]
    for scenario in SCENARIOS:
        if scenario.name in runs:
            found = runs[scenario.name]
            rounds = max((len(one) for one in found.values()), default=0)
            before, _ = told["load_average"][scenario.name]
            parts += [
                f"### {scenario.title}",
                f"`--only {scenario.name}`, {rounds} rounds; load average before it {before:.1f}.",
                as_markdown(rows(scenario, found)),
            ]
    return "\n\n".join(parts) + "\n"


def _x(times: float) -> float:
    """Logarithmic, so that half and twice are equally far from what was asked."""
    share = log(min(MOST, max(LEAST, times)) / LEAST) / log(MOST / LEAST)
    return LABELS + BARS * share


def plot(runs: Runs) -> str:
    """A bar for each demand, from what was asked to what was found; better is to the right."""
    found = [(demand, Spread.of(demand.found(runs))) for demand in DEMANDS if demand.found(runs)]
    height = TOP + ROW * len(found) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + BARS + 130} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{LABELS + BARS + 130}" height="{height}" fill="white"/>',
    ]
    for times, label in (
        (1 / 8, "⅛"),
        (1 / 4, "¼"),
        (1 / 2, "½"),
        (1, "asked"),
        (2, "2×"),
        (4, "4×"),
        (8, "8× better"),
    ):
        x = _x(times)
        colour = "#333" if times == 1 else "#ddd"
        lines.append(f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{height - 8}" stroke="{colour}"/>')
        lines.append(f'<text x="{x:.1f}" y="{TOP - 20}" text-anchor="middle" fill="#555">{label}</text>')
    for index, (demand, spread) in enumerate(found):
        y = TOP + ROW * index
        counts = spread.most if demand.unit == "MiB" else spread.median
        one, end = _x(1), _x(demand.times_better(counts))
        whisker = sorted((_x(demand.times_better(spread.least)), _x(demand.times_better(spread.most))))
        colour = "#2a7f4f" if demand.met(counts) else "#b5462f"
        asked = f"{'≥' if demand.at_least else '≤'} {demand.asked:,g} {demand.unit}"
        lines += [
            f'<text x="{LABELS - 12}" y="{y + 14}" text-anchor="end">{escape(demand.name)}, {escape(asked)}</text>',
            f'<rect x="{min(one, end):.1f}" y="{y + 2}" width="{abs(end - one):.1f}" height="16" fill="{colour}"/>',
            f'<line x1="{whisker[0]:.1f}" y1="{y + 10}" x2="{whisker[1]:.1f}" y2="{y + 10}" stroke="black"/>',
            f'<text x="{LABELS + BARS + 12}" y="{y + 14}" fill="{colour}">{number(counts)} {demand.unit}</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--page", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    options = parser.parse_args()
    told = json.loads(options.figures.read_text())
    before, _, rest = options.page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    options.page.write_text(f"{before}{BEGIN}\n{markdown(told)}\n{END}{after}")
    options.page.with_suffix(".svg").write_text(plot(told["runs"]))


if __name__ == "__main__":
    main()
