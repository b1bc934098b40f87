"""Sample webhooks: the bodies of the case files, to be signed and posted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.cases.case import CaseInvalid, read_case
from relay.cases.finding import CASES, SOURCES
from relay.settings.packaged import Declarations
from relay.sources import build_source
from relay.sources.contract import Refused
from relay.templates.expressions import Expressions

_FIRST = "plain"


@dataclass(frozen=True, slots=True)
class Sample:
    """``body`` is one line of JSON. ``headers`` are those of the case, without what proves it genuine."""

    tracked_event: str
    topic: str
    headers: Mapping[str, str]
    body: bytes


def find_sample(
    folders: Sequence[Path], platform: str, tracked_event: str, topics: Collection[str], declarations: Declarations
) -> Sample | None:
    """The case `plain` of the tracked event, or else another, with one of the topics; earlier folders go first."""
    for path in _files(folders, platform, tracked_event):
        try:
            case = read_case(path.read_text("utf-8"), platform, tracked_event, declarations)
            source = build_source(platform, case.options, Expressions())
            topic = source.receive(case.webhook, now_ms=case.received_at_ms).topic
        except (OSError, UnicodeDecodeError, CaseInvalid, Refused):
            # `relay test` tells what is wrong with it.
            continue
        if any(_takes(chosen, topic) for chosen in topics):
            body = json.dumps(json.loads(case.webhook.body), ensure_ascii=False, separators=(",", ":"))
            return Sample(tracked_event, topic, case.webhook.headers, body.encode())
    return None


def _takes(chosen: str, topic: str) -> bool:
    return topic.startswith(chosen[:-1]) if chosen.endswith("*") else topic == chosen


def _files(folders: Sequence[Path], platform: str, tracked_event: str) -> Iterator[Path]:
    for folder in folders:
        found = (folder / SOURCES / platform / CASES / tracked_event).glob("*.json")
        yield from sorted(found, key=lambda path: (path.stem != _FIRST, path.name))
