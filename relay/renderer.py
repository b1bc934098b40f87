"""Builds what turns events into calls; as `python -m relay.renderer`, the process that does it.

Apart from `relay.app`, so that this process holds neither web server nor journal.
"""

from __future__ import annotations

import gc
import mmap
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from relay.codes import RelayError
from relay.destinations import MAPPED
from relay.model import Call, Event, EventId, Json, JsonObject, Lane, Webhook
from relay.pipeline import frames
from relay.pipeline.call_mapping import EARLIER, CallMapper, MappingPlan
from relay.pipeline.frames import IDLE, PROGRESS
from relay.pipeline.rendered import Rendered, Task, Warned
from relay.pipeline.rendering import EventRenderer, Tracking
from relay.settings.options import (
    DeclaredOptions,
    DestinationOptions,
    HttpOptions,
    RelayOptions,
    SourceOptions,
    TemplateOptions,
)
from relay.settings.values import IN_TEMPLATES, Options
from relay.sources import build_source
from relay.sources.contract import Refused, Source
from relay.sources.declared.source import expression_problems
from relay.templates.checking import problems_of
from relay.templates.engine import Engine, EngineLimits, FastEngine
from relay.templates.examined import Examined
from relay.templates.expressions import Expressions
from relay.templates.library import Library, Snapshot, Template, packaged_templates
from relay.templates.rendering import result_items

if TYPE_CHECKING:
    from relay.settings.loading import Loaded  # reading a configuration is not for the process

NICENESS = 5
"""Answering platforms goes before rendering, which can catch up."""
CPU_FACTOR = 1.5
"""A rendering is ended by the operating system at this multiple of the engine's own time limit."""
BATCH_S = 0.5
"""After this long what is rendered so far is answered: other sources, and a relay that stops, wait for it."""


@dataclass(frozen=True, slots=True)
class Hello:
    """All that a render process needs. The templates come with it: it reads no files."""

    options: RelayOptions
    templates: Snapshot


def build_library(loaded: Loaded, folder: Path | None = None, *, in_use: bool = False) -> Library:
    """Packaged templates with the user's folder, or another, over them. Raises RelayError when one is broken.

    With ``in_use``, of the packaged ones those that a source or destination of the configuration can use.
    """
    folder = folder or Path(loaded.options.templates.folder)
    return Library(
        packaged_templates(),
        folder if folder.is_dir() else None,
        tracked_events=tracked_events(loaded),
        kinds=mapping_folders(loaded.options),
        only=_owners(loaded.options) if in_use else None,
    )


def _owners(options: RelayOptions) -> set[str]:
    """Platforms and folders of mappings that are in use."""
    platforms = {source.platform for source in options.sources.values()}
    return platforms | {mapping_folder(name, chosen) for name, chosen in options.destinations.items()}


def mapping_folders(options: RelayOptions) -> set[str]:
    """Folders below ``destinations/`` that hold mappings: one a kind, and those that declared receivers name."""
    named = {mapping_folder(name, chosen) for name, chosen in options.destinations.items() if is_mapping(chosen)}
    return named | {kind for kind, mapped in MAPPED.items() if mapped != "never"}


def mapping_folder(name: str, options: DestinationOptions) -> str:
    """Raises RelayError for a declared receiver that wants the folder of another kind."""
    if not isinstance(options, HttpOptions) or options.mappings is None:
        return options.kind
    if options.mappings in MAPPED and options.mappings != options.kind:
        message = f"destinations.{name}.mappings is {options.mappings!r}, which is a kind of its own."
        raise RelayError("config_invalid", message)
    return options.mappings


def tracked_events(loaded: Loaded) -> dict[str, Collection[str]]:
    """By platform, those that may have a template: with a packaged one, declared, or named by a source."""
    found: dict[str, set[str]] = {}
    for path in packaged_templates().glob("sources/*/*.jsonata"):
        found.setdefault(path.parent.name, set()).add(path.stem)
    for platform, declaration in loaded.declarations.items():
        found.setdefault(platform, set()).update(declaration.tracking)
    for options in loaded.options.sources.values():
        if isinstance(options, DeclaredOptions):
            found[options.platform].update(options.tracking)
    return dict(found)


def build_sources(options: RelayOptions) -> dict[str, Source]:
    return {name: build_source(name, source, Expressions()) for name, source in options.sources.items()}


def source_problems(loaded: Loaded) -> list[tuple[str, str]]:
    """Sources that cannot be built and declarations with unusable expressions: what it is, and what is wrong."""
    found = []
    for name, options in loaded.options.sources.items():
        try:
            build_source(name, options, Expressions())
        except RelayError as error:
            found.append((f"sources.{name}", error.message))
    used = {options.platform for options in loaded.options.sources.values()}
    for platform, declaration in loaded.declarations.items():
        if platform not in used and (problems := expression_problems(platform, declaration, Expressions())):
            found.append((platform, "\n".join(problems)))
    return found


def build_renderer(options: RelayOptions, templates: Snapshot, engine: Engine | None = None) -> EventRenderer:
    """With another ``engine`` than the fast one, for cases."""
    return EventRenderer(
        sources=build_sources(options),
        tracking={name: tracking(source) for name, source in options.sources.items()},
        templates=templates,
        engine=engine or FastEngine(limits(options.templates)),
        strict=options.templates.strict,
    )


def build_mapper(options: RelayOptions, templates: Snapshot, engine: Engine | None = None) -> CallMapper:
    """With another ``engine`` than the fast one, for cases. Raises RelayError for a condition that is no JSONata."""
    return CallMapper(
        plans={name: mapping_plan(name, chosen) for name, chosen in options.destinations.items()},
        sources=build_sources(options),
        settings={name: tracking(source).settings for name, source in options.sources.items()},
        templates=templates,
        engine=engine or FastEngine(limits(options.templates)),
    )


def mapping_plan(name: str, options: DestinationOptions) -> MappingPlan:
    """How calls for a destination are mapped. Raises RelayError for a condition that is no JSONata."""
    condition = None
    if options.when is not None:
        place = Path(f"destinations.{name}.when")
        problems = problems_of(options.when, place)
        if problems:
            raise RelayError("config_invalid", problems[0].for_person())
        condition = Template.of(options.kind, "when", place, options.when)
    free = options.settings if isinstance(options, HttpOptions) else {}
    folder = mapping_folder(name, options)
    return MappingPlan(folder, MAPPED[options.kind], condition, {**free, **_in_templates(options)})


def wants_earlier(options: RelayOptions, templates: Callable[[], Snapshot]) -> Callable[[str, Call, JsonObject], bool]:
    """Whether a destination's mapping of a call, or its condition, mentions the calls before it."""
    plans = {name: mapping_plan(name, chosen) for name, chosen in options.destinations.items()}

    def wanted(destination: str, call: Call, body: JsonObject) -> bool:
        plan = plans[destination]
        used = (plan.when, plan.mapping(templates(), call.tracked_event, body))
        return any(EARLIER in template.text for template in used if template is not None)

    return wanted


def is_mapped(options: DestinationOptions) -> bool:
    """Whether calls for a destination go through the mapper."""
    return is_mapping(options) or options.when is not None


def is_mapping(options: DestinationOptions) -> bool:
    return MAPPED[options.kind] != "never"


def limits(options: TemplateOptions) -> EngineLimits:
    return EngineLimits(
        timeout_ms=options.timeout_ms,
        max_depth=options.max_depth,
        max_sequence=options.max_sequence,
        max_output_bytes=options.max_output_bytes,
    )


def tracking(options: SourceOptions) -> Tracking:
    """Tracked events by topic, and what a template may know of the source's settings."""
    extra: Mapping[str, Any] = {}
    if isinstance(options, DeclaredOptions):
        chosen, defaults, extra = options.topics(), dict(options.declaration.tracking), options.settings
    else:
        chosen, defaults = options.tracking.model_dump(), type(options.tracking)().model_dump()
    ignored: Sequence[str] = getattr(options, "ignored", ())  # not every platform has it
    return Tracking.of(chosen, defaults, {**extra, **_in_templates(options)}, ignored)


def _in_templates(options: Options) -> dict[str, Any]:
    """Options that are marked as seen by templates and are set."""
    seen = [name for name, field in type(options).model_fields.items() if field.json_schema_extra == IN_TEMPLATES]
    return {
        name: value for name, value in options.model_dump(mode="json", include=set(seen)).items() if value is not None
    }


def open_source(loaded: Loaded, name: str) -> Source:
    """The source as if it asked for no proof. Raises RelayError when there is none of this name."""
    if name not in loaded.options.sources:
        known = ", ".join(loaded.options.sources) or "none"
        raise RelayError("bad_argument", f"No source {name!r} is configured.", f"Configured: {known}.")
    return build_source(name, loaded.options.sources[name].model_copy(update={"open": True}), Expressions())


def row_shape(loaded: Loaded, path: Path) -> Callable[[JsonObject], Sequence[tuple[str | None, JsonObject]]]:
    """What makes the platform's bodies of a row, by a JSONata file. Raises RelayError for a file that is none.

    It gives a body, several, or none; ``{"topic": ..., "body": ...}`` names a topic with it.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RelayError("bad_argument", f"{path} cannot be read: {error}.") from None
    problems = problems_of(text, path)
    if problems:
        raise RelayError(problems[0].code, problems[0].for_person())
    template, engine = Template.of("rows", path.stem, path, text), FastEngine(limits(loaded.options.templates))

    def shaped(row: JsonObject) -> Sequence[tuple[str | None, JsonObject]]:
        items = result_items(engine.render(template, orjson.dumps(row).decode(), {}, now_ms=0), template, _ROW_REMEDY)
        return [_body_of(item) for item in items]

    return shaped


_ROW_REMEDY = "Give the platform's body, an object, or an array of such objects."


def _body_of(item: Json) -> tuple[str | None, JsonObject]:
    if not isinstance(item, dict):
        raise ValueError(f"the mapping gives something else than objects. {_ROW_REMEDY}")  # noqa: TRY004
    if item.keys() <= {"topic", "body"} and isinstance(item.get("body"), dict):
        topic = item.get("topic")
        return (topic if isinstance(topic, str) else None), item["body"]
    return None, item


def render_webhook(loaded: Loaded, source: str, webhook: Webhook, now_ms: int) -> Rendered:
    """What a webhook makes, whoever sent it. Raises RelayError for a webhook or a source that is none."""
    event = event_of(loaded, source, webhook, now_ms)
    engine = Examined(FastEngine(limits(loaded.options.templates)))
    renderer = build_renderer(loaded.options, build_library(loaded).snapshot, engine)
    rendered = renderer(source, [Task(event, {})], now_ms)[0]
    likely = [Warned(name, found.code, found.log_line()) for name, found in engine.suspicions()]
    return rendered._replace(warnings=[*rendered.warnings, *likely])


def event_of(loaded: Loaded, source: str, webhook: Webhook, now_ms: int) -> Event:
    """A webhook that no journal has, as an event. Raises RelayError for a webhook or a source that is none."""
    try:
        received = open_source(loaded, source).receive(webhook, now_ms=now_ms)
    except Refused as refusal:
        raise RelayError(refusal.code, refusal.detail) from refusal
    return Event(
        id=EventId(0),
        lane=Lane.LIVE,
        partition=0,
        source=source,
        topic=received.topic,
        delivery_key=received.delivery_key,
        entity=received.entity,
        occurred_at_ms=now_ms if received.occurred_at_ms is None else received.occurred_at_ms,
        received_at_ms=now_ms,
        headers=orjson.dumps(dict(received.headers)).decode(),
        body=received.body,
        replay_of=None,
    )


def main() -> None:
    """Answer batches on standard output until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The parent ends this process; a signal to the whole group must not do it before.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(NICENESS)
    progress = mmap.mmap(int(sys.argv[1]), mmap.PAGESIZE)
    try:
        hello: Hello = frames.read_blocking(requests)
        _limit_memory(hello.options.templates.max_memory_mib)
        jobs = _jobs(hello)
        gc.freeze()  # what is loaded by now stays
        cpu_s = hello.options.templates.timeout_ms * CPU_FACTOR / 1000
        while True:
            verb, name, sent, now_ms = frames.read_blocking(requests)
            job = jobs[verb]
            done: list[Any] = []
            ends_s = time.monotonic() + BATCH_S
            for index, task in enumerate(job.got(sent)):
                PROGRESS.pack_into(progress, 0, index)
                # The kernel ends the process (SIGPROF) when one task takes too much CPU time.
                signal.setitimer(signal.ITIMER_PROF, cpu_s)
                done.append(job.work(name, task, now_ms))
                if time.monotonic() > ends_s:
                    break
            signal.setitimer(signal.ITIMER_PROF, 0)
            answer = frames.packed(job.sent(done))
            PROGRESS.pack_into(progress, 0, IDLE)
            answers.write(answer)
            answers.flush()
    except (EOFError, BrokenPipeError):
        # The parent is gone or wants no more.
        return


@dataclass(frozen=True, slots=True)
class _Job:
    """What the process does for a verb: tasks as they are got, the work on one of them, results as they are sent."""

    got: Callable[[Any], Sequence[Any]]
    work: Callable[[str, Any, int], Any]
    sent: Callable[[Sequence[Any]], Any]


def _jobs(hello: Hello) -> dict[str, _Job]:
    renderer, mapper = build_renderer(hello.options, hello.templates), build_mapper(hello.options, hello.templates)
    return {
        "render": _Job(
            frames.tasks_got, lambda name, task, now_ms: renderer(name, [task], now_ms)[0], frames.rendered_sent
        ),
        "map": _Job(frames.map_tasks_got, mapper, frames.mapped_sent),
    }


def _limit_memory(max_memory_mib: int) -> None:
    """Beyond it an allocation fails, which ends the process."""
    resource.setrlimit(resource.RLIMIT_DATA, (max_memory_mib << 20, max_memory_mib << 20))


if __name__ == "__main__":
    main()
