"""One template and its version."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jsonatapy

import relay
from relay.templates.tracking_plan import Plan

_TRANSLATED_BY = f"relay {relay.__version__}, jsonatapy {jsonatapy.__version__}"


@dataclass(frozen=True, slots=True)
class Template:
    """``version`` changes with text and tracking plan, with the helpers (the relay's version) and the engine."""

    platform: str
    tracked_event: str
    path: Path
    text: str
    version: str
    plan: Plan | None = None

    @classmethod
    def of(cls, platform: str, tracked_event: str, path: Path, text: str, plan: Plan | None = None) -> Template:
        version = version_of(text if plan is None else f"{text}\n{plan.text}")
        return cls(platform, tracked_event, path, text, version, plan)


def version_of(text: str) -> str:
    """The first 12 hexadecimal digits of a SHA-256."""
    return sha256(f"{_TRANSLATED_BY}\n{text}".encode()).hexdigest()[:12]
