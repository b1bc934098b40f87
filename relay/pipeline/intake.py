"""Intake: a webhook is verified, stored durably, and only then answered."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence

import orjson

from relay.journal.protocol import Journal, JournalUnavailable
from relay.model import Appended, Lane, NewEvent, NewQuarantined, Received, Webhook, render_stage
from relay.pipeline.key_keeping import KeyKeeper
from relay.pipeline.observing import Observer
from relay.pipeline.verifying import Verifier
from relay.pipeline.wakeups import Wakeups
from relay.sources.contract import KeyOutdated, Refused, Source


def partition_of(source: str, entity: str, partitions: int) -> int:
    """Same entity, same partition, on every node and after every restart."""
    return zlib.crc32(f"{source}\n{entity}".encode("utf-8", "surrogatepass")) % partitions


def new_event(source: str, received: Received, *, received_at_ms: int, partitions: int) -> NewEvent:
    """What is stored of a genuine webhook. One that tells no time happened when it came."""
    return NewEvent(
        lane=Lane.LIVE,
        partition=partition_of(source, received.entity, partitions),
        source=source,
        topic=received.topic,
        delivery_key=received.delivery_key,
        entity=received.entity,
        occurred_at_ms=received_at_ms if received.occurred_at_ms is None else received.occurred_at_ms,
        received_at_ms=received_at_ms,
        headers=orjson.dumps(dict(received.headers)).decode(),
        body=received.body,
    )


class Intake:
    """Takes webhooks of all sources. Without a ``verifier``, secrets in quarantine cannot be checked again."""

    def __init__(
        self,
        journal: Journal,
        sources: Mapping[str, Source],
        wakeups: Wakeups,
        observer: Observer,
        now_ms: Callable[[], int],
        verifier: Verifier | None = None,
        keys: Mapping[str, KeyKeeper] | None = None,
    ) -> None:
        self._journal = journal
        self._sources = sources
        self._wakeups = wakeups
        self._observer = observer
        self._now_ms = now_ms
        self._verifier = verifier
        self._keys = keys or {}

    def knows(self, source: str) -> bool:
        return source in self._sources

    async def take(self, source: str, webhook: Webhook) -> Appended | None:
        """Store a webhook; it is fsynced when this returns. None for a ping, of which nothing is stored.

        Raises `Refused` when it is not genuine or not readable, after it was put into quarantine unless it is only
        asked for its password, and `JournalUnavailable` when nothing could be stored.
        """
        now_ms = self._now_ms()
        try:
            received = await self._received(source, webhook, now_ms)
        except Refused as refusal:
            if self._sources[source].is_ping(webhook):
                self._observer.webhook(source, "ping")
                return None
            if refusal.challenge:
                # The first half of an exchange: the client shows its password when it is asked for it.
                self._observer.webhook(source, "challenged")
                raise
            await self.refuse(source, webhook, refusal)
            raise
        event = new_event(source, received, received_at_ms=now_ms, partitions=self._journal.partitions)
        try:
            appended = await self._journal.append(event)
        except JournalUnavailable:
            self._observer.webhook(source, "unavailable")
            raise
        self._observer.webhook(source, "duplicate" if appended.duplicate else "accepted")
        if not appended.duplicate:
            self._wakeups.wake(render_stage(source), event.partition)
        return appended

    async def take_all(
        self, source: str, received: Sequence[Received], refused: Sequence[tuple[Webhook, Refused]]
    ) -> Sequence[Appended]:
        """Store what one request brought, all of it or nothing; it is fsynced when this returns.

        What was refused goes into quarantine after that. Raises `JournalUnavailable`; whoever posts the
        same once more then stores nothing twice but in quarantine.
        """
        now_ms, partitions = self._now_ms(), self._journal.partitions
        events = [new_event(source, one, received_at_ms=now_ms, partitions=partitions) for one in received]
        try:
            appended = await self._journal.append_many(events) if events else []
        except JournalUnavailable:
            self._observer.webhook(source, "unavailable")
            raise
        for event, answer in zip(events, appended, strict=True):
            self._observer.webhook(source, "duplicate" if answer.duplicate else "accepted")
            if not answer.duplicate:
                self._wakeups.wake(render_stage(source), event.partition)
        try:
            async with asyncio.TaskGroup() as group:  # so that they share a commit
                for webhook, refusal in refused:
                    group.create_task(self.refuse(source, webhook, refusal))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return appended

    async def _received(self, source: str, webhook: Webhook, now_ms: int) -> Received:
        """Read a webhook; one that no known key has signed again, with the keys that are published now."""
        try:
            return self._sources[source].receive(webhook, now_ms=now_ms)
        except KeyOutdated:
            keeper = self._keys.get(source)
            if keeper is None:
                raise
        if not await keeper.fresh():
            raise Refused("keys_unavailable", keeper.why)
        return self._sources[source].receive(webhook, now_ms=now_ms)

    async def refuse(self, source: str, webhook: Webhook, refusal: Refused) -> None:
        """Put a request that is not to be worked into quarantine, without its secrets."""
        stripped = self._sources[source].strip(webhook)
        presented = self._sources[source].presented(webhook)
        self._observer.webhook(source, refusal.code)
        await self._journal.quarantine(
            NewQuarantined(
                source=source,
                headers=orjson.dumps(dict(stripped.headers)).decode(),
                body=stripped.body,
                code=refusal.code,
                detail=refusal.detail,
                received_at_ms=self._now_ms(),
                verifier=self._verifier.of(source, presented) if self._verifier else "",
            )
        )
