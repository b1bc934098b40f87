"""A grown shop moves from SQLite to PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.codes import RelayError
from relay.journal.copying import copy
from relay.journal.postgres import PostgresJournal
from relay.journal.protocol import Journal
from relay.journal.sqlite import SqliteJournal
from relay.journal.sqlite.locking import FileLock
from relay.model import Audit, EventId, Gate, Lane, OutcomeKind, PrivacyKind, Selection, Stage, Timeline
from tests.journal.making import DELIVER, NOW_MS, RENDER, Line, call, event, quarantined
from tests.postgres import new_schema


@pytest.fixture
def url() -> str:
    return new_schema()


@pytest.fixture
async def shop(tmp_path: Path) -> Path:
    """A file with something in every table, of which some is done and some waits."""
    path = tmp_path / "relay.db"
    journal = await SqliteJournal.open(path, 3)
    line = Line(journal)
    ids = await line.run(*(event(str(n), body=bytes([n]) * n, headers='{"nul":"\x00"}') for n in range(40)))
    await journal.forget(ids[:1], at_ms=NOW_MS)
    await journal.drop_expired(
        events_before_ms=NOW_MS + 1, dead_before_ms=0, quarantine_before_ms=0, stages=[DELIVER.name], limit=10
    )
    await line.append(event("replay", replay_of=ids[20], lane=Lane.REPLAY, options='{"force":true}'))
    await line.append(event("k" * 3_000), *(event(f"waits {n}") for n in range(5)))
    batch = await journal.read_events(RENDER, 1)
    await journal.settle_events(
        RENDER,
        position=batch.position,
        moved_to=batch.events[0].id,
        calls=[call(batch.events[0].id, "waiting")],
        outcomes=[],
        keys=[(batch.events[0].id, "K" * 3_000), (batch.events[0].id, "short")],
    )
    await journal.store_fetched(ids[20], {"order": {"id": 1}})
    await journal.set_gate("deliver:segment", Gate(2, NOW_MS, "timeout", "why"))
    await journal.quarantine(quarantined(1, body=b"\x00\xff"))
    await journal.record_audit(Audit(NOW_MS, "shop", PrivacyKind.REDACT_CUSTOMER, EventId(1), 1, 1, 0))
    await journal.close()
    (path.parent / "relay.db.key").write_bytes(b"0123456789abcdef" * 2)
    return path


async def told(journal: Journal, event_id: EventId) -> Timeline:
    """A long search key is another text there, but found by the same."""
    timeline = await journal.timeline(event_id)
    assert timeline is not None
    return replace(timeline, keys=[key for key in timeline.keys if len(key) < 50])


async def everything(journal: Journal) -> list[Any]:
    summaries = await journal.find(Selection(), limit=1000)
    names = [RENDER.name, DELIVER.name]
    return [
        journal.partitions,
        *[await told(journal, one.id) for one in summaries],
        await journal.backlogs(names),
        await journal.read_events(RENDER, 100),
        await journal.read_events(Stage(RENDER.name, Lane.REPLAY, 0), 100),
        await journal.read_calls(DELIVER, 100),
        await journal.delivered("segment", [f"m{n}" for n in range(50)]),
        await journal.gate("deliver:segment"),
        await journal.quarantined(None, limit=10),
        await journal.audits(limit=10),
        [one.id for one in await journal.find(Selection(key="k" * 3_000), limit=9)],
        await journal.count(Selection(outcome=OutcomeKind.DELIVERED)),
    ]


async def test_everything_is_there_and_work_goes_on(shop: Path, url: str) -> None:
    told: dict[str, int] = {}
    await copy(shop, url, told.__setitem__)
    file, database = await SqliteJournal.open(shop), await PostgresJournal.open(url)

    assert await everything(database) == await everything(file)
    assert told["events"] == len(await file.find(Selection(), limit=1000)) > 30
    assert await database.noted("verifier_key", None) == (b"0123456789abcdef" * 2).hex()
    again = [event("waits 0"), event("new"), event("k" * 3_000)]
    assert await database.append_many(again) == await file.append_many(again), "ids go on where they were"
    assert len(await Line(database).run()) == len(await Line(file).run())
    assert await everything(database) == await everything(file)
    await file.close()
    await database.close()


async def test_a_target_that_is_not_empty_is_refused_and_left_alone(shop: Path, url: str) -> None:
    database = await PostgresJournal.open(url)
    await database.append(event("mine"))
    with pytest.raises(RelayError) as refused:
        await copy(shop, url, lambda table, number: None)

    assert refused.value.code == "journal_not_empty"
    assert await database.count(Selection()) == 1
    await database.close()


async def test_a_file_that_a_relay_works_is_refused(shop: Path, url: str) -> None:
    lock = FileLock(shop)
    with pytest.raises(RelayError) as refused:
        await copy(shop, url, lambda table, number: None)

    lock.release()
    assert refused.value.code == "journal_in_use"


async def test_a_copy_that_breaks_off_leaves_nothing(shop: Path, url: str) -> None:
    class Broken(Exception):
        pass

    def breaks(table: str, number: int) -> None:
        if table == "cursors":
            raise Broken

    with pytest.raises(Broken):
        await copy(shop, url, breaks)
    await copy(shop, url, lambda table, number: None)
