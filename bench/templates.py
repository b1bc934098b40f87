"""`python -m bench.templates`: one rendering of the packaged Order Completed, by engine and number of order lines.

Every contender takes and gives JSON text, has compiled the template before, and takes its turn in each
round. Figures are microseconds of processor time. The JavaScript engine takes part where Node and npm are there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.bodies import order_paid
from bench.machine import machine, versions
from relay.templates import engine as rendering
from relay.templates import reference
from relay.templates.engine import EngineLimits, FastEngine
from relay.templates.library import packaged_templates
from relay.templates.prelude import NOW_BINDING
from relay.templates.reference import ReferenceEngine
from relay.templates.rendering import render_calls
from relay.templates.template import Template

LINES = (3, 10, 50)
NOW_MS = 1_773_480_413_045
BINDINGS: Mapping[str, Any] = {
    "event": {"source": "shop", "topic": "order.paid", "id": "delivery-1", "occurredAt": None, "receivedAt": None},
    "settings": {"guest_identity": "email_hash", "shipping_skus": []},
}
JSONATA_JS = "jsonata@2.2.2"

PYTHON = "jsonata-python"
EXPLAINING = "reference engine"
BARE = "jsonatapy"
ENGINE = "engine.render"
CALLS = "render_calls"
JAVASCRIPT = "jsonata in Node"


def template() -> Template:
    path = packaged_templates() / "sources" / "elasticpath" / "order_completed.jsonata"
    return Template.of("elasticpath", "order_completed", path, path.read_text())


def document_json(lines: int) -> str:
    """As the source hands it to a template."""
    return orjson.dumps({"payload": orjson.loads(order_paid(lines))["payload"]}).decode()


def contenders(of: Template, text: str) -> dict[str, Callable[[], object]]:
    """By name, what renders the document once."""
    fast, slow = FastEngine(EngineLimits()), ReferenceEngine()
    bare = rendering.compiled(of.text, of.version)
    by_python = reference.compiled(of.text)
    bound = {**BINDINGS, NOW_BINDING: NOW_MS}

    def calls() -> object:
        return render_calls(
            fast, of, text, BINDINGS, source="shop", tracked_event="order_completed", delivery_key="delivery-1",
            occurred_at_ms=NOW_MS, received_at_ms=NOW_MS,
        )  # fmt: skip

    return {
        PYTHON: lambda: orjson.dumps(by_python.evaluate(orjson.loads(text), bound)),
        EXPLAINING: lambda: slow.render(of, text, BINDINGS, now_ms=NOW_MS),
        BARE: lambda: bare.evaluate_json_or_none(text, bound),
        ENGINE: lambda: fast.render(of, text, BINDINGS, now_ms=NOW_MS),
        CALLS: calls,
    }


def microseconds(render: Callable[[], object], seconds: float) -> float:
    """Of processor time, which says more than the clock's on a machine that has other work."""
    times, started_s = 0, time.process_time()
    while time.process_time() < started_s + seconds:
        render()
        times += 1
    return (time.process_time() - started_s) / times * 1e6


def by_javascript(of: Template, texts: Sequence[str], rounds: int, seconds: float) -> dict[str, Any] | None:
    """What `jsonata.cjs` writes; None where it cannot run, which is told."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print(f"SKIPPED: {JAVASCRIPT}: there is no Node with npm here.", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        install = [npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", JSONATA_JS]
        if subprocess.run(install, capture_output=True, check=False).returncode:
            print(f"SKIPPED: {JAVASCRIPT}: npm could not install {JSONATA_JS}.", file=sys.stderr)
            return None
        given = {
            "module": f"{folder}/node_modules/jsonata",
            "template": of.text,
            "documents": texts,
            "bindings": BINDINGS,
            "rounds": rounds,
            "seconds": seconds,
        }
        script = Path(__file__).with_name("jsonata.cjs")
        output = subprocess.run([node, script], input=orjson.dumps(given), stdout=subprocess.PIPE, check=True).stdout
    found: dict[str, Any] = orjson.loads(output)
    return found


def measured(rounds: int, seconds: float) -> dict[int, dict[str, list[float]]]:
    """Microseconds by number of lines and contender, one figure a round."""
    of = template()
    texts = {lines: document_json(lines) for lines in LINES}
    figures: dict[int, dict[str, list[float]]] = {}
    for lines, text in texts.items():
        renders = contenders(of, text)
        agree([renders[ENGINE](), renders[BARE](), renders[EXPLAINING](), renders[PYTHON]()])
        figures[lines] = {name: [] for name in renders}
        for _ in range(rounds):
            for name, render in renders.items():
                figures[lines][name].append(microseconds(render, seconds))
    javascript = by_javascript(of, list(texts.values()), rounds, seconds)
    if javascript is not None:
        for (lines, text), result, found in zip(
            texts.items(), javascript["results"], javascript["rounds"], strict=True
        ):
            agree([contenders(of, text)[ENGINE](), result])
            figures[lines][JAVASCRIPT] = found
    return figures


def agree(results: Sequence[Any]) -> None:
    values = [orjson.loads(result) for result in results]
    if any(value != values[0] for value in values):
        raise SystemExit("The contenders do not render the same.")


def report(figures: Mapping[int, Mapping[str, Sequence[float]]]) -> None:
    for lines, by_name in figures.items():
        median = {name: statistics.median(found) for name, found in by_name.items()}
        print(f"\n{lines} lines, µs of processor time a rendering")
        print(f"{'':18}{'min':>9}{'median':>9}{'max':>9}   times {PYTHON}   of {BARE}")
        for name, found in by_name.items():
            print(
                f"{name:18}{min(found):9.1f}{median[name]:9.1f}{max(found):9.1f}"
                f"{median[PYTHON] / median[name]:17.1f}{median[name] / median[BARE]:15.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.templates", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="processor time of a contender in one round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = measured(options.rounds, options.seconds)
    print(machine(), *(f"{name} {number}" for name, number in versions().items()), sep=", ")
    report(figures)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "versions": versions(), "microseconds": figures}, indent=2)
        )


if __name__ == "__main__":
    main()
