"""A defect of the relay itself, met by one event: its own line stops and says so, and no other does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.demo.serving import serve
from relay.destinations.contract import Record, Unfit
from relay.destinations.segment import Segment
from relay.model import Call, Event, JsonObject
from relay.pipeline import supervising
from relay.sources.contract import Lookup
from relay.sources.elasticpath import ElasticPath
from tests.pipeline.commerce import source
from tests.posting import apart_from, post_story, until
from tests.receiving import Receiver
from tests.running import configuration, drained, running


def crashed(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that crashed."""
    found = [record.__dict__.get("relay_fields", {}) for record in caplog.records if record.msg == "stage_crashed"]
    return [str(fields["stage"]) for fields in found]


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Calls of the order `bad` cannot be made records, until it is undone."""
    records = Segment.records

    def defective(self: Segment, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        if '"bad"' in call.text:
            raise ZeroDivisionError
        return records(self, call, mapped, now_ms=now_ms)

    monkeypatch.setattr(Segment, "records", defective)
    return monkeypatch


@pytest.mark.usefixtures("defect")
async def test_a_call_that_crashes_its_line_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    other = apart_from("bad")
    async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
        await post_story(relay, [("bad", 0)])
        await until(lambda: crashed(caplog))
        await post_story(relay, [(other, step) for step in range(5)])
        async with asyncio.timeout(supervising.RESTART_AFTER_S - 1):
            await until(lambda: receiver.orders == [other] * 5)
    assert {stage.partition("/")[0] for stage in crashed(caplog)} == {"deliver:segment"}


@pytest.mark.long
async def test_a_line_that_crashed_begins_again(
    tmp_path: Path, defect: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    with pytest.MonkeyPatch.context() as hurry:
        hurry.setattr(supervising, "RESTART_AFTER_S", 0.1)
        async with serve(receiver) as host, running(configuration(tmp_path, {"segment": host})) as relay:
            await post_story(relay, [("bad", 0)])
            await until(lambda: len(crashed(caplog)) > 1)
            defect.undo()
            await drained(relay)
    assert receiver.orders == ["bad"]


async def test_an_event_that_crashes_its_line_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lookups = ElasticPath.lookups

    def defective(self: ElasticPath, event: Event) -> list[Lookup]:
        if event.entity == "order:bad":
            raise ZeroDivisionError
        return [*lookups(self, event)]

    monkeypatch.setattr(ElasticPath, "lookups", defective)
    receiver = Receiver()
    other = apart_from("bad")
    async with serve(receiver) as host:
        environ = configuration(tmp_path, {"segment": host}) | source("elasticpath", "http://127.0.0.1:9")
        async with running(environ) as relay:
            await post_story(relay, [("bad", 0)])
            await until(lambda: crashed(caplog))
            await post_story(relay, [(other, step) for step in range(5)])
            async with asyncio.timeout(supervising.RESTART_AFTER_S - 1):
                await until(lambda: receiver.orders == [other] * 5)
    assert {stage.partition("/")[0] for stage in crashed(caplog)} == {"render:elasticpath"}
