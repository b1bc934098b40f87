"""Finds templates: the packaged ones, overlaid file by file by the user's; loads all or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import relay
from relay.codes import RelayError
from relay.settings.suggesting import closest
from relay.templates.checking import problems_of
from relay.templates.diagnostics import Diagnostic
from relay.templates.template import Template
from relay.templates.tracking_plan import Plan, plans_in

__all__ = ["Library", "Reloaded", "Template", "TemplatesInvalid", "packaged_templates"]

_SUFFIX = ".jsonata"
_SOURCES = "sources"
_DESTINATIONS = "destinations"
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_LARGEST_BYTES = 256 * 1024

Key = tuple[str, str]
"""Platform and tracked event; or kind of destination and name of the mapping."""


class TemplatesInvalid(RelayError):
    """Templates cannot be used; ``problems`` holds all that was found."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        super().__init__(problems[0].code, "\n\n".join(problem.for_person() for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did. With problems, nothing changed: the last good templates stay in use."""

    changed: Sequence[Template]
    removed: Sequence[Template]
    problems: Sequence[Diagnostic]


def packaged_templates() -> Path:
    """The templates that come with the relay: inside a wheel, or at the top of the repository."""
    package = Path(relay.__file__).parent
    inside = package / "packaged_templates"
    return inside if inside.is_dir() else package.parent / "templates"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The templates of one moment, good ones all; can be sent to another process."""

    by_key: Mapping[Key, Template]
    mappings: Mapping[Key, Template] = field(default_factory=dict)

    def source_template(self, platform: str, tracked_event: str) -> Template | None:
        return self.by_key.get((platform, tracked_event))

    def mapping(self, kind: str, name: str) -> Template | None:
        """The mapping of a kind of destination."""
        return self.mappings.get((kind, name))

    def templates(self) -> Sequence[Template]:
        """By platform and tracked event."""
        return [template for _, template in sorted(self.by_key.items())]

    def all_mappings(self) -> Sequence[Template]:
        """By kind of destination and name."""
        return [template for _, template in sorted(self.mappings.items())]


class Library:
    """The templates in use. Reading is safe from any thread while another reloads.

    Raises `TemplatesInvalid` when a template cannot be used. ``tracked_events`` by platform are
    those that may have a template; by default, those that have a packaged one. ``kinds`` are those
    of destinations that may have mappings; by default, those that have a packaged one. Of
    the packaged ones ``only`` those of these platforms and kinds are loaded; None means all.
    """

    def __init__(
        self,
        packaged: Path,
        overlay: Path | None,
        *,
        tracked_events: Mapping[str, Collection[str]] | None = None,
        kinds: Collection[str] = (),
        only: Collection[str] | None = None,
    ) -> None:
        self._packaged = packaged
        self.overlay = overlay
        self._tracked_events = tracked_events
        self._kinds = kinds
        self._only = only
        self.snapshot = Snapshot({})
        """What is in use; replaced as a whole."""
        loaded, problems = self._load()
        if problems:
            raise TemplatesInvalid(problems)
        self.snapshot = loaded

    def source_template(self, platform: str, tracked_event: str) -> Template | None:
        return self.snapshot.source_template(platform, tracked_event)

    def templates(self) -> Sequence[Template]:
        """All in use, by platform and tracked event."""
        return self.snapshot.templates()

    def reload(self) -> Reloaded:
        """Read the folders again."""
        loaded, problems = self._load()
        if problems:
            return Reloaded((), (), problems)
        before, self.snapshot = self.snapshot, loaded
        changed: list[Template] = []
        removed: list[Template] = []
        for old, new in ((before.by_key, loaded.by_key), (before.mappings, loaded.mappings)):
            changed += [template for key, template in new.items() if old.get(key) != template]
            removed += [template for key, template in old.items() if key not in new]
        return Reloaded(changed, removed, ())

    def _load(self) -> tuple[Snapshot, list[Diagnostic]]:
        files, mappings = _files(self._packaged, _SOURCES), _files(self._packaged, _DESTINATIONS)
        known = self._tracked_events or _by_platform(files)
        kinds = self._kinds or _by_platform(mappings)
        if self._only is not None:
            files, mappings = _of(files, self._only), _of(mappings, self._only)
        problems: list[Diagnostic] = []
        plans: dict[Key, Plan] = {}
        if self.overlay is not None:
            files |= _files(self.overlay, _SOURCES)
            mappings |= _files(self.overlay, _DESTINATIONS)
            plans, problems = plans_in(self.overlay, known)
            problems += _misplaced(self.overlay)
        problems += [found for key, path in sorted(files.items()) if (found := _unknown(key, path, known))]
        problems += [found for key, path in sorted(mappings.items()) if (found := _unknown_kind(key, path, kinds))]
        by_key = _templates(files, plans, self.snapshot.by_key, problems)
        return Snapshot(by_key, _templates(mappings, {}, self.snapshot.mappings, problems)), problems


def _templates(
    files: Mapping[Key, Path], plans: Mapping[Key, Plan], before: Mapping[Key, Template], problems: list[Diagnostic]
) -> dict[Key, Template]:
    """Those that can be read; what is wrong with any is added to ``problems``."""
    found: dict[Key, Template] = {}
    for key, path in sorted(files.items()):
        text, unreadable = _read(path)
        if text is None:
            problems += [unreadable] if unreadable else []
            continue
        template = Template.of(*key, path, text, plans.get(key))
        if template != before.get(key):
            problems += problems_of(text, path)
        found[key] = template
    return found


def _files(folder: Path, place: str) -> dict[Key, Path]:
    """Template files by what they are for. A hidden file is an editor's own."""
    paths = (folder / place).glob(f"*/*{_SUFFIX}")
    return {(path.parent.name, path.stem): path for path in paths if not path.name.startswith(".")}


def _of(files: Mapping[Key, Path], owners: Collection[str]) -> dict[Key, Path]:
    return {key: path for key, path in files.items() if key[0] in owners}


def _by_platform(keys: Iterable[Key]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for platform, tracked_event in keys:
        known.setdefault(platform, set()).add(tracked_event)
    return known


def _unknown(key: Key, path: Path, known: Mapping[str, Collection[str]]) -> Diagnostic | None:
    platform, tracked_event = key
    if platform not in known:
        return _not_known(path, f"there is no platform {platform!r}", platform, known)
    if tracked_event not in known[platform]:
        what = f"{platform} has no tracked event {tracked_event!r}"
        return _not_known(path, what, tracked_event, known[platform])
    return None


def _unknown_kind(key: Key, path: Path, kinds: Collection[str]) -> Diagnostic | None:
    kind, name = key
    if kind not in kinds:
        return _not_known(path, f"no kind of destination {kind!r} has mappings", kind, kinds)
    if not _NAME.fullmatch(name):
        remedy = "Name it after a tracked event (order_completed) or a type of call (identify)."
        return Diagnostic("template_unknown", str(path), f"no call is mapped by {name!r}", remedy)
    return None


def _misplaced(overlay: Path) -> list[Diagnostic]:
    """Template files where none is looked for."""
    where = (
        f"Templates are {_SOURCES}/<platform>/<tracked event>{_SUFFIX},"
        f" mappings {_DESTINATIONS}/<kind>/<tracked event>{_SUFFIX}."
    )
    return [
        Diagnostic("template_unknown", str(path), "no template is looked for here", where)
        for path in sorted(overlay.rglob(f"*{_SUFFIX}"))
        if not path.name.startswith(".")
        and (
            len(path.relative_to(overlay).parts) != 3
            or path.relative_to(overlay).parts[0] not in (_SOURCES, _DESTINATIONS)
        )
    ]


def _not_known(path: Path, what: str, word: str, known: Iterable[str]) -> Diagnostic:
    candidates = sorted(known)
    near = closest(word, candidates)
    remedy = f"Did you mean {near!r}?" if near else f"Known: {', '.join(candidates) or 'none'}."
    return Diagnostic("template_unknown", str(path), what, remedy)


def _read(path: Path) -> tuple[str | None, Diagnostic | None]:
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"the template cannot be read ({error.strerror})"
        return None, Diagnostic("template_invalid", str(path), what, "Mend the file's access.")
    if len(data) > _LARGEST_BYTES:
        return None, Diagnostic("template_invalid", str(path), f"the template is over {_LARGEST_BYTES} bytes")
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return None, Diagnostic("template_invalid", str(path), "the template is not UTF-8", "Save it as UTF-8.")
