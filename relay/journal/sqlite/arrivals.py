"""When webhooks came, and which were refused. Each step of each query goes by an index."""

from __future__ import annotations

import sqlite3

from relay.model import HOUR_MS, Arrivals, Refusals

LAST = "select max(received_at_ms) from events where source = ? and lane = 'live'"
# Hops from the first webhook of an hour to the first of the next hour that has any: as many steps as hours.
HOURS = f"""
    with recursive found (first_ms) as (
        select min(received_at_ms) from events where source = ?1 and lane = 'live' and received_at_ms >= ?2
        union all
        select (
            select min(received_at_ms) from events
            where source = ?1 and lane = 'live' and received_at_ms >= (found.first_ms / {HOUR_MS} + 1) * {HOUR_MS}
        ) from found where found.first_ms is not null
    )
    select first_ms / {HOUR_MS} from found where first_ms is not null
"""  # noqa: S608  only a constant
COUNT = "select count(*) from events where source = ? and lane = 'live' and received_at_ms >= ?"
REFUSALS = """
    select code, count(*), max(received_at_ms) from quarantine where source = ? group by code order by code
"""


def arrivals(database: sqlite3.Connection, source: str, window_ms: int) -> Arrivals:
    (last_ms,) = database.execute(LAST, (source,)).fetchone()
    if last_ms is None:
        return Arrivals(None, ())
    return Arrivals(last_ms, [hour for (hour,) in database.execute(HOURS, (source, last_ms - window_ms))])


def count_arrivals(database: sqlite3.Connection, source: str, since_ms: int) -> int:
    (count,) = database.execute(COUNT, (source, since_ms)).fetchone()
    return int(count)


def refusals(database: sqlite3.Connection, source: str) -> list[Refusals]:
    return [Refusals(*row) for row in database.execute(REFUSALS, (source,))]
