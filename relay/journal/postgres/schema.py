"""Making the tables, and bringing older ones up to date: numbered migrations, forward only."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from secrets import token_hex

from relay.codes import RelayError
from relay.journal.postgres.connecting import ANSWER_S, Connection, connect, deadline, is_trouble, unavailable
from relay.journal.postgres.keys import Keys, Kind
from relay.journal.postgres.pools import row, rows

_OLDEST_SERVER = 140_000
_LONGEST_MIGRATION = "30min"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the journal says of itself: its name for locks and channels, and its number of partitions."""

    identity: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Step:
    number: int
    title: str
    script: str


def migrations() -> list[Step]:
    folder = files("relay.journal.postgres").joinpath("migrations")
    scripts = sorted((step for step in folder.iterdir() if step.name.endswith(".sql")), key=lambda step: step.name)
    steps = []
    for number, script in enumerate(scripts, start=1):
        text = script.read_text(encoding="utf-8")
        steps.append(Step(number, text.splitlines()[0].removeprefix("--").strip(), text))
    return steps


async def prepare(where: str, settings: str, partitions: int) -> Prepared:
    """Make or migrate the tables; nodes that start together do it one after the other.

    ``partitions`` counts for a new journal only. Raises `RelayError` (``journal_newer``,
    ``journal_pooled``, ``journal_server``) and `JournalUnavailable`.
    """
    try:
        async with await connect(settings) as connection:
            with deadline(connection, ANSWER_S):
                await _check_server(connection, where)
                await _check_pooling(connection, settings, where)
                done = await version(connection, where)
            if done < len(migrations()):
                await _migrate(connection, where, partitions)
            return await _prepared(connection)
    except Exception as error:
        if is_trouble(error):
            raise unavailable(where, error) from error
        raise


async def steps_done(where: str, settings: str) -> int:
    """How many migrations were done; 0 when there is no journal. Raises as `prepare` does."""
    try:
        async with await connect(settings) as connection:
            with deadline(connection, ANSWER_S):
                return await version(connection, where)
    except Exception as error:
        if is_trouble(error):
            raise unavailable(where, error) from error
        raise


async def version(connection: Connection, where: str) -> int:
    """How many migrations were done; 0 when there is no journal."""
    if await row(connection, "select 1 where to_regclass('meta') is not null") is None:
        return 0
    found = await row(connection, "select value from meta where name = 'version'")
    done = int(found[0]) if found else 0
    if done > len(migrations()):
        raise RelayError(
            "journal_newer", f"The journal {where} has schema {done}; this relay knows {len(migrations())}."
        )
    return done


async def _migrate(connection: Connection, where: str, partitions: int) -> None:
    schema = await row(connection, "select current_schema()")
    lock = Keys(str(schema)).prefix(Kind.MIGRATE)
    await connection.execute(f"set lock_timeout = '{_LONGEST_MIGRATION}'".encode())
    # Before the transaction: one that began earlier might not see the tables that another node made meanwhile.
    await connection.execute("select pg_advisory_lock(%s)", (lock,))
    try:
        async with connection.transaction():
            for step in migrations()[await version(connection, where) :]:
                await connection.execute(step.script.encode())
                await connection.execute(
                    "insert into meta values ('version', %s) on conflict (name) do update set value = excluded.value",
                    (str(step.number),),
                )
            for name, value in (("partitions", str(partitions)), ("identity", token_hex(8)), ("checks", "0")):
                await connection.execute("insert into meta values (%s, %s) on conflict do nothing", (name, value))
    finally:
        if not connection.closed:
            await connection.execute("select pg_advisory_unlock(%s)", (lock,))


async def _prepared(connection: Connection) -> Prepared:
    found = dict(await rows(connection, "select name, value from meta where name in ('identity', 'partitions')"))
    return Prepared(found["identity"], int(found["partitions"]))


async def _check_server(connection: Connection, where: str) -> None:
    if connection.info.server_version < _OLDEST_SERVER:
        raise RelayError(
            "journal_server",
            f"The server of {where} is PostgreSQL {connection.info.server_version // 10_000}; 14 or later is needed.",
        )


async def _check_pooling(connection: Connection, settings: str, where: str) -> None:
    """A pooler may give each transaction another session; advisory locks and `listen` belong to sessions."""
    mine = await _session(connection)
    if mine == connection.info.backend_pid:
        return  # Nobody is between.
    async with await connect(settings) as other, other.transaction():
        shared = await _session(other) == mine
        # Not asked when it is: where it is the only one, it is in use.
        shared = shared or await _session(connection) != mine
    if shared:
        raise RelayError(
            "journal_pooled", f"The pooler before {where} gives every transaction another session of the server."
        )


async def _session(connection: Connection) -> int:
    found = await row(connection, "select pg_backend_pid()")
    assert found is not None
    return int(found[0])
