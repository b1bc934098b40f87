"""Keeps the public keys of platforms that sign with such: fetched at the start, every hour, and when one is missed.

Only the address that is configured is asked, and so seldom that no forgery can make the relay hammer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relay import logs
from relay.destinations.contract import Request
from relay.pipeline.completing import Door
from relay.pipeline.wakeups import Wakeups
from relay.sources.key_set import KeySet

TIMEOUT_S = 5.0
"""Less than platforms wait for an answer to a webhook."""
FRESH_S = 10.0
"""Keys fetched within this time count as those of now; after a failure, nothing is tried for as long."""
RENEWED_AFTER_S = 3_600.0
"""A key that the platform withdraws is good for no longer."""
RETRY_S = 60.0
MAX_KEYS_BYTES = 256 * 1024


class KeyKeeper:
    """Owns the key set of one source. ``clock`` gives seconds that never go back."""

    def __init__(self, name: str, keys: KeySet, *, door: Door, clock: Callable[[], float]) -> None:
        self._name = name
        self._keys = keys
        self._door = door
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._tried_s = self._fetched_s = float("-inf")
        self._log = logs.get("keys")
        self.why = "they were not fetched yet"
        """What the last attempt said."""

    async def run(self, wakeups: Wakeups) -> None:
        """Renew the keys until the relay stops, which raises `Stopping`."""
        while True:
            fetched = await self.fresh()
            await wakeups.pause(RENEWED_AFTER_S if fetched else RETRY_S)

    async def fresh(self) -> bool:
        """Whether the keys are those of now, fetching them if need be. Those who wait for it share one request."""
        async with self._fetching:
            now_s = self._clock()
            if now_s - self._fetched_s < FRESH_S:
                return True
            if now_s - self._tried_s < FRESH_S:
                return False
            self._tried_s = now_s
            if not await self._fetch():
                return False
            self._fetched_s = self._clock()
            return True

    async def _fetch(self) -> bool:
        request = Request("GET", self._keys.url, {"Accept": "application/json"}, b"", shown_body=b"")
        answer = await self._door.send(request, timeout_s=TIMEOUT_S, max_answer_bytes=MAX_KEYS_BYTES)
        if answer.status != 200:
            return self._failed(f"it answers {answer.status}" if answer.status else answer.error_detail)
        try:
            number = self._keys.replace(answer.body)
        except ValueError as error:
            return self._failed(str(error))
        self.why = f"{self._keys.url} publishes {number} {'key' if number == 1 else 'keys'}"
        self._log.info("keys_fetched", source=self._name, keys=number)
        return True

    def _failed(self, why: str) -> bool:
        self.why = f"{self._keys.url}: {why}"
        self._log.warning("keys_unavailable", source=self._name, detail=self.why)
        return False
