"""When webhooks came, and which were refused. Each step of each query goes by an index."""

from __future__ import annotations

from relay.journal.postgres.connecting import Connection
from relay.journal.postgres.pools import row, rows
from relay.model import HOUR_MS, Arrivals, Refusals

LAST = "select max(received_at_ms) from events where source = %s and lane = 'live'"
# Hops from the first webhook of an hour to the first of the next hour that has any: as many steps as hours.
HOURS = f"""
    with recursive found (first_ms) as (
        select min(received_at_ms) from events
        where source = %(source)s and lane = 'live' and received_at_ms >= %(since_ms)s
        union all
        select (
            select min(received_at_ms) from events
            where source = %(source)s and lane = 'live'
              and received_at_ms >= (found.first_ms / {HOUR_MS} + 1) * {HOUR_MS}
        ) from found where found.first_ms is not null
    )
    select first_ms / {HOUR_MS} from found where first_ms is not null
"""  # noqa: S608  only a constant
COUNT = "select count(*) from events where source = %s and lane = 'live' and received_at_ms >= %s"
REFUSALS = """
    select code, count(*), max(received_at_ms) from quarantine where source = %s group by code order by code
"""


async def arrivals(connection: Connection, source: str, window_ms: int) -> Arrivals:
    last = await row(connection, LAST, (source,))
    if last is None or last[0] is None:
        return Arrivals(None, ())
    names = {"source": source, "since_ms": last[0] - window_ms}
    return Arrivals(last[0], [hour for (hour,) in await rows(connection, HOURS, names)])


async def count_arrivals(connection: Connection, source: str, since_ms: int) -> int:
    found = await row(connection, COUNT, (source, since_ms))
    assert found is not None
    return int(found[0])


async def refusals(connection: Connection, source: str) -> list[Refusals]:
    return [Refusals(*found) for found in await rows(connection, REFUSALS, (source,))]
