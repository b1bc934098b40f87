"""Loads the configuration: defaults, then the file, then the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from relay.settings import environment, reading
from relay.settings.declarations import read_declarations
from relay.settings.declared_options import DeclaredCommerceOptions, DeclaredOptions
from relay.settings.describing import ENV_PREFIX, describe, values
from relay.settings.environment import Variable
from relay.settings.inspecting import inspect
from relay.settings.options import RelayOptions, SegmentOptions
from relay.settings.packaged import CONTEXT, Declarations, packaged_declarations
from relay.settings.problems import ConfigurationError, Problem, dotted, not_set, problems_of
from relay.settings.source_options import WITH_CODE
from relay.settings.suggesting import closest
from relay.settings.tables import KeyPath, variants

DEFAULT = "default"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Loaded:
    """``path`` is the file, if any. ``base`` is its folder, else the working directory; paths in ``options`` are whole.

    ``origins`` says for each dotted option where its value came from: `default`, the file's name or a variable.
    ``declarations`` are all that there are, packaged or the user's, by platform.
    """

    options: RelayOptions
    path: Path | None
    base: Path
    origins: Mapping[str, str]
    declarations: Declarations = field(default_factory=packaged_declarations)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """``path`` is the file asked for; without it RELAY_CONFIG, ./relay.toml or none.

    Raises RelayError `config_not_found` or `config_syntax`, and its kind ConfigurationError with all problems.
    """
    found = reading.find(path, environ)
    file = reading.read(found) if found else None
    pieces = _Pieces(file)
    for variable in environment.read(environ):
        pieces.add(variable)
    base = (found.parent if found else Path()).absolute()
    declarations, broken = read_declarations(base / _overlay(pieces.data), WITH_CODE)
    secretless = [name for name, declaration in declarations.items() if not declaration.needs_secret()]
    # A platform that is declared badly is known nevertheless: one problem is enough.
    problems = [*pieces.problems, *inspect(pieces.data, {*declarations, *broken}, secretless)]
    problems += [problem for found_in in broken.values() for problem in found_in]
    try:
        options = RelayOptions.model_validate(pieces.data, context={CONTEXT: declarations})
    except ValidationError as error:
        problems = _once([*problems, *problems_of(error, pieces.data)])
        raise ConfigurationError(problems, pieces.places()) from None  # pydantic's own text may quote a secret
    problems += _missing_in_commerce(options)
    if problems:
        raise ConfigurationError(problems, pieces.places())
    return Loaded(_keeping_ids(_whole_paths(options, base)), found, base, pieces.origins(options), declarations)


def _missing_in_commerce(options: RelayOptions) -> Iterator[Problem]:
    for name, source in options.sources.items():
        if isinstance(source, DeclaredOptions):
            for option in source.missing_commerce():
                help_text = DeclaredCommerceOptions.model_fields[option].description or ""
                yield not_set(("sources", name, "commerce", option), f"{source.platform} needs it. {help_text}")


class _Pieces:
    """The file's data with the variables laid over it, and who said what."""

    def __init__(self, file: reading.File | None) -> None:
        self.file = file
        self.data: dict[str, Any] = file.data if file else {}
        self.problems: list[Problem] = []
        self._said: dict[KeyPath, str] = {leaf: file.path.name for leaf, _ in _leaves(file.data)} if file else {}

    def add(self, variable: Variable) -> None:
        if variable.unreadable:
            expected = "cannot be read: a table is written as JSON, a list as JSON or with commas"
            self.problems.append(Problem((), expected, place=variable.name))
        elif variable.data is None:
            self.problems.append(Problem((), f"unknown variable; {self._hint(variable.name)}", place=variable.name))
        else:
            for leaf, value in _leaves(variable.data):
                self._put(self._fitted(leaf), value, variable.name)

    def _put(self, path: KeyPath, value: Any, name: str) -> None:
        table = self.data
        for key in path[:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                self.problems.append(Problem(path, "is set inside what is also set as a single value", place=name))
                return
            table = inner
        if isinstance(table.get(path[-1]), dict) and value != {}:
            self.problems.append(Problem(path, "is a table, and cannot be set to a single value", place=name))
        elif value != {} or path[-1] not in table:
            table[path[-1]] = value
            self._said[path] = name

    def _fitted(self, path: KeyPath) -> KeyPath:
        """A variable cannot carry `-` or capitals: its name of a source or destination stands for the file's."""
        field = RelayOptions.model_fields.get(path[0])
        entries = self.data.get(path[0])
        if len(path) < 2 or field is None or not variants(field) or not isinstance(entries, dict) or path[1] in entries:
            return path
        fitting = [name for name in entries if name.lower().replace("-", "_") == path[1]]
        return (path[0], fitting[0], *path[2:]) if fitting else path

    def _hint(self, name: str) -> str:
        # Of options of one name, the one that must be set is the likelier.
        rows = sorted(describe(), key=lambda row: row.default is not None)
        known = [variable for row in rows for variable in self._variables(row.env, row.variant)]
        by_option = {variable.rpartition("__")[2]: variable for variable in reversed(known)}
        option = name.removeprefix(ENV_PREFIX)
        near = by_option.get(option) or closest(name, known) or by_option.get(closest(option, by_option) or "")
        return f"did you mean `{near}`?" if near else "`relay config --options` lists all"

    def _variables(self, env: str, variant: str) -> Iterator[str]:
        table = env.removeprefix(ENV_PREFIX).partition("__")[0].lower()
        entries = self.data.get(table)
        for entry in (*(entries if isinstance(entries, dict) else ()), variant) if "<NAME>" in env else ("",):
            yield env.replace("<NAME>", entry.upper().replace("-", "_"))

    def places(self) -> Callable[[KeyPath], str]:
        lines = reading.lines(self.file.text) if self.file else {}
        file = self.file.path.name if self.file else ""

        def place(path: KeyPath) -> str:
            for length in range(len(path), 0, -1):
                said = self._said.get(path[:length], file)
                if said != file:
                    return said
                if path[:length] in lines:
                    return f"{file} line {lines[path[:length]]}"
            return file

        return place

    def origins(self, options: RelayOptions) -> dict[str, str]:
        return {name: self._said.get(tuple(name.split(".")), DEFAULT) for name, _ in values(options)}


def _overlay(data: Mapping[str, Any]) -> str:
    templates = data.get("templates")
    folder = templates.get("folder") if isinstance(templates, dict) else None
    return folder if isinstance(folder, str) else "templates"


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from (((key, *path), leaf) for path, leaf in _leaves(value))
        else:
            yield (key,), value


def _once(problems: list[Problem]) -> list[Problem]:
    """One problem an option; and what is missing only when nothing else there was probably meant for it."""
    meant = {problem.meant for problem in problems}
    first = {(problem.place, dotted(problem.path)): problem for problem in reversed(problems)}
    return [p for p in problems if first[p.place, dotted(p.path)] is p and not (p.missing and p.path in meant)]


def _keeping_ids(options: RelayOptions) -> RelayOptions:
    """Decides for the Segment destinations that leave it open where the caller's message ids are kept."""
    takers = {name: one for name, one in options.destinations.items() if isinstance(one, SegmentOptions)}
    undecided = [name for name, one in takers.items() if one.caller_message_ids == "auto"]
    live = [name for name in undecided if takers[name].mode == "live"]
    kept = any(one.caller_message_ids == "keep" for one in takers.values())
    keeper = None if kept else next(iter([*live, *undecided]), None)
    decided = {
        name: takers[name].model_copy(update={"caller_message_ids": "keep" if name == keeper else "derive"})
        for name in undecided
    }
    return options.model_copy(update={"destinations": {**options.destinations, **decided}})


def _whole_paths(options: RelayOptions, base: Path) -> RelayOptions:
    url = options.journal.url
    file = url.removeprefix(_SQLITE)
    whole: dict[str, Any] = {
        "templates": options.templates.model_copy(update={"folder": str(base / options.templates.folder)})
    }
    if url.startswith(_SQLITE):
        whole["journal"] = options.journal.model_copy(update={"url": f"{_SQLITE}{base / file}"})
    if options.outgoing.ca_file is not None:
        whole["outgoing"] = options.outgoing.model_copy(update={"ca_file": str(base / options.outgoing.ca_file)})
    return options.model_copy(update=whole)
