"""`relay demo`: the whole flow on nothing but this machine, told as it happens."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import httpx
import orjson
from rich.console import Console
from rich.table import Table

from relay import logs
from relay.app import Relay, Signals, build, taking
from relay.codes import CODES
from relay.demo.samples import Sample, samples
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.demo.vendors import Vendors
from relay.model import Selection
from relay.pipeline.wakeups import Stopping
from relay.settings.loading import load
from relay.web import server

SECRET = "demo-webhook-secret"  # noqa: S105 - of the demo alone
WRITE_KEY = "demo-write-key"
DEADLINE_S = 30.0
EXPECTED_CALLS = 7


CONFIGURATION = """\
[server]
port = {port}
[log]
level = "error"
[outgoing]
allow_private = true
[sources.elasticpath]
secret = "{secret}"
[destinations.segment]
host = "{segment_url}"
write_key = "{write_key}"
"""


def configuration(folder: Path, segment_url: str, port: int, others: str = "") -> Path:
    """Writes the demo's configuration; a relay.toml that is there already has no say in it."""
    file = folder / "relay.toml"
    own = CONFIGURATION.format(port=port, secret=SECRET, segment_url=segment_url, write_key=WRITE_KEY)
    file.write_text(own + others)
    return file


async def tell(console: Console, *, once: bool, port: int, everybody: bool = False) -> bool:
    """Run the demo; true when everything came out as it should. Without ``once`` it then goes on serving.

    With ``everybody`` the other vendors get the same webhooks.
    """
    logs.configure(level="error")
    signals = Signals()
    signals.install()
    lookalike = SegmentLookalike([WRITE_KEY])
    with tempfile.TemporaryDirectory(prefix="relay-demo-") as folder, server.bind("127.0.0.1", port) as listener:
        vendors = Vendors() if everybody else None
        async with serve(lookalike) as segment_url, vendors.serving() if vendors else nullcontext("") as others:
            loaded = load(configuration(Path(folder), segment_url, port, others), {})
            async with (
                build(loaded, server.url(listener)) as relay,
                taking(relay, listener, signals),
                asyncio.TaskGroup() as group,
            ):
                group.create_task(relay.run(signals))
                try:
                    right = await _perform(console, relay, lookalike, segment_url, vendors)
                    if not once:
                        _invite(console, relay, segment_url, folder)
                        await signals.first.wait()
                except (Stopping, httpx.TransportError):
                    if not signals.first.is_set():
                        raise
                    right = False  # Ctrl-C in the middle.
                finally:
                    signals.caught()
    return right


async def _perform(
    console: Console, relay: Relay, lookalike: SegmentLookalike, segment_url: str, vendors: Vendors | None
) -> bool:
    console.print(f"[bold]The relay[/] listens on {relay.url}, [bold]a Segment look-alike[/] on {segment_url}\n")
    answers = await _post(relay.url)
    async with asyncio.timeout(DEADLINE_S):
        await relay.standing.drained()
    console.print(_posted(answers))
    console.print(_arrived(lookalike))
    if vendors is not None:
        console.print(vendors.arrived())
    console.print(await _refused(relay))
    return await _judge(console, relay, lookalike, answers, vendors)


async def _post(url: str) -> list[tuple[Sample, int, dict[str, str]]]:
    answers = []
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        for sample in samples():
            secret = SECRET if sample.genuine else "a-wrong-secret"
            answer = await client.post(
                f"{url}/webhooks/elasticpath", content=sample.body, headers={"X-MOLTIN-SECRET-KEY": secret}
            )
            answers.append((sample, answer.status_code, answer.json()))
    return answers


def _posted(answers: Sequence[tuple[Sample, int, dict[str, str]]]) -> Table:
    table = Table(title="Webhooks posted to the relay", title_justify="left")
    for column in ("webhook", "answer", "status", "event or reason"):
        table.add_column(column)
    for sample, status, answer in answers:
        colour = "green" if status == 200 else "red"
        told = answer.get("event") or CODES[answer["code"]].meaning
        table.add_row(sample.title, f"[{colour}]{status}[/]", answer["status"], told)
    return table


def _arrived(lookalike: SegmentLookalike) -> Table:
    table = Table(title="Calls that arrived at Segment", title_justify="left", box=None, pad_edge=False)
    for column in ("call", "event", "order", "total", "products", "time", "messageId"):
        table.add_column(column, no_wrap=column != "products")
    for call in lookalike.stored:
        properties = call.get("properties", {})
        table.add_row(
            call["type"],
            call.get("event", ""),
            str(properties.get("order_id", ""))[:8],
            str(properties.get("total", "")),
            ", ".join(f"{line['quantity']}× {line['name']}" for line in properties.get("products", [])),
            str(call["originalTimestamp"])[5:16],
            call["messageId"][:7] + "…",
        )
    return table


async def _refused(relay: Relay) -> Table:
    table = Table(title="Refused, and kept in quarantine", title_justify="left")
    for column in ("id", "code", "why"):
        table.add_column(column)
    for item in await relay.journal.quarantined(None, limit=10):
        table.add_row(str(item.id), item.code, item.detail)
    return table


async def _judge(
    console: Console,
    relay: Relay,
    lookalike: SegmentLookalike,
    answers: Sequence[tuple[Sample, int, dict[str, str]]],
    vendors: Vendors | None,
) -> bool:
    """Compare what happened with what was promised, and say it."""
    delivered = await relay.journal.find(Selection(), limit=100)
    quarantined = await relay.journal.quarantined(None, limit=100)
    statuses = [(status, answer["status"]) for _, status, answer in answers]
    promises = {
        "seven webhooks accepted": statuses[:7] == [(200, "accepted")] * 7,
        "the second delivery of one known as a duplicate": statuses[7] == (200, "duplicate"),
        "the wrong secret answered 401, the broken body 400": [status for status, _ in statuses[8:]] == [401, 400],
        "both in quarantine": len(quarantined) == 2,
        "seven calls at Segment, each once": len(lookalike.stored) == EXPECTED_CALLS
        and all(len(contents) == 1 for contents in lookalike.ledger.values()),
        "nothing dropped by Segment": not lookalike.dropped,
        "every event ended as delivered": ["delivered@segment" in event.outcomes for event in delivered] == [True] * 7
        and not any(outcome.startswith("dead") for event in delivered for outcome in event.outcomes),
        **(vendors.promises() if vendors else {}),
    }
    for promise, kept in promises.items():
        console.print(f"[green]✔[/] {promise}" if kept else f"[red]✘ {promise}[/]")
    for drop in lookalike.dropped:
        console.print(f"[red]dropped:[/] {orjson.dumps(drop['reason']).decode()}")
    return all(promises.values())


def _invite(console: Console, relay: Relay, segment_url: str, folder: str) -> None:
    console.print(
        f"\nStill running; Ctrl-C ends it.\n"
        f"  post more    curl -H 'X-MOLTIN-SECRET-KEY: {SECRET}' -d @webhook.json {relay.url}/webhooks/elasticpath\n"
        f"  what arrived {segment_url}/_fake/stored\n"
        f"  how it is    {relay.url}/readyz  {relay.url}/metrics\n"
        f"  look inside  relay --config {folder}/relay.toml events",
        soft_wrap=True,
    )
