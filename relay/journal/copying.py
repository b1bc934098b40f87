"""Moves a journal from a SQLite file into an empty PostgreSQL database, ids and all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.codes import RelayError
from relay.journal.postgres.appending import short
from relay.journal.postgres.connecting import Connection, connect, is_trouble, settings_of, shown, unavailable
from relay.journal.postgres.pools import row, rows
from relay.journal.postgres.schema import prepare
from relay.journal.sqlite import connecting
from relay.journal.sqlite.locking import FileLock
from relay.journal.sqlite.schema import prepare as prepare_file

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` are the same on both sides, with their PostgreSQL types; ``change`` makes a row fit."""

    name: str
    columns: Mapping[str, str]
    select: str = ""
    change: Callable[[Sequence[Any]], Sequence[Any]] = tuple
    has_sequence: bool = False

    @property
    def source(self) -> str:
        return self.select or f"select {', '.join(self.columns)} from {self.name} order by rowid"  # noqa: S608


def _table(name: str, texts: str, bigints: str, *, has_sequence: bool = False, **more: Any) -> Table:
    columns = {**dict.fromkeys(bigints.split(), "int8"), **dict.fromkeys(texts.split(), "text")}
    return Table(name, columns, has_sequence=has_sequence, **more)


def _event(event: Sequence[Any]) -> Sequence[Any]:
    *others, delivery_key, body = event
    key = short(delivery_key)
    return (*others, key, None if key == delivery_key else delivery_key, body)


_EVENT_COLUMNS = "id partition occurred_at_ms received_at_ms replay_of lane source topic entity headers"
_EVENTS = Table(
    "events",
    {
        **{name: "int8" if at < 5 else "text" for at, name in enumerate(_EVENT_COLUMNS.split())},
        **dict.fromkeys(("options", "delivery_key", "long_key"), "text"),
        "body": "bytea",
    },
    select=f"select {', '.join(_EVENT_COLUMNS.split())}, (select options from event_options where event = id),"  # noqa: S608
    " delivery_key, body from events order by id",
    change=_event,
    has_sequence=True,
)
_QUARANTINE = Table(
    "quarantine",
    {
        "id": "int8",
        "received_at_ms": "int8",
        **dict.fromkeys(("source", "code", "detail", "headers", "verifier"), "text"),
        "body": "bytea",
    },
    has_sequence=True,
)
TABLES = (
    _EVENTS,
    _table(
        "calls",
        "lane tracked_event message_id template_version text",
        "id partition event_id",
        has_sequence=True,
    ),
    _table(
        "outcomes",
        "destination message_id kind code detail",
        "id event_id call_id attempt_id at_ms",
        has_sequence=True,
    ),
    _table(
        "attempts",
        "destination lane verdict code answer request",
        "id partition started_at_ms duration_ms status calls first_call last_call",
        has_sequence=True,
    ),
    _table(
        "event_keys",
        "key",
        "event_id",
        select="select event_id, key from event_keys",
        change=lambda pair: (pair[0], short(pair[1])),
    ),
    _table("fetched", "name document", "event_id"),
    _table(
        "delivered",
        "destination message_id",
        "call_id",
        select="select call_id, destination, message_id from delivered",
    ),
    _table(
        "cursors", "stage lane", "partition position", select="select partition, position, stage, lane from cursors"
    ),
    _table(
        "gates",
        "name code why",
        "failures not_before_ms",
        select="select failures, not_before_ms, name, code, why from gates",
    ),
    _QUARANTINE,
    _table("forgotten", "", "event_id at_ms"),
    _table("audit", "source kind", "id at_ms event_id events calls quarantined", has_sequence=True),
)


async def copy(path: Path, url: str, tell: Callable[[str, int], None]) -> None:
    """Copy all, in one transaction; ``tell`` hears each table's number of rows.

    Raises `RelayError` ``journal_in_use`` when a relay works the file, ``journal_not_empty``,
    ``journal_differs`` and what opening the journals raises.
    """
    where, settings = shown(url), settings_of(url)
    lock = FileLock(path)
    try:
        partitions = prepare_file(path, 1)
        await prepare(where, settings, partitions)
        with closing(connecting.open_reader(path)) as file:
            file.execute("begin")
            async with await connect(settings) as database, database.transaction():
                await _refuse_what_is_not_empty(database, where)
                for table in TABLES:
                    tell(table.name, await _copy(file, database, table))
                await _note(database, path, partitions)
                await _verify(file, database)
    except Exception as error:
        if is_trouble(error):
            raise unavailable(where, error) from error
        raise
    finally:
        lock.release()


async def _refuse_what_is_not_empty(database: Connection, where: str) -> None:
    for table in TABLES:
        await database.execute(f"lock table {table.name} in exclusive mode".encode())
        if await row(database, f"select 1 from {table.name} limit 1"):  # noqa: S608
            raise RelayError("journal_not_empty", f"{where} has {table.name} already.")


async def _copy(file: sqlite3.Connection, database: Connection, table: Table) -> int:
    copied = 0
    statement = f"copy {table.name} ({', '.join(table.columns)}) from stdin (format binary)"
    async with database.cursor() as cursor, cursor.copy(statement.encode()) as sink:
        sink.set_types(list(table.columns.values()))
        for some in _batches(file.execute(table.source)):
            for item in some:
                await sink.write_row(table.change(item))
            copied += len(some)
    if table.has_sequence:
        last = file.execute("select seq from sqlite_sequence where name = ?", (table.name,)).fetchone()
        if last and last[0]:
            await database.execute("select setval(%s::regclass, %s)", (f"{table.name}_id", last[0]))
    return copied


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while some := cursor.fetchmany(_AT_ONCE):
        yield some


async def _note(database: Connection, path: Path, partitions: int) -> None:
    """What is in no table: the number of partitions, and the key that is kept beside the file."""
    await database.execute("update meta set value = %s where name = 'partitions'", (str(partitions),))
    key = path.with_name(f"{path.name}.key")
    if key.exists():
        await database.execute(
            "insert into meta values ('verifier_key', %s) on conflict (name) do update set value = excluded.value",
            (key.read_bytes().hex(),),
        )


async def _verify(file: sqlite3.Connection, database: Connection) -> None:
    """Numbers of rows, the sizes of what is large, and every cursor."""
    for table in TABLES:
        for measure in ("count(*)", *_SIZES.get(table.name, ())):
            statement = f"select {measure} from {table.name}"  # noqa: S608
            there = await row(database, statement)
            here = file.execute(statement.replace("octet_length(", "length(")).fetchone()
            if there is None or here[0] != int(there[0]):
                raise RelayError("journal_differs", f"{measure} of {table.name}: {here[0]}, and {there and there[0]}.")
    cursors = "select stage, lane, partition, position from cursors"
    if set(file.execute(cursors)) != set(await rows(database, cursors)):
        raise RelayError("journal_differs", "The cursors are not the same.")


_SIZES = {
    "events": ("coalesce(sum(id), 0)", "coalesce(sum(octet_length(body)), 0)"),
    "calls": ("coalesce(sum(id), 0)",),
    "quarantine": ("coalesce(sum(octet_length(body)), 0)",),
}
