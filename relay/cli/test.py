"""`relay test`: runs the cases that stand beside the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from relay.cli.frame import FAILED, JsonOption, frame, print_json
from relay.codes import RelayError

if TYPE_CHECKING:
    from relay.cases.finding import CaseFile, Found
    from relay.cases.mapping_case import Maps
    from relay.cases.running import Renders, Result
    from relay.cli.rendering_cases import EngineChoice
    from relay.settings.loading import Loaded

LOOK_AGAIN_MS = 500


def run_cases(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Case files, folders of them, or templates.")
    ] = None,
    word: Annotated[str | None, typer.Option("-k", help="Only cases with this in their name.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line a case.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Write what comes out into your case files.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Run again whenever a template or a case changes.")] = False,
    engine: Annotated[
        Literal["fast", "reference", "both"], typer.Option(help="`both` also tells where the engines differ.")
    ] = "fast",
    junit: Annotated[Path | None, typer.Option(help="Also write the result to this file, as JUnit XML.")] = None,
    new: Annotated[
        int | None, typer.Option(metavar="EVENT_ID", help="Make a case from a stored event, personal data masked.")
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", "-d", help="With --new: a case of this destination's mapping.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new case.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the cases beside the templates: webhook in, calls out; and beside the mappings: call in, records out.

    Asks no journal and no commerce API.
    Packaged cases run for the packaged templates only, yours always.
    """
    loaded = frame(context).load()
    if new is None and (name is not None or destination is not None):
        raise RelayError("bad_argument", "--name and --destination go with --new.")
    if update and (watch or engine != "fast"):
        raise RelayError("bad_argument", "--update goes neither with --watch nor with --engine.")
    if new is not None:
        from relay.cli.new_case import make
        from relay.cli.new_mapping_case import make_mapping_case

        if paths or word or update or watch or junit:
            raise RelayError("bad_argument", "--new goes with nothing but --destination, --name and --json.")
        if destination is None:
            make(context, loaded, new, name, as_json=as_json)
        else:
            make_mapping_case(context, loaded, new, destination, name, as_json=as_json)
        return
    run = _Run(loaded, paths or [], word, engine, update, verbose, junit, as_json)
    if watch:
        _watch(run)
    elif not run.once():
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one command line asks for, as often as it is wanted."""

    loaded: Loaded
    paths: Sequence[Path]
    word: str | None
    engine: EngineChoice
    update: bool
    verbose: bool
    junit: Path | None
    as_json: bool

    def once(self) -> bool:
        """Whether all cases passed. Raises RelayError for broken templates, and when there is no such case."""
        from relay.cases import reporting
        from relay.cases.running import check
        from relay.cli.rendering_cases import found_cases, maps, renders, suspicions
        from relay.renderer import build_library

        started = perf_counter()
        library = build_library(self.loaded)
        found = found_cases(self.loaded, library.snapshot)
        files = self._selected(found)
        rendering = renders(self.loaded, library.snapshot, self.engine)
        mapping = maps(self.loaded, library.snapshot, self.engine)
        results = []
        for file in files:
            result = check(file, rendering, self.loaded.declarations, mapping)
            if self.update:
                result = self._updated(result, rendering, mapping)
            results.append(result)
            self._tell(result)
        duration_s = perf_counter() - started
        likely = suspicions(self.loaded, library.snapshot, files)
        skipped = {} if self.paths or self.word else found.left_out
        if self.junit is not None:
            self.junit.write_bytes(reporting.junit(results, duration_s))
        if self.as_json:
            print_json(reporting.as_json(results, skipped, likely))
        else:
            notes = [*reporting.warnings(results, packaged=self.verbose), *reporting.left_out(skipped)]
            notes += [f"warning  {diagnostic.log_line()}" for diagnostic in likely]
            _conclude(results, notes, reporting.summary(results, duration_s), self.verbose)
        return all(result.status == "passed" for result in results)

    def _selected(self, found: Found) -> list[CaseFile]:
        from relay.cases.finding import selected

        for path in self.paths:
            if not path.exists():
                raise RelayError("bad_argument", f"{path} is not there.")
        files = selected(found.files, self.paths, self.word)
        if not files:
            asked = " ".join([*map(str, self.paths), *([f"-k {self.word}"] if self.word else [])])
            where = (
                "Cases are templates/sources/<platform>/cases/<tracked event>/<name>.json"
                " and templates/destinations/<kind>/cases/<mapping>/<name>.json."
            )
            raise RelayError("bad_argument", f"There is no case {asked}.".replace(" .", "."), where)
        return files

    def _updated(self, result: Result, renders: Renders, maps: Maps) -> Result:
        """The result after the file says what came out. A packaged case is left as it is."""
        from relay.cases.running import check
        from relay.cases.updating import update

        if result.status not in ("failed", "new") or result.ran is None:
            return result
        if not result.file.own:
            typer.secho(f"packaged, so left as it is: {result.file.path}", fg="yellow", err=True)
            return result
        update(result.file, result.ran.made)
        if not self.as_json:
            typer.echo(f"written  {result.file.path}")
        return check(result.file, renders, self.loaded.declarations, maps)

    def _tell(self, result: Result) -> None:
        from relay.cases.reporting import MARKS

        if self.as_json:
            return
        colour = "green" if result.status == "passed" else "red"
        if self.verbose:
            typer.echo(f"{typer.style(f'{result.status:<6}', fg=colour)}  {result.file.id}")
        elif not self.update:
            typer.secho(MARKS[result.status], fg=colour, nl=False)


def _conclude(results: Sequence[Result], notes: Sequence[str], summary: str, verbose: bool) -> None:
    from relay.cases.reporting import explained

    bad = [result for result in results if result.status != "passed"]
    if not verbose:
        typer.echo()
    for result in bad:
        typer.secho(f"\n{result.status}  {result.file.id}", fg="red", bold=True)
        for line in explained(result):
            typer.echo(f"  {line}")
    if bad:
        typer.echo()
    for note in notes:
        typer.secho(note, fg="yellow")
    typer.secho(summary, fg="red" if bad else "green", bold=True)


def _watch(run: _Run) -> None:
    """Until Ctrl-C. What is broken is told, and may be mended."""
    from watchfiles import watch

    folder = Path(run.loaded.options.templates.folder)
    if not folder.is_dir():
        raise RelayError("bad_argument", f"There is no folder {folder} to watch.", "`relay init --templates` makes it.")
    seen = _written(folder)
    _run_again(run)
    # It yields now and then without an event: a change before the watcher stood makes none.
    for _ in watch(folder, yield_on_timeout=True, rust_timeout=LOOK_AGAIN_MS):
        written = _written(folder)
        if written != seen:
            seen = written
            _run_again(run)


def _run_again(run: _Run) -> None:
    from relay.cli.frame import report

    try:
        run.once()
    except RelayError as error:
        report(error, [])
    typer.echo("Waiting for a change; Ctrl-C ends.")


def _written(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each template and case was last written, and its size."""
    written = {}
    for path in folder.rglob("*.json*"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue  # It was there a moment ago; that is a change too.
        written[path] = (found.st_mtime_ns, found.st_size)
    return written
