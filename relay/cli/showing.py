"""How events, calls, attempts and outcomes look on a screen and as JSON."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from relay.codes import CODES
from relay.model import HOUR_MS, Attempt, Audit, Call, EventSummary, Outcome, OutcomeKind, Quarantined, Timeline

if TYPE_CHECKING:
    from relay.cli.destinations import State
    from relay.cli.sources import Rated

COLOURS = {
    OutcomeKind.DELIVERED: "green",
    OutcomeKind.DUPLICATE: "cyan",
    OutcomeKind.SKIPPED: "yellow",
    OutcomeKind.IGNORED: "yellow",
    OutcomeKind.DEAD: "red",
}

WIDE = 240


def console() -> Console:
    """As wide as the terminal; wide where there is none, since a folded code is not found by `grep`."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=WIDE if wide else None)


def error_console() -> Console:
    return Console(stderr=True)


def moment(at_ms: int | None) -> str:
    """ISO 8601 in UTC to the second, as people read it."""
    return "" if at_ms is None else datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def events_table(events: Sequence[EventSummary]) -> Table:
    table = _table("id", "received", "source", "topic", "entity", "outcome")
    for event in events:
        table.add_row(
            str(event.id),
            moment(event.received_at_ms),
            event.source,
            event.topic + (f" (replay of {event.replay_of})" if event.replay_of else ""),
            escape(event.entity),
            Text(", ".join(event.outcomes) or "waiting", style=_colour(event.outcomes)),
        )
    return table


def destinations_table(states: Sequence[State]) -> Table:
    table = _table("name", "kind", "state", "waiting", "oldest", "last answer", "next attempt")
    for state in states:
        latest = state.latest
        answer = "" if latest is None else f"{moment(latest.started_at_ms)} {latest.status or ''} {latest.code}"
        table.add_row(
            state.name,
            state.kind,
            state.word,
            str(state.backlog.waiting),
            moment(state.backlog.oldest_received_at_ms),
            escape(answer),
            moment(state.gate.not_before_ms) if state.gate.failures else "",
        )
    return table


def sources_table(sources: Sequence[Rated]) -> Table:
    table = _table(
        "name", "platform", "state", "last received", "last hour", "last day", "usual silence", "quarantined"
    )
    for one in sources:
        state = one.state
        usual_h = None if state.usual_silence_ms is None else state.usual_silence_ms // HOUR_MS
        table.add_row(
            state.name,
            one.platform,
            Text(state.word, style="red" if state.word == "quiet" else ""),
            moment(state.last_received_at_ms),
            str(one.last_hour),
            str(one.last_day),
            "" if usual_h is None else f"up to {usual_h} h",
            ", ".join(f"{refused.code} {refused.count}" for refused in state.refusals),
        )
    return table


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = _table(*columns)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def quarantine_table(items: Sequence[Quarantined]) -> Table:
    table = _table("id", "received", "source", "code", "why", "bytes")
    for item in items:
        table.add_row(
            str(item.id), moment(item.received_at_ms), item.source, item.code, escape(item.detail), str(len(item.body))
        )
    return table


def audit_table(audits: Sequence[Audit]) -> Table:
    table = _table("at", "source", "request", "asked by", "events", "calls", "quarantined")
    for audit in audits:
        asked_by = "a person" if audit.event_id is None else f"event {audit.event_id}"
        counts = (str(audit.events), str(audit.calls), str(audit.quarantined))
        table.add_row(moment(audit.at_ms), audit.source, str(audit.kind), asked_by, *counts)
    return table


def quarantined(item: Quarantined, console: Console) -> None:
    """One request in quarantine, whole."""
    console.print(quarantine_table([item]))
    _section(console, "headers", _json(console, item.headers))
    _section(console, "body", _json(console, item.body.decode("utf-8", "replace")))


def timeline(told: Timeline, console: Console) -> None:
    """The story of one event, top to bottom."""
    event = told.event
    head = _table("", "")
    for name, value in (
        ("event", f"{event.id}" + (f", replay of {event.replay_of}" if event.replay_of else "")),
        ("source", f"{event.source}, {event.topic}"),
        ("entity", event.entity),
        ("delivery key", event.delivery_key),
        ("happened", moment(event.occurred_at_ms)),
        ("received", moment(event.received_at_ms)),
        ("forgotten", moment(event.forgotten_at_ms)),
        ("body", "dropped after retention.bodies_days" if not event.body and event.forgotten_at_ms is None else ""),
        ("found by", ", ".join(told.keys)),
        ("replayed as", ", ".join(map(str, told.replays))),
    ):
        if value:
            head.add_row(name, escape(value))
    head.show_header = False
    console.print(head)
    _section(console, "body", _json(console, event.body.decode("utf-8", "replace")))
    for name, document in told.fetched.items():
        _section(console, f"fetched: {name}", _json(console, json.dumps(document)))
    for call in told.calls:
        _section(
            console,
            f"call {call.id}: {call.tracked_event}, template {call.template_version}",
            _json(console, call.text),
        )
    if told.attempts:
        _section(console, "attempts", attempts_table(told.attempts))
        for attempt in told.attempts:
            if attempt.request:
                _section(console, f"attempt {attempt.id}: would have been sent", _json(console, attempt.request))
    _section(console, "outcomes", outcomes_table(told.outcomes) if told.outcomes else Text("none yet: it waits"))


def attempts_table(attempts: Sequence[Attempt]) -> Table:
    table = _table("id", "at", "destination", "status", "verdict", "code", "calls", "ms", "answer")
    for attempt in attempts:
        table.add_row(
            str(attempt.id),
            moment(attempt.started_at_ms),
            attempt.destination,
            str(attempt.status or ""),
            attempt.verdict,
            attempt.code,
            str(attempt.calls),
            str(attempt.duration_ms),
            escape(attempt.answer),
        )
    return table


def outcomes_table(outcomes: Sequence[Outcome]) -> Table:
    table = _table("at", "call", "destination", "outcome", "code", "detail, and what to do")
    for outcome in outcomes:
        known = CODES.get(outcome.code)
        told = [outcome.detail]
        if outcome.kind in (OutcomeKind.DEAD, OutcomeKind.IGNORED) and known:
            told += [known.meaning, known.remedy]
        table.add_row(
            moment(outcome.at_ms),
            str(outcome.call_id or ""),
            outcome.destination,
            Text(outcome.kind, style=COLOURS[outcome.kind]),
            outcome.code,
            escape("\n".join(line for line in told if line)),
        )
    return table


def as_json(value: EventSummary | Quarantined | Timeline | Call | Audit) -> dict[str, Any]:
    """Plain JSON: bytes as text, times in ISO 8601 beside the milliseconds."""
    return _plain(value)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        plain = {name: _plain(inner) for name, inner in value.items()}
        plain |= {name[:-3]: moment(at_ms) for name, at_ms in value.items() if name.endswith("_at_ms")}
        return plain
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _colour(outcomes: Sequence[str]) -> str:
    kinds = [OutcomeKind(outcome.partition("@")[0]) for outcome in outcomes]
    worst = [kind for kind in (OutcomeKind.DEAD, OutcomeKind.IGNORED, OutcomeKind.SKIPPED) if kind in kinds]
    return COLOURS[(worst or kinds)[0]] if kinds else "dim"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _section(console: Console, title: str, content: RenderableType) -> None:
    console.print(f"\n[bold]{escape(title)}[/]")
    if isinstance(content, str):
        console.print(Text(textwrap.indent(content, "  ")), soft_wrap=True)
    else:
        console.print(Padding(content, (0, 0, 0, 2)))


def _json(console: Console, text: str) -> RenderableType:
    """Indented when it is JSON, as it is otherwise. On a terminal coloured and folded; else its lines stay whole."""
    try:
        pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        # It may be cut off or broken: then it is shown as it came.
        return Text(text) if console.is_terminal else text
    if not console.is_terminal:
        return pretty
    return Syntax(pretty, "json", background_color="default", word_wrap=True)
