"""Signed webhooks of the user's own making: samples out of case files, and bodies out of files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.registering import tracked
from relay.logs import MASK
from relay.model import Webhook
from relay.packaged import packaged_templates

if TYPE_CHECKING:
    from relay.cases.samples import Sample
    from relay.settings.loading import Loaded


@dataclass(frozen=True, slots=True)
class Signed:
    """``secret`` is what its headers hold of a secret; a signature is none."""

    webhook: Webhook
    secret: str


def sample_of(loaded: Loaded, source: str, tracked_event: str) -> Sample | None:
    """A body for one of the topics that make the tracked event."""
    from relay.cases.samples import find_sample

    options = loaded.options.sources[source]
    folders = [Path(loaded.options.templates.folder), packaged_templates()]
    chosen = tracked(options).get(tracked_event, ())
    return find_sample(folders, options.platform, tracked_event, chosen, loaded.declarations)


def first_sample(loaded: Loaded, source: str) -> Sample | None:
    """Of an order that is paid, if that is tracked; else of whatever is."""
    names = sorted(tracked(loaded.options.sources[source]), key=lambda name: name != "order_completed")
    return next(filter(None, (sample_of(loaded, source, name) for name in names)), None)


def signed(loaded: Loaded, source: str, sample: Sample, now_ms: int) -> Signed:
    """With a line's end behind the body, as a shell's here-document has it. Raises `Unsignable`."""
    body = sample.body + b"\n"
    return sign(loaded, source, Webhook(sample.headers, body), sample.topic, now_ms)


def sign(loaded: Loaded, source: str, webhook: Webhook, topic: str, now_ms: int) -> Signed:
    """The webhook with the headers that make it genuine. Raises `Unsignable`."""
    from relay.sources import build_source
    from relay.templates.expressions import Expressions

    built = build_source(source, loaded.options.sources[source], Expressions())
    headers = {**webhook.headers, **built.sign(webhook.body, topic, now_ms=now_ms)}
    whole = Webhook(headers, webhook.body)
    return Signed(whole, built.presented(whole))


def curl(url: str, made: Signed, *, show_secret: bool) -> str:
    """A command for a shell, which answers with status and body."""
    lines = [f"curl -sS -w '\\n%{{http_code}}\\n' {shlex.quote(url)}"]
    for name, value in made.webhook.headers.items():
        shown = value.replace(made.secret, MASK) if made.secret and not show_secret else value
        lines.append(f"  -H {shlex.quote(f'{name}: {shown}')}")
    body = made.webhook.body.decode().removesuffix("\n")
    return " \\\n".join([*lines, "  --data-binary @- <<'WEBHOOK'"]) + f"\n{body}\nWEBHOOK"
