"""Finds case files: the packaged ones, overlaid file by file by the user's, as templates are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from relay.settings.suggesting import hint
from relay.templates.template import Template

Place: TypeAlias = Literal["sources", "destinations"]
SOURCES: Place = "sources"
DESTINATIONS: Place = "destinations"
CASES = "cases"
_SUFFIX = ".json"
_WHERE = (
    f"cases are {SOURCES}/<platform>/{CASES}/<tracked event>/<name>{_SUFFIX}"
    f" and {DESTINATIONS}/<kind>/{CASES}/<mapping>/<name>{_SUFFIX}"
)

Key: TypeAlias = tuple[str, str]
"""Platform and tracked event; or ``destinations/<kind>`` and mapping."""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """``own`` when it stands in the user's folder; ``problem`` says why it belongs to no template.

    Of a mapping, ``platform`` is the kind of destination and ``tracked_event`` the mapping's name.
    """

    platform: str
    tracked_event: str
    name: str
    path: Path
    own: bool
    problem: str = ""
    place: Place = SOURCES

    @property
    def id(self) -> str:
        """How people name it: ``elasticpath/order_completed/guest``, ``destinations/segmetrics/identify/guest``."""
        return "/".join(part for part in (*self.key, self.name) if part)

    @property
    def key(self) -> Key:
        return _key(self.place, self.platform, self.tracked_event)


@dataclass(frozen=True, slots=True)
class Found:
    """``left_out`` counts the packaged cases of templates that the user has replaced."""

    files: Sequence[CaseFile]
    left_out: Mapping[Key, int]


def case_path(folder: Path, platform: str, tracked_event: str, name: str, place: Place = SOURCES) -> Path:
    return folder / place / platform / CASES / tracked_event / f"{name}{_SUFFIX}"


def find(
    packaged: Path, overlay: Path | None, templates: Sequence[Template], mappings: Sequence[Template] = ()
) -> Found:
    """All cases of ``templates`` and ``mappings``, which are those in use, and every misplaced file."""
    found = [
        _find(packaged, overlay, SOURCES, templates),
        _find(packaged, overlay, DESTINATIONS, mappings),
    ]
    files = [file for each in found for file in each.files]
    return Found(files, {key: count for each in found for key, count in each.left_out.items()})


def _find(packaged: Path, overlay: Path | None, place: Place, templates: Sequence[Template]) -> Found:
    if overlay is not None and overlay.resolve() == packaged.resolve():
        return Found(_placed(_files(overlay, place, own=True), templates), {})
    own = _files(overlay, place, own=True) if overlay is not None else []
    replaced = {
        _key(place, template.platform, template.tracked_event)
        for template in templates
        if not _is_packaged(template, packaged / place)
    }
    overlaid = {file.id for file in own}
    usual = [file for file in _files(packaged, place, own=False) if file.id not in overlaid]
    left_out: dict[Key, int] = {}
    for file in usual:
        if file.key in replaced:
            left_out[file.key] = left_out.get(file.key, 0) + 1
    kept = [file for file in usual if file.key not in replaced]
    return Found(_placed(sorted([*own, *kept], key=lambda file: file.id), templates), left_out)


def selected(files: Sequence[CaseFile], paths: Sequence[Path], word: str | None) -> list[CaseFile]:
    """Those at or below one of ``paths``, which may also name a template, and whose id holds ``word``."""
    resolved = [path.resolve() for path in paths]
    word = word.lower() if word else ""
    return [
        file
        for file in files
        if word in file.id.lower() and (not resolved or any(_belongs(file.path.resolve(), path) for path in resolved))
    ]


def _belongs(file: Path, path: Path) -> bool:
    if path.suffix == ".jsonata":
        return file.is_relative_to(path.parent / CASES / path.stem)
    return file.is_relative_to(path)


def _files(folder: Path, place: Place, *, own: bool) -> list[CaseFile]:
    return sorted(_walk(folder / place, place, own), key=lambda file: file.id)


def _walk(folder: Path, place: Place, own: bool) -> Iterator[CaseFile]:
    for path in folder.glob(f"*/{CASES}/**/*{_SUFFIX}"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            continue
        if len(parts) == 4:
            yield CaseFile(parts[0], parts[2], path.stem, path, own, place=place)
        else:
            name = "/".join((*parts[2:-1], path.stem))
            yield CaseFile(parts[0], "", name, path, own, f"no case is looked for here: {_WHERE}", place)


def _placed(files: Sequence[CaseFile], templates: Sequence[Template]) -> list[CaseFile]:
    """With a problem where there is no template to run."""
    known: dict[str, list[str]] = {}
    for template in templates:
        known.setdefault(template.platform, []).append(template.tracked_event)
    return [replace(file, problem=file.problem or _unknown(file, known)) for file in files]


def _unknown(file: CaseFile, known: Mapping[str, Sequence[str]]) -> str:
    of, one = ("platform", "tracked event") if file.place == SOURCES else ("kind of destination", "mapping")
    if file.platform not in known:
        lacking = "" if file.place == SOURCES else " with mappings"
        return f"there is no {of} {file.platform!r}{lacking}; {hint(file.platform, known)}"
    if file.tracked_event not in known[file.platform]:
        what = f"{file.platform} has no {one} {file.tracked_event!r}"
        return f"{what}; {hint(file.tracked_event, known[file.platform])}"
    return ""


def _is_packaged(template: Template, packaged: Path) -> bool:
    """Also when it is a copy without a change."""
    original = packaged / template.platform / f"{template.tracked_event}.jsonata"
    if template.path == original:
        return True
    try:
        return original.read_text("utf-8") == template.text
    except (OSError, UnicodeDecodeError):
        # There is no packaged one that could be in use.
        return False


def _key(place: Place, platform: str, tracked_event: str) -> Key:
    return (platform if place == SOURCES else f"{place}/{platform}"), tracked_event
