"""Writes the generated parts of the documentation: `python -m relay.cli.docs --write` (or --check).

A page keeps its own prose; what stands between ``<!-- generated: name -->`` and ``<!-- end -->`` is replaced.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from relay.cli import build
from relay.cli.frame import EXIT_CODES
from relay.codes import CODES
from relay.settings.describing import Row, describe
from relay.templates.helpers import HELPERS

FOLDER = Path(__file__).parents[2] / "docs"


def configuration() -> Iterator[str]:
    """Every option, by table."""
    for (table, variant), rows in groupby(describe(), lambda row: (row.table, row.variant)):
        of = f" ({variant})" if variant else ""
        yield f"### `[{table}]`{of}\n"
        yield from _table(("option", "type", "default", ""), map(_option, rows))
        yield ""


def _option(row: Row) -> tuple[str, ...]:
    key = row.name.rpartition(".")[2]
    default = "**required**" if row.default is None else f"`{row.default}`" if row.default else "unset"
    return f"`{key}`", row.type, default, f"{row.help}{' Secret.' if row.secret else ''}"


def errors() -> Iterator[str]:
    """Every code a person can meet."""
    yield from _table(
        ("code", "meaning", "what to do"),
        ((f"`{name}`", code.meaning, code.remedy) for name, code in CODES.items()),
    )


def commands() -> Iterator[str]:
    """Every command, its arguments and options, and the exit codes."""
    root = build()
    yield from _command("relay", root)
    for name, command in root.commands.items():
        if not command.hidden:
            yield from _command(f"relay {name}", command)
    yield "### Exit codes\n"
    yield from _table(("code", "meaning"), ((str(code), meaning) for code, meaning in EXIT_CODES.items()))


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = "".join(f" {p.name.upper()}" if p.required else f" [{p.name.upper()}]" for p in arguments)
    yield f"### `{name}{usage}`\n\n{command.help}\n"
    rows = [(f"`{p.name.upper()}`", p.help or "") for p in arguments]
    rows += [(", ".join(f"`{form}`" for form in (*p.opts, *p.secondary_opts)), _option_help(p)) for p in options]
    if rows:
        yield from _table(("", ""), rows)
        yield ""


def _option_help(option: Any) -> str:
    default = f" Default: `{option.default}`." if isinstance(option.default, str | int) and option.default else ""
    return f"{option.help or ''}{default}"


def templates() -> Iterator[str]:
    """Every helper with its examples, and the limits of a rendering."""
    yield "## Helpers\n"
    for helper in HELPERS:
        yield f"### `{helper.signature}`\n\n{helper.summary}\n"
        examples = [(f"`{example.expression}`", _given(example.gives)) for example in helper.examples]
        yield from _table(("example", "gives"), examples)
        yield ""
    yield "## Limits\n"
    limits = [row for row in describe() if row.table == "templates" and row.type.startswith("whole number")]
    yield from _table(("option", "default", ""), ((f"`{row.name}`", f"`{row.default}`", row.help) for row in limits))


def declaration() -> Iterator[str]:
    """Every key of a `source.toml`, by table."""
    from relay.settings.declaration_tables import tables

    for title, told, rows in tables():
        yield f"### {title}\n"
        if told:
            yield f"{told}\n"
        yield from _table(("key", "type", "default", ""), rows)
        yield ""


def _given(result: str | None) -> str:
    return "nothing" if result is None else f"`{result}`"


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """Text of a table cell; outside `code`, Markdown would take ``<name>`` for HTML."""
    parts = text.replace("|", r"\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(parts))


BLOCKS: Mapping[str, Callable[[], Iterator[str]]] = {
    "configuration": configuration,
    "errors": errors,
    "commands": commands,
    "templates": templates,
    "sources": declaration,
}
"""Page (`docs/<name>.md`) and what is generated in it."""


def fresh(page: str, name: str) -> str:
    """``page`` with its generated part made anew; a page without one gets it at its end."""
    text = "\n".join(BLOCKS[name]()).strip()
    block = f"<!-- generated: {name} -->\n\n{text}\n\n<!-- end -->\n"
    old = re.compile(rf"<!-- generated: {name} -->.*?<!-- end -->\n", re.DOTALL)
    if old.search(page):
        return old.sub(lambda _: block, page)
    start = page or f"# {name.capitalize()}\n"
    return f"{start}\n{block}"


def stale(folder: Path) -> dict[Path, str]:
    """Pages whose generated part is not what it should be, with the text they should have."""
    pages = {name: folder / f"{name}.md" for name in BLOCKS}
    texts = {path: path.read_text("utf-8") if path.exists() else "" for path in pages.values()}
    wanted = {path: fresh(texts[path], name) for name, path in pages.items()}
    return {path: text for path, text in wanted.items() if text != texts[path]}


def main(arguments: list[str]) -> int:
    if arguments not in (["--write"], ["--check"]):
        typer.echo("python -m relay.cli.docs --write | --check", err=True)
        return 2
    found = stale(FOLDER)
    for path, text in found.items():
        if arguments == ["--write"]:
            path.write_text(text, "utf-8")
        typer.echo(f"{'written' if arguments == ['--write'] else 'stale'}: {path.name}")
    return 1 if found and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
