"""What `relay test` runs on: the cases of a configuration, and the relay's own renderer for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, TypeAlias

from relay.cases.case import Made
from relay.cases.finding import SOURCES, CaseFile, Found, find
from relay.cases.keys import Remembering
from relay.cases.mapping_case import Mapped, MappingCase, Maps, text_of_call
from relay.cases.running import Rendering, Renders, check
from relay.model import Event, JsonObject, OutcomeKind
from relay.pipeline.call_mapping import map_call
from relay.pipeline.mapping import Ended, MappedCall
from relay.pipeline.rendered import Task
from relay.renderer import build_renderer, limits
from relay.settings.loading import Loaded
from relay.settings.options import RelayOptions, SourceOptions
from relay.templates.agreement import differences
from relay.templates.diagnostics import Diagnostic, TemplateFailure
from relay.templates.engine import Engine, FastEngine
from relay.templates.examined import Examined
from relay.templates.library import Snapshot, packaged_templates
from relay.templates.reference import ReferenceEngine
from relay.templates.template import Template

EngineChoice: TypeAlias = Literal["fast", "reference", "both"]

PATIENCE = 8
"""So many times the configured time a case may take: a busy machine must not fail it."""


def found_cases(loaded: Loaded, snapshot: Snapshot) -> Found:
    folder = Path(loaded.options.templates.folder)
    overlay = folder if folder.is_dir() else None
    return find(packaged_templates(), overlay, snapshot.templates(), snapshot.all_mappings())


def suspicions(loaded: Loaded, snapshot: Snapshot, files: Iterable[CaseFile]) -> Sequence[Diagnostic]:
    """What the user's own templates probably do not mean, by the webhooks of these of their cases."""
    folder = Path(loaded.options.templates.folder)
    fast, _ = _engine(loaded, "fast")
    examined = Examined(fast, lambda template: template.path.is_relative_to(folder))
    rendering = renders(loaded, snapshot, engine=examined)
    for file in files:
        if file.own and file.place == SOURCES:
            check(file, rendering, loaded.declarations)
    return [diagnostic for _, diagnostic in examined.suspicions()]


def renders(loaded: Loaded, snapshot: Snapshot, choice: EngineChoice = "fast", engine: Engine | None = None) -> Renders:
    """Renders with each case's own source settings and the configured limits; a user's as strictly as configured.

    ``engine`` takes the place of the chosen one.
    """
    configured = limits(loaded.options.templates)
    chosen, disagreements = _engine(loaded, choice)
    remembering = Remembering(engine or chosen)

    def render(name: str, options: SourceOptions, event: Event, fetched: Mapping[str, Any], *, own: bool) -> Rendering:
        templates = loaded.options.templates
        strict = templates.strict and own
        of_case = RelayOptions(sources={name: options}, templates=templates.model_copy(update={"strict": strict}))
        renderer = build_renderer(of_case, snapshot, remembering)
        started = perf_counter()
        (rendered,) = renderer(name, [Task(event, fetched)], event.received_at_ms)
        took_ms = round((perf_counter() - started) * 1000)
        warnings = [f"{warned.detail} [{warned.code}]" for warned in rendered.warnings]
        if choice == "fast" and took_ms > configured.timeout_ms:
            warnings.append(f"it took {took_ms} ms; templates.timeout_ms is {configured.timeout_ms}")
        return Rendering(rendered.calls, rendered.outcomes, remembering.taken(), disagreements.taken(), warnings)

    return render


def maps(loaded: Loaded, snapshot: Snapshot, choice: EngineChoice = "fast") -> Maps:
    """Maps with each case's own settings and the configured limits."""
    engine, disagreements = _engine(loaded, choice)

    def mapped(kind: str, name: str, case: MappingCase) -> Mapped:
        template = snapshot.mapping(kind, name)
        assert template is not None, "only cases of mappings in use are run"
        try:
            made = map_call(engine, template, text_of_call(case), case.bindings, case.now_ms)
        except TemplateFailure as failure:
            made = MappedCall(ended=Ended(OutcomeKind.DEAD, failure.code, failure.diagnostic.log_line()))
        ended = [made.ended] if made.ended is not None else []
        outcomes = [{"outcome": str(end.kind), "code": end.code} for end in ended]
        explained = [f"{end.kind} {end.code}: {end.detail}" for end in ended]
        return Mapped(Made([], outcomes, list(made.records)), explained, disagreements.taken())

    return mapped


def _engine(loaded: Loaded, choice: EngineChoice) -> tuple[Engine, _Disagreements]:
    """The engine that is asked for, and where it tells of disagreements."""
    configured = limits(loaded.options.templates)
    fast = FastEngine(replace(configured, timeout_ms=configured.timeout_ms * PATIENCE))
    disagreements = _Disagreements(fast)
    chosen: Mapping[EngineChoice, Engine] = {"fast": fast, "reference": ReferenceEngine(), "both": disagreements}
    return chosen[choice], disagreements


class _Disagreements:
    """The fast engine, with an eye on where the reference engine gives something else."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: list[str] = []

    def render(
        self, template: Template, document: JsonObject | str, bindings: Mapping[str, Any], *, now_ms: int
    ) -> str | None:
        found = differences(template, document, bindings, now_ms)
        if found is not None:
            self._found.append(found.log_line())
        return self._engine.render(template, document, bindings, now_ms=now_ms)

    def taken(self) -> Sequence[str]:
        """What was found since it was asked last."""
        taken, self._found = self._found, []
        return taken
