"""How the relay's URL gets into a platform: the steps of ``setup.md``, with what a source is configured to.

The file stands beside the platform's templates, and the user's goes before the packaged one. Between two lines ``+++``
at its top it may say in TOML how many topics the platform takes at once (``topics_at_once``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.codes import RelayError
from relay.packaged import packaged_templates
from relay.settings.options import DeclaredOptions, SourceOptions

FILE_NAME = "setup.md"
_FENCE = "+++\n"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a platform has to be told; ``secret`` as it is to be shown, ``table`` where it stands."""

    source: str
    platform: str
    url: str
    topics: Sequence[str]
    secret: str
    table: str

    def steps(self, overlay: Path | None = None) -> str:
        """Numbered lines. Raises RelayError `config_invalid` for a file that cannot be read."""
        path = _file(self.platform, overlay)
        try:
            text, at_once = _read(path.read_text("utf-8"))
        except ValueError as error:
            raise RelayError("config_invalid", f"{path}: {error}.") from None
        at_once = at_once or len(self.topics) or 1
        groups = [self.topics[at : at + at_once] for at in range(0, len(self.topics), at_once)]
        values = {
            "topics": "\n".join(f"       {', '.join(group)}" for group in groups)
            or "       (none: nothing is tracked)",
            "url": self.url,
            "host": self.url.partition("/webhooks/")[0],
            "secret": self.secret,
            "table": self.table,
            "source": self.source,
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text.strip("\n")


def tracked(options: SourceOptions) -> Mapping[str, Sequence[str]]:
    """Topics by tracked event, none for one that is off."""
    if isinstance(options, DeclaredOptions):
        return options.topics()
    found: Mapping[str, Sequence[str]] = options.tracking.model_dump()
    return found


def topics(options: SourceOptions) -> Sequence[str]:
    """Each topic that a tracked event takes, once."""
    return list(dict.fromkeys(topic for chosen in tracked(options).values() for topic in chosen))


def webhook_url(host: str, source: str) -> str:
    return f"{host.rstrip('/')}/webhooks/{source}"


def _read(text: str) -> tuple[str, int]:
    """What follows the head, and how many topics the platform takes at once; 0 for all. Raises ValueError."""
    if not text.startswith(_FENCE):
        return text, 0
    head, fence, rest = text.removeprefix(_FENCE).partition(_FENCE)
    said = tomllib.loads(head) if fence else {}
    at_once = said.get("topics_at_once", 0)
    if not fence or said.keys() - {"topics_at_once"} or type(at_once) is not int or at_once < 0:
        raise ValueError("between two lines `+++` only `topics_at_once = <number>` may stand")
    return rest, at_once


def _file(platform: str, overlay: Path | None) -> Path:
    folders = [*([overlay] if overlay else []), packaged_templates()]
    own = [folder / "sources" / platform / FILE_NAME for folder in folders]
    return next((path for path in own if path.is_file()), packaged_templates() / "sources" / FILE_NAME)
