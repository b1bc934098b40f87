from __future__ import annotations

from relay.journal.protocol import Journal
from relay.model import HOUR_MS, Arrivals, Lane, Refusals
from tests.journal.making import NOW_MS, event, quarantined

HOUR = NOW_MS // HOUR_MS
DAY_MS = 24 * HOUR_MS


async def came(journal: Journal, *hours: int, source: str = "shop", lane: Lane = Lane.LIVE) -> None:
    """Two webhooks in each of these hours."""
    moments = [hour * HOUR_MS + minute * 60_000 for hour in hours for minute in (10, 40)]
    await journal.append_many([event(f"{lane} {ms}", source=source, lane=lane, received_at_ms=ms) for ms in moments])


async def test_nothing_came_yet(journal: Journal) -> None:
    await came(journal, HOUR, source="other")

    assert await journal.arrivals("shop", window_ms=DAY_MS) == Arrivals(None, ())
    assert await journal.count_arrivals("shop", since_ms=0) == 0
    assert await journal.refusals("shop") == []


async def test_the_hours_in_which_webhooks_came(journal: Journal) -> None:
    hours = [HOUR - 30, HOUR - 23, HOUR - 9, HOUR - 8, HOUR]
    await came(journal, *hours)
    await came(journal, HOUR - 5, source="other")
    last_ms = HOUR * HOUR_MS + 40 * 60_000

    assert await journal.arrivals("shop", window_ms=DAY_MS) == Arrivals(last_ms, hours[1:])
    assert await journal.arrivals("shop", window_ms=40 * HOUR_MS) == Arrivals(last_ms, hours)
    assert await journal.arrivals("shop", window_ms=0) == Arrivals(last_ms, [HOUR])


async def test_the_window_ends_with_the_last_and_not_now(journal: Journal) -> None:
    await came(journal, 1_000, 1_001)

    assert (await journal.arrivals("shop", window_ms=DAY_MS)).hours == [1_000, 1_001]


async def test_replays_and_backfills_are_no_arrivals(journal: Journal) -> None:
    await came(journal, HOUR - 2)
    await came(journal, HOUR - 1, lane=Lane.REPLAY)
    await came(journal, HOUR, lane=Lane.BACKFILL)

    assert (await journal.arrivals("shop", window_ms=DAY_MS)).hours == [HOUR - 2]
    assert await journal.count_arrivals("shop", since_ms=0) == 2


async def test_arrivals_are_counted_from_a_moment_on(journal: Journal) -> None:
    await came(journal, HOUR - 1, HOUR)

    assert await journal.count_arrivals("shop", since_ms=HOUR * HOUR_MS) == 2
    assert await journal.count_arrivals("shop", since_ms=HOUR * HOUR_MS + 10 * 60_000 + 1) == 1
    assert await journal.count_arrivals("shop", since_ms=HOUR * HOUR_MS - 50 * 60_000) == 4


async def test_refusals_are_counted_by_code(journal: Journal) -> None:
    for number in range(3):
        await journal.quarantine(quarantined(number))
    await journal.quarantine(quarantined(7, code="signature_mismatch"))
    await journal.quarantine(quarantined(9, source="other"))

    assert await journal.refusals("shop") == [
        Refusals("body_not_json", 3, NOW_MS + 2),
        Refusals("signature_mismatch", 1, NOW_MS + 7),
    ]
